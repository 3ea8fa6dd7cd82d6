"""An error of a process, written where a launcher looks for it (``torch.distributed.elastic.multiprocessing.errors``)."""

from __future__ import annotations

import faulthandler
import json
import os
import time
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any


class ErrorHandler:
    """Writes an exception to the file that TORCHELASTIC_ERROR_FILE names, if it names one."""

    def initialize(self) -> None:
        """Show the stack when the process dies of a signal."""
        try:
            faulthandler.enable(all_threads=True)
        except (OSError, ValueError, RuntimeError):  # standard error is no file, as in a notebook
            return

    def record_exception(self, e: BaseException) -> None:
        """Write the exception and its stack as JSON."""
        place = os.environ.get("TORCHELASTIC_ERROR_FILE")
        if not place:
            return
        extra = {"py_callstack": traceback.format_exc(), "timestamp": str(int(time.time()))}
        text = json.dumps({"message": {"message": f"{type(e).__name__}: {e}", "extraInfo": extra}})
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text(text)


def get_error_handler() -> ErrorHandler:
    """The handler that `record` uses."""
    return ErrorHandler()


def record(fn: Callable, error_handler: ErrorHandler | None = None) -> Callable:
    """Decorate a program's main function: what it raises is recorded, and raised
    (``torch.distributed.elastic.multiprocessing.errors.record``).

    >>> from kuai.distributed.elastic.multiprocessing.errors import record
    >>> @record
    ... def main(): return 3
    >>> main()
    3
    """
    handler = error_handler or get_error_handler()

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        handler.initialize()
        try:
            return fn(*args, **kwargs)
        except SystemExit as end:
            if end.code == 0:
                return None
            raise
        except Exception as error:
            handler.record_exception(error)
            raise

    return call
