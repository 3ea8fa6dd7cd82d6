"""Times the same script on kuai and on PyTorch: `python -m benchmarks --help`."""
