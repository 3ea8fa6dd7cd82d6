"""The command line: kuai run | info | inspect | convert."""

from __future__ import annotations

import argparse
import os
import platform
import runpy
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit status.

    >>> main(["info"])  # doctest: +ELLIPSIS
    kuai ...
    0
    """
    given = _parser().parse_args(arguments)
    return given.command(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kuai", description="Reads like PyTorch, starts like NumPy, ends like XLA.")
    commands = parser.add_subparsers(required=True, metavar="run | info | inspect | convert")
    run = commands.add_parser("run", help="run a script written for PyTorch")
    run.add_argument("-m", dest="module", action="store_true", help="the name is a module's")
    run.add_argument("script", help="a .py file")
    run.add_argument("args", nargs=argparse.REMAINDER, help="the script's own arguments")
    run.set_defaults(command=_run)
    info = commands.add_parser("info", help="versions, engines, devices, the cache")
    info.set_defaults(command=_info)
    inspect = commands.add_parser("inspect", help="what a checkpoint holds, without loading it")
    inspect.add_argument("file")
    inspect.set_defaults(command=_inspect)
    convert = commands.add_parser("convert", help="a checkpoint into another format, by suffix")
    convert.add_argument("source")
    convert.add_argument("target")
    convert.set_defaults(command=_convert)
    return parser


def _run(given: argparse.Namespace) -> int:
    from . import compat

    if not given.module and not Path(given.script).is_file():
        print(f"kuai run: there is no file {given.script}", file=sys.stderr)
        return 2
    compat.install()
    sys.argv = [given.script, *given.args]
    if not sys.flags.safe_path:  # what stands first is the command's own folder; Python puts the program's there
        sys.path[0] = os.getcwd() if given.module else str(Path(given.script).resolve().parent)
    sys.excepthook = _show_error
    if given.module:
        runpy.run_module(given.script, run_name="__main__", alter_sys=True)
    else:
        _run_file(os.path.abspath(given.script))
    return 0


def _run_file(path: str) -> None:
    """Run a file as the module __main__, which stays: threads, exit functions and pickles outlive the file's last line."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__file__, main.__loader__ = path, SourceFileLoader("__main__", path)
    exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), vars(main))


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show what ends a program from the program's own first line on, as Python does."""
    frames = [(t, t.tb_frame.f_code.co_filename) for t in _frames(trace)]
    ours = max((i for i, (_, file) in enumerate(frames) if file == __file__), default=-1) + 1
    own = [t for t, file in frames[ours:] if file != "<frozen runpy>"]
    error.__traceback__ = own[0] if own else None
    sys.__excepthook__(kind, error, error.__traceback__)


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _info(given: argparse.Namespace) -> int:
    from . import __version__, config, cuda
    from .engine import diskcache

    folder = config.cache_folder()
    print(f"kuai {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    print(", ".join(f"{name} {_version(name)}" for name in ("numpy", "ml_dtypes", "safetensors", "jax", "jaxlib")))
    compiler = "NumPy, XLA" if _version("jax") != "not installed" else "NumPy (for XLA: pip install 'kuai[xla]')"
    print(f"engine: {config.engine}; executors: {compiler}")
    names = [cuda.get_device_name(i) for i in range(cuda.device_count())]
    print(f"devices: cpu{''.join(f', cuda:{i} ({n})' for i, n in enumerate(names))}")
    print(f"cache: {folder}, {diskcache.size(folder) / 2**20:.1f} MiB")
    return 0


def _inspect(given: argparse.Namespace) -> int:
    from .files import inspect_file

    try:
        report = inspect_file(given.file)
    except (OSError, RuntimeError) as error:
        return _failed("inspect", error)
    print(report)
    return 1 if report.problem else 0


def _convert(given: argparse.Namespace) -> int:
    from .files import convert

    try:
        convert(given.source, given.target)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        return _failed("convert", error)
    return 0


def _failed(command: str, error: Exception) -> int:
    print(f"kuai {command}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
