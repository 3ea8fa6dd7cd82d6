"""What a profiler has seen: events, their sums, and tables of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from os import PathLike, getpid
from typing import Any

from ..engine.watch import Span


class Interval:
    """From start to end, in µs (``torch.autograd.profiler_util.Interval``).

    >>> from kuai.autograd.profiler_util import Interval
    >>> Interval(1.0, 3.5).elapsed_us()
    2.5
    """

    def __init__(self, start: float, end: float):
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        """How long it took."""
        return self.end - self.start

    def __repr__(self) -> str:
        return f"Interval(start={self.start:.3f}, end={self.end:.3f})"


class _Times:
    """Sums of CPU time in µs: all of it, and what was not within children. There is no time of other devices."""

    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    device_time_total = self_device_time_total = device_time = 0.0

    @property
    def cpu_time(self) -> float:
        """The mean of the total."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """The mean with its unit."""
        return formatted(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """The total with its unit."""
        return formatted(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """The time without the children's, with its unit."""
        return formatted(self.self_cpu_time_total)


class FunctionEvent(_Times):
    """One run of an instruction, of a program, or of a range of the user's (``torch.autograd.profiler_util.FunctionEvent``)."""

    count = 1

    def __init__(self, span: Span, origin: int, number: int):
        self.name = self.key = span.name
        self.id, self.thread, self.kind = number, span.thread, span.kind
        self.time_range = Interval((span.start - origin) / 1e3, (span.end - origin) / 1e3)
        self.input_shapes = [list(s) for s in span.shapes]
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []

    @property
    def is_user_annotation(self) -> bool:
        """Whether it is a range of the user's."""
        return self.kind == "range"

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """How long it took."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """How long it took without its children."""
        return self.cpu_time_total - sum(c.cpu_time_total for c in self.cpu_children)

    def __repr__(self) -> str:
        return f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} thread={self.thread}>"


class FunctionEventAvg(_Times):
    """The sum of the events of one name (``torch.autograd.profiler_util.FunctionEventAvg``)."""

    def __init__(self, key: str, input_shapes: list | None = None):
        self.key, self.input_shapes = key, input_shapes or []
        self.count, self.cpu_time_total, self.self_cpu_time_total = 0, 0.0, 0.0

    def add(self, other: Any) -> FunctionEventAvg:
        """Count one more event, or another sum."""
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        return self

    def __repr__(self) -> str:
        return f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} cpu_time={self.cpu_time_str}>"


def formatted(us: float) -> str:
    """A time with its unit."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


_COLUMNS: list[tuple[str, Callable[[Any, float], str]]] = [
    ("Self CPU %", lambda e, whole: f"{100 * e.self_cpu_time_total / whole if whole else 0:.2f}%"),
    ("Self CPU", lambda e, whole: e.self_cpu_time_total_str),
    ("CPU total %", lambda e, whole: f"{100 * e.cpu_time_total / whole if whole else 0:.2f}%"),
    ("CPU total", lambda e, whole: e.cpu_time_total_str),
    ("CPU time avg", lambda e, whole: e.cpu_time_str),
    ("# of Calls", lambda e, whole: str(e.count)),
]


class EventList(list):
    """Events or their sums (``torch.autograd.profiler_util.EventList``)."""

    @property
    def self_cpu_time_total(self) -> float:
        """The sum of the events' own times, in µs."""
        return sum(e.self_cpu_time_total for e in self)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The sums by name, and by the inputs' shapes if asked."""
        found: dict[tuple, FunctionEventAvg] = {}
        for event in self:
            shapes = event.input_shapes if group_by_input_shape else None
            key = (event.key, str(shapes))
            found.setdefault(key, FunctionEventAvg(event.key, shapes)).add(event)
        return EventList(found.values())

    def total_average(self) -> FunctionEventAvg:
        """The sum of all."""
        found = FunctionEventAvg("Total")
        for event in self:
            found.add(event)
        return found

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_src_column_width: int = 75,
              max_name_column_width: int = 55, max_shapes_column_width: int = 80, header: str | None = None,
              top_level_events_only: bool = False, time_unit: str | None = None) -> str:  # fmt: skip
        """The events as a table, by a time (``"cpu_time_total"``, ``"self_cpu_time_total"``, ``"cpu_time"``) or ``"count"``."""
        rows = [e for e in self if not (top_level_events_only and getattr(e, "cpu_parent", None))]
        if sort_by is not None:
            rows.sort(key=lambda e: getattr(e, sort_by.replace("cuda", "device").replace("xpu", "device")), reverse=True)
        if row_limit >= 0:
            rows = rows[:row_limit]
        whole = self.self_cpu_time_total
        cells = [["Name", *(title for title, _ in _COLUMNS)]]
        cells += [[_short(e.key, max_name_column_width), *(cell(e, whole) for _, cell in _COLUMNS)] for e in rows]
        if any(getattr(e, "input_shapes", None) for e in rows):
            shown = [_short(str(e.input_shapes), max_shapes_column_width) for e in rows]
            cells = [[*row, last] for row, last in zip(cells, ["Input Shapes", *shown])]
        return _ruled(cells, header) + f"\nSelf CPU time total: {formatted(whole)}\n"

    def export_chrome_trace(self, path: str | PathLike) -> None:
        """Write the events for ``chrome://tracing``."""
        events = [
            {"name": e.name, "ph": "X", "ts": e.time_range.start, "dur": e.cpu_time_total, "tid": e.thread, "pid": getpid(),
             "cat": "user_annotation" if e.is_user_annotation else "cpu_op", "args": {"Input Dims": e.input_shapes}}
            for e in self
        ]  # fmt: skip
        with open(path, "w") as file:
            json.dump({"schemaVersion": 1, "traceEvents": events}, file)

    def __str__(self) -> str:
        return self.table()


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _ruled(cells: list[list[str]], header: str | None) -> str:
    widths = [max(map(len, column)) for column in zip(*cells)]
    rule = "  ".join("-" * w for w in widths)
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths)) for row in cells]
    return "\n".join([*([header] if header else []), rule, lines[0], rule, *lines[1:], rule])


def nested(spans: Iterable[Span], origin: int, shapes: bool) -> EventList:
    """Spans as events, each with those within it as its children."""
    events = EventList()
    open_events: dict[int, list[FunctionEvent]] = {}
    for number, span in enumerate(sorted(spans, key=lambda s: (s.start, -s.end))):
        event = FunctionEvent(span, origin, number)
        if not shapes:
            event.input_shapes = []
        stack = open_events.setdefault(span.thread, [])
        while stack and stack[-1].time_range.end < event.time_range.end:
            stack.pop()
        if stack:
            event.cpu_parent = stack[-1]
            stack[-1].cpu_children.append(event)
        stack.append(event)
        events.append(event)
    return events
