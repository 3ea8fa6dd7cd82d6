"""The programs of this folder are run by tests/test_programs.py, in processes of their own: pytest must not import them."""

collect_ignore_glob = ["*.py"]
