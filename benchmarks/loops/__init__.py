"""Everyday loops: what people's own scripts do from step to step, as functions that give one step to repeat."""

from __future__ import annotations

LOOPS = {}


def loop(make):
    """Register a loop: a function of the framework (``torch`` or kuai under that name) that gives its step."""
    LOOPS[make.__name__] = make
    return make


from . import acting, decoding, science, small, training  # noqa: E402, F401 (they fill the table)
