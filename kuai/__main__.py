"""``python -m kuai`` is the command ``kuai``."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
