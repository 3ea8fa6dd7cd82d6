"""The decorator of export functions (``torch.onnx.symbolic_helper.parse_args``)."""

from __future__ import annotations

from collections.abc import Callable


def parse_args(*arg_descriptors: str) -> Callable:
    """Say of what kinds the arguments of an export function are; gives the function, which no export calls here."""

    def decorate(fn: Callable) -> Callable:
        fn._arg_descriptors = arg_descriptors  # type: ignore[attr-defined]
        return fn

    return decorate
