"""Timing statements (``torch.utils.benchmark``). What is recorded is run within the time, and so is counted.

>>> import kuai as torch
>>> from kuai.utils.benchmark import Timer
>>> m = Timer("x.exp()", globals={"x": torch.ones(3)}).timeit(5)
>>> m.number_per_run, m.median > 0
(5, True)
"""

from __future__ import annotations

import contextlib
import timeit
from collections.abc import Callable, Iterable
from statistics import mean, median, quantiles
from typing import Any

from ..engine import synchronize

_UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


def timer() -> float:
    """The clock, after all that is recorded has run (``torch.utils.benchmark.timer``).

    >>> from kuai.utils.benchmark import timer
    >>> timer() <= timer()
    True
    """
    synchronize()
    return timeit.default_timer()


def select_unit(t: float) -> tuple[str, float]:
    """The unit in which seconds are best written (``torch.utils.benchmark.select_unit``).

    >>> from kuai.utils.benchmark import select_unit
    >>> select_unit(0.002)
    ('ms', 0.001)
    """
    return next(((unit, size) for unit, size in _UNITS if t >= size), _UNITS[-1])


class TaskSpec:
    """What is timed (``torch.utils.benchmark.utils.common.TaskSpec``).

    >>> from kuai.utils.benchmark import TaskSpec
    >>> TaskSpec("x + 1", "").title
    'x + 1'
    """

    def __init__(self, stmt: str, setup: str, global_setup: str = "", label: str | None = None, sub_label: str | None = None,
                 description: str | None = None, env: str | None = None, num_threads: int = 1):  # fmt: skip
        self.stmt, self.setup, self.global_setup, self.label = stmt, setup, global_setup, label
        self.sub_label, self.description, self.env, self.num_threads = sub_label, description, env, num_threads

    @property
    def title(self) -> str:
        """The label, or the statement."""
        name = self.label if self.label is not None else self.stmt
        return f"{name}: {self.sub_label}" if self.sub_label else name


class Measurement:
    """Times of a statement, in seconds a run (``torch.utils.benchmark.Measurement``).

    >>> from kuai.utils.benchmark import Measurement, TaskSpec
    >>> m = Measurement(2, [4.0, 2.0, 6.0], TaskSpec("f()", ""))
    >>> m.times, m.median, m.mean
    ([2.0, 1.0, 3.0], 2.0, 2.0)
    """

    def __init__(self, number_per_run: int, raw_times: list[float], task_spec: TaskSpec, metadata: dict | None = None):
        self.number_per_run, self.raw_times, self.task_spec, self.metadata = number_per_run, raw_times, task_spec, metadata

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "task_spec" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.task_spec, name)

    @property
    def times(self) -> list[float]:
        """Seconds a run, of each block."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self) -> float:
        """The median."""
        return median(self.times)

    @property
    def mean(self) -> float:
        """The mean."""
        return mean(self.times)

    def _quartiles(self) -> tuple[float, float]:
        if len(self.times) < 2:
            return self.times[0], self.times[0]
        low, _, high = quantiles(self.times, n=4, method="inclusive")
        return low, high

    @property
    def iqr(self) -> float:
        """The distance of the quartiles."""
        low, high = self._quartiles()
        return high - low

    @property
    def significant_figures(self) -> int:
        """How many digits of the median the spread leaves: at most five."""
        from math import ceil, log10, sqrt

        spread = self.iqr / 1.35 / sqrt(len(self.raw_times))
        return 5 if spread == 0 else max(1, min(5, ceil(log10(max(self.median / spread, 1)))))

    @property
    def has_warnings(self) -> bool:
        """Whether the spread is more than a tenth of the median."""
        return self.iqr > 0.1 * self.median

    @property
    def as_row_name(self) -> str:
        """The row of a comparison that it belongs to."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Those of one task as one."""
        found: dict[tuple, Measurement] = {}
        for m in measurements:
            key = tuple(vars(m.task_spec).items())
            if key in found:
                found[key].raw_times = found[key].raw_times + [t * found[key].number_per_run for t in m.times]
            else:
                found[key] = Measurement(m.number_per_run, list(m.raw_times), m.task_spec)
        return list(found.values())

    def __repr__(self) -> str:
        unit, size = select_unit(self.median)
        lines = [f"<kuai.utils.benchmark.Measurement of {self.task_spec.title}>", f"  {self.median / size:.2f} {unit}"]
        if len(self.raw_times) > 1:
            low, high = (t / size for t in self._quartiles())
            lines[-1] = f"  Median: {self.median / size:.2f} {unit}\n  IQR:    {self.iqr / size:.2f} {unit} ({low:.2f} to {high:.2f})"
        runs = f"{self.number_per_run} runs" if self.number_per_run > 1 else "1 run"
        return "\n".join([*lines, f"  {len(self.raw_times)} measurements, {runs} per measurement, {self.task_spec.num_threads} thread"])


