"""Finding the line that a wrong gradient comes from (``torch.autograd.anomaly_mode``).

>>> import kuai as torch, warnings
>>> x = torch.zeros(1, requires_grad=True)
>>> with warnings.catch_warnings(), torch.autograd.set_detect_anomaly(True):
...     warnings.simplefilter("ignore")
...     (x.sqrt() * 0).backward()
Traceback (most recent call last):
...
RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterable
from pathlib import Path

from .. import dispatch
from ..tensor import Tensor
from . import graph

_KEPT = 100_000  # nodes whose lines are remembered
_HERE = str(Path(__file__).parent.parent)


class Anomaly:
    """Notes the line of the program at which each node is made, and looks at what its derivative gives."""

    def __init__(self, check_nan: bool):
        self.check_nan = check_nan
        self.stacks: dict[int, list] = {}

    def number(self) -> int:
        """The number of a new node."""
        found = graph.next_number()
        self.stacks[found] = traceback.extract_stack()[:-2]
        if len(self.stacks) > _KEPT:
            del self.stacks[next(iter(self.stacks))]
        return found

    def pull(self, node: graph.Node, g: object, create_graph: bool, keep: bool) -> Iterable:
        """What a node sends back; RuntimeError if there is nan in it, and a warning that names the line in the forward pass."""
        try:
            found = tuple(node.backward(g, create_graph, keep))
            self._check(node, found)
        except Exception:
            warnings.warn(self._told(node), stacklevel=2)
            raise
        return found

    def _check(self, node: graph.Node, cotangents: tuple) -> None:
        for i, c in enumerate(cotangents):
            if self.check_nan and isinstance(c, Tensor) and bool(c.isnan().any()):  # type: ignore[attr-defined]
                raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")

    def _told(self, node: graph.Node) -> str:
        stack = self.stacks.get(node.number)
        if stack is None:
            return (
                f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly during forward "
                "pass for more information."
            )
        while len(stack) > 1 and stack[-1].filename.startswith(_HERE):  # what the library did is no help
            stack = stack[:-1]
        lines = "".join(traceback.format_list(stack))
        return f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{lines}"


def _turn(anomaly: Anomaly | None) -> Anomaly | None:
    before, graph.anomaly = graph.anomaly, anomaly
    dispatch.next_number = graph.next_number if anomaly is None else anomaly.number  # the recorders number their nodes by it
    return before


class set_detect_anomaly:
    """Whether anomalies are looked for, from now on or within a block (``torch.autograd.set_detect_anomaly``).

    >>> import kuai as torch
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     torch.is_anomaly_enabled()
    True
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = _turn(Anomaly(check_nan) if mode else None)

    def __enter__(self) -> None:
        """It is turned on or off already."""

    def __exit__(self, *error: object) -> None:
        _turn(self._before)


class detect_anomaly(set_detect_anomaly):
    """Within it, a backward pass that gives nan, or fails, names the line of the forward pass (``torch.autograd.detect_anomaly``).

    Each node's derivative is computed and looked at by itself, so it is for debugging only.

    >>> import kuai as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     with torch.autograd.detect_anomaly():
    ...         torch.ones(1, requires_grad=True).exp().backward()
    """

    def __init__(self, check_nan: bool = True):
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.",
            stacklevel=2,
        )
        self._check_nan = check_nan

    def __enter__(self) -> None:
        """Begin to look."""
        self._before = _turn(Anomaly(self._check_nan))


def is_anomaly_enabled() -> bool:
    """Whether anomalies are looked for (``torch.is_anomaly_enabled``).

    >>> import kuai as torch
    >>> torch.is_anomaly_enabled()
    False
    """
    return graph.anomaly is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether nan is looked for (``torch.is_anomaly_check_nan_enabled``).

    >>> import kuai as torch
    >>> with torch.autograd.set_detect_anomaly(True, check_nan=False):
    ...     torch.is_anomaly_check_nan_enabled()
    False
    """
    return graph.anomaly is None or graph.anomaly.check_nan


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Look for anomalies from now on, or no longer (``torch.set_anomaly_enabled``).

    >>> import kuai as torch
    >>> torch.set_anomaly_enabled(False)
    """
    set_detect_anomaly(mode, check_nan)
