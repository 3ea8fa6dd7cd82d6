"""kuai's own versions of operators that packages bring in compiled libraries; one file a package."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath


def load(path: str) -> bool:
    """Register the operators that the library ``…/package/_C.so`` would; False if there are none here.

    >>> load("/somewhere/unknown/_C.so")
    False
    """
    found = PurePath(path)
    name = f"{__name__}.{found.parent.name}"
    if found.name.split(".")[0] != "_C" or not found.parent.name.isidentifier() or find_spec(name) is None:
        return False
    import_module(name)
    return True
