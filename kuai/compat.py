"""Posing as PyTorch: after `install`, ``import torch`` gives kuai to programs written for PyTorch."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import multiprocessing
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from multiprocessing import spawn
from os import PathLike
from pathlib import Path
from types import ModuleType

import kuai
from kuai.places import ELSEWHERE
from kuai.torch_names import module_of
from kuai.wont import reason

# PyTorch's version, as programs compare it.
VERSION = "2.13.0+kuai"


class _Torch(ModuleType):
    """The module ``torch``: kuai under PyTorch's name and version."""

    def __getattr__(self, name: str) -> object:
        found = vars(self)[name] = getattr(kuai, name)  # the next time Python finds it by itself
        _rename_classes()  # of modules that this has imported
        return found

    def __dir__(self) -> list[str]:
        return dir(kuai)


class _Distribution(metadata.Distribution):
    """What Python's package metadata says of "torch" while kuai poses as it."""

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        return f"Metadata-Version: 2.1\nName: torch\nVersion: {VERSION}\nSummary: kuai, posing as PyTorch\n"

    def locate_file(self, path: str | PathLike[str]) -> Path:
        return Path(kuai.__path__[0]).parent / path


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``torch.x.y`` as ``kuai.x.y``, and the package functorch that PyTorch brings."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None):
        if not name.startswith("torch.") and name != "functorch":
            return None
        if _module(name) is None:
            self._refuse(name)
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    @staticmethod
    def _refuse(name: str) -> None:
        """ModuleNotFoundError that says why, to an import statement; who only asks (importlib.util.find_spec) gets no module."""
        why = reason(name.removeprefix("torch."))
        importing = sys._getframe(3).f_code.co_name == "_find_and_load_unlocked"
        if why is not None and importing:
            raise ModuleNotFoundError(f"No module named {name!r} in kuai: {why}", name=name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return _module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """The module is ready: it is kuai's own."""

    @staticmethod
    def find_distributions(context: metadata.DistributionFinder.Context = metadata.DistributionFinder.Context()):
        """The package "torch", for programs that ask its version (importlib.metadata)."""
        return [_Distribution()] if context.name in (None, "torch") else []

    def load_module(self, name: str) -> ModuleType:
        found = _module(name)
        if found is None:
            raise ImportError(f"No module named {name!r}", name=name)
        sys.modules[name] = found
        return found


def _module(name: str) -> ModuleType | None:
    """kuai's module for one of PyTorch's: by its own name, or the attribute of that name."""
    rest = name.removeprefix("torch.")
    try:
        return importlib.import_module(f"kuai.{ELSEWHERE.get(rest, rest)}")
    except ModuleNotFoundError:
        found: object = kuai
        for part in rest.split("."):
            found = getattr(found, part, None)
        return found if isinstance(found, ModuleType) else None
    finally:
        _rename_classes()


def install() -> None:
    """Make ``import torch`` mean kuai in this process; RuntimeError if PyTorch itself is loaded already.

    >>> import kuai.compat
    >>> kuai.compat.VERSION.split("+")[0]
    '2.13.0'
    """
    there = sys.modules.get("torch")
    if isinstance(there, _Torch):
        return
    if there is not None:
        raise RuntimeError("compat.install(): PyTorch is imported already; install before the first 'import torch'")
    posing = _Torch("torch", kuai.__doc__)
    finder = _Finder()
    posing.__spec__ = importlib.machinery.ModuleSpec("torch", finder, is_package=True)  # importlib.util.find_spec gives it
    posing.__version__ = VERSION  # type: ignore[attr-defined]
    posing.__path__ = []
    posing.__file__ = kuai.__file__
    posing.torch = posing  # type: ignore[attr-defined]  # PyTorch's module has itself, and programs write torch.torch
    sys.modules["torch"] = posing
    sys.meta_path.insert(0, finder)
    for name in ("nn", "nn.functional", "optim", "autograd", "random"):
        if _module(f"torch.{name}") is not None:
            sys.modules[f"torch.{name}"] = _module(f"torch.{name}")  # type: ignore[assignment]
    _rename_classes()
    _pose_in_children()


_renamed: set[str] = set()


def _rename_classes() -> None:
    """Classes print under PyTorch's name, and are pickled by it: <class 'torch.nn.modules.linear.Linear'>."""
    for name, module in list(sys.modules.items()):
        if name not in _renamed and (name == "kuai" or name.startswith("kuai.")):
            _renamed.add(name)
            _keep_name(name, module)
            for value in list(vars(module).values()):
                if isinstance(value, type) and value.__module__.startswith("kuai"):
                    _evaluate_annotations(value)
                    value.__module__ = _public_name(value)


def _keep_name(name: str, module: ModuleType) -> None:
    """Know a module as imported whose name in its package means something else (``torch.autograd.gradcheck``, the function): an import
    of it as torch's would put the module there."""
    package, _, own = name.rpartition(".")
    if package and getattr(sys.modules[package], own, module) is not module:
        sys.modules.setdefault("torch" + name.removeprefix("kuai"), module)


def _evaluate_annotations(cls: type) -> None:
    """Turn a class's annotations from text to types while its own module is known: typing.get_type_hints looks in the public one."""
    names = vars(sys.modules[cls.__module__])
    annotations = cls.__dict__.get("__annotations__", {})
    for attribute, text in annotations.items():
        if isinstance(text, str):
            with suppress(NameError):  # of what is imported for the type checker alone
                annotations[attribute] = eval(text, names, dict(vars(cls)))  # noqa: S307


def _public_name(cls: type) -> str:
    known = module_of(cls)
    if known is None and getattr(kuai, cls.__name__, None) is cls:
        return "torch"
    return known or "torch" + cls.__module__.removeprefix("kuai")


class _Pose:
    """What unpickles by `install`."""

    def __reduce__(self) -> tuple:
        return install, ()


def _pose_in_children() -> None:
    """Let processes that start anew (spawn, forkserver) pose too, before they import the script and unpickle their work."""
    prepare = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict:
        return {"torch": _Pose(), **prepare(name)}  # read before anything else; its key means nothing to Python

    spawn.get_preparation_data = get_preparation_data
    multiprocessing.set_forkserver_preload([])  # the server itself would import the script, and does not pose
