"""Export functions of ONNX's operator set 11 (``torch.onnx.symbolic_opset11``): each says that there is no graph to export to."""

from __future__ import annotations

from collections.abc import Callable

_NAMES = frozenset("add cat clamp div expand gather index mul reshape select size slice squeeze sub topk transpose unsqueeze view".split())


def __getattr__(name: str) -> Callable:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def symbolic(g: object, *args: object, **kwargs: object) -> object:
        raise NotImplementedError(f"torch.onnx.symbolic_opset11.{name}: kuai has no ONNX export")

    return symbolic
