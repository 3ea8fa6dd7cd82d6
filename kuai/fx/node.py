"""Nodes of symbolic graphs (``torch.fx.node``): types to annotate with, and a class of which no object can be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .missing import missing

Target = Callable[..., Any] | str
Argument = Any


class Node:
    """A node of a symbolic graph: no object here is one (``torch.fx.Node``)."""

    def __init__(self, *args: object, **kwargs: object):
        raise missing("Node")