class Timer:
    """Times a statement, with what it records (``torch.utils.benchmark.Timer``); ``globals`` are the names that it uses.

    ``num_threads`` is noted, and ``language`` must be Python.

    >>> from kuai.utils.benchmark import Timer
    >>> Timer("sum(range(n))", setup="n = 10").blocked_autorange(min_run_time=0.001).median > 0
    True
    """

    def __init__(self, stmt: str = "pass", setup: str = "pass", global_setup: str = "", timer: Callable[[], float] = timer,
                 globals: dict[str, Any] | None = None, label: str | None = None, sub_label: str | None = None,
                 description: str | None = None, env: str | None = None, num_threads: int = 1,
                 language: str = "python"):  # fmt: skip
        if str(language).lower() not in ("python", "py", "language.python"):
            raise NotImplementedError(f"Timer: language={language!r} is not there; statements of Python are")
        if global_setup:
            raise ValueError("global_setup is C++ only")
        import kuai

        self._names = {"torch": kuai, **(globals or {})}
        self._task = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)
        self._timer = timeit.Timer(stmt, setup, timer, self._names)

    def _measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._task)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """The time of so many runs, after some to warm up."""
        self._timer.timeit(max(number // 100, 2))
        return self._measured(number, [self._timer.timeit(number)])

    def _block(self, min_run_time: float) -> int:
        """How many runs take long enough for the clock not to count."""
        number = 1
        while True:
            spent = self._timer.timeit(number)
            if spent >= min_run_time / 1000 or number >= 1_000_000_000:
                return number
            number *= 10

    def blocked_autorange(self, callback: Callable | None = None, min_run_time: float = 0.2) -> Measurement:
        """Blocks of runs until the time is up."""
        number, spent = self._block(min_run_time), 0.0
        times: list[float] = []
        while spent < min_run_time or not times:
            times.append(self._timer.timeit(number))
            spent += times[-1]
            if callback is not None:
                callback(number, times[-1])
        return self._measured(number, times)

    def adaptive_autorange(self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
                           callback: Callable | None = None) -> Measurement:  # fmt: skip
        """Blocks of runs until the spread is below a fraction of the median."""
        number, spent = self._block(0.05), 0.0
        times: list[float] = []
        while True:
            times.append(self._timer.timeit(number))
            spent += times[-1]
            if callback is not None:
                callback(number, times[-1])
            found = self._measured(number, times)
            if spent >= max_run_time or spent >= min_run_time and len(times) > 3 and found.iqr < threshold * found.median:
                return found

    def collect_callgrind(self, *args: Any, **kwargs: Any) -> Any:
        """NotImplementedError: instructions are not counted."""
        raise NotImplementedError("Timer.collect_callgrind: instructions are not counted here; time by blocked_autorange()")


class Compare:
    """A table of measurements: a row for each sub-label, a column for each description (``torch.utils.benchmark.Compare``).

    >>> from kuai.utils.benchmark import Compare, Measurement, TaskSpec
    >>> specs = [TaskSpec("f()", "", label="f", sub_label="small", description=d) for d in ("a", "b")]
    >>> Compare([Measurement(1, [t], s) for t, s in zip((0.5, 0.25), specs)]).print()
    [f]
    Times in ms |     a |     b
    small       | 500.0 | 250.0
    """

    def __init__(self, results: list[Measurement]):
        self._results = list(results)
        self._trim = False

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Put more measurements into the table."""
        self._results += list(results)

    def trim_significant_figures(self) -> None:
        """Write no more digits than the spread leaves."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Accepted: the table has no colours."""

    def highlight_warnings(self) -> None:
        """Accepted: the table marks nothing."""

    def print(self) -> None:
        """Print the tables, one for each label."""
        print(self)

    def _cell(self, m: Measurement | None, size: float) -> str:
        if m is None:
            return ""
        value = m.median / size
        if self._trim:
            with contextlib.suppress(OverflowError):
                value = float(f"{value:.{m.significant_figures}g}")
        return f"{value:.1f}"

    def __str__(self) -> str:
        merged = Measurement.merge(self._results)
        labels = list(dict.fromkeys(m.task_spec.label or m.task_spec.stmt for m in merged))
        return "\n".join(self._table(label, [m for m in merged if (m.task_spec.label or m.task_spec.stmt) == label]) for label in labels)

    def _table(self, label: str, found: list[Measurement]) -> str:
        unit, size = select_unit(min(m.median for m in found))
        columns = list(dict.fromkeys(m.task_spec.description or "" for m in found))
        rows = list(dict.fromkeys(m.as_row_name for m in found))
        places = {(m.as_row_name, m.task_spec.description or ""): m for m in found}
        cells = [[f"Times in {unit}", *columns]]
        cells += [[row, *(self._cell(places.get((row, c)), size) for c in columns)] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = [" | ".join([r[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(r[1:], widths[1:]))]) for r in cells]
        return "\n".join([f"[{label}]", *lines])
