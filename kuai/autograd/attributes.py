"""What nodes of ops show of the tensors that they saved: PyTorch's attributes ``_saved_self``, ``_saved_result`` and so on.

Nodes keep what their rules name, under the names that the op's body has for it; here those get PyTorch's. What no rule needs was
not saved, and is no attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

OPERANDS = {"x": "self", "y": "other", "w": "weight", "t": "target", "a": "A", "index": "indices"}
OF_INPUT = ("convolution", "conv_transpose", "layer_norm", "group_norm", "rms_norm", "batch_norm", "instance_norm")  # not of self
WITH_PLACES = ("max", "min", "sort", "topk", "kthvalue", "median", "nanmedian", "mode", "cummax", "cummin")


def _operand(op: Any, place: int) -> str:
    name = op.inputs[place]
    if name == "x" and op.name in OF_INPUT:
        return "input"
    if name == "y" and (op.name == "matmul" or "loss" in op.name or "entropy" in op.name):
        return "mat2" if op.name == "matmul" else "target"
    return "self" if name == "input" else OPERANDS.get(name, name)


def attributes(node: Any) -> dict[str, Callable[[], object]]:
    """The attributes of an op's node by name, each as a function that gives it."""
    op = node.state.op
    found: dict[str, Callable[[], object]] = {}
    for n, place in enumerate(op.saves):
        if isinstance(place, slice):
            name = "tensors"
        elif place >= 0:
            name = _operand(op, place)
        else:
            name = "indices" if op.name in WITH_PLACES else "result"
        found[f"_saved_{name}"] = partial(_restored, node, n, place)
    return found


def _restored(node: Any, n: int, place: object) -> object:
    saved = node.saved if type(node.saved) is tuple else node.saved.recover()
    made = node.restore(-2 if isinstance(place, slice) else place, saved[n], True)
    return made[1].detach() if type(made) is tuple and node.state.op.name in WITH_PLACES else made
