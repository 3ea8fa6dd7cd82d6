"""One process: times one loop on one framework and prints its figures as JSON (seconds)."""

from __future__ import annotations

import importlib
import json
import sys

from ..worker import measure
from . import LOOPS


def main() -> None:
    framework, name = sys.argv[1:]
    torch = importlib.import_module(framework)
    finish = (lambda kept: torch.synchronize()) if framework == "kuai" else (lambda kept: None)
    print(json.dumps(measure(LOOPS[name](torch), finish, first=100, warm=1.0, timed=1.0)))


if __name__ == "__main__":
    main()
