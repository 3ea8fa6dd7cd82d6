"""kuai's own versions of operators that packages bring in compiled libraries; one file a package."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath

loaded_libraries: set[str] = set()


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


def load_library(path: object) -> None:
    """Bring a compiled library's operators (``torch.ops.load_library``), where kuai has its own versions of them.

    OSError for every other library: it is machine code that calls PyTorch.

    >>> import kuai as torch
    >>> torch.ops.load_library("unknown.so")
    Traceback (most recent call last):
    OSError: unknown.so: kuai cannot run operators compiled for PyTorch...
    """
    if not load(str(path)):
        raise OSError(
            f"{path}: kuai cannot run operators compiled for PyTorch, and has none of its own for this library; "
            "write them in Python with torch.library.custom_op"
        )
    loaded_libraries.add(str(path))
