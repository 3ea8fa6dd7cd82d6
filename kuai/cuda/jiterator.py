"""Functions from CUDA source (``torch.cuda.jiterator``): they can be made, but kuai compiles no CUDA source, so a call says so."""

from __future__ import annotations

import re
from collections.abc import Callable

from . import is_available

_TEMPLATE = re.compile(r".*?template\s*<[^<>]+>\s*\w+\s+(?P<name>\w+)\s*\([^()]*\)\s*\{.*\}\s*", re.DOTALL)


class _JittedFunction:
    """A function of CUDA source text, its keyword arguments and their defaults."""

    def __init__(self, code_string: str, return_by_ref: bool, num_outputs: int, **kwargs: object):
        found = _TEMPLATE.fullmatch(code_string)
        if found is None:
            raise Exception(f"Couldn't parse code, please check correctness:\n {code_string}")  # noqa: TRY002 (as PyTorch does)
        self.code_string, self.return_by_ref, self.num_outputs = code_string, return_by_ref, num_outputs
        self.kernel_name, self.kwargs_dict = found["name"], kwargs

    def __call__(self, *tensors: object, **kwargs: object) -> object:
        if not is_available():
            raise AssertionError("Jiterator is only supported on CUDA and ROCm GPUs, none are available.")
        raise NotImplementedError(
            f"jiterator: kuai does not compile CUDA source, so {self.kernel_name!r} cannot be called; write it with tensor "
            "operations, which are compiled as one"
        )


def _create_jit_fn(code_string: str, **kwargs: object) -> Callable:
    """A function of one result from CUDA source (``torch.cuda.jiterator._create_jit_fn``); calling it raises NotImplementedError."""
    return _JittedFunction(code_string, return_by_ref=False, num_outputs=1, **kwargs)


def _create_multi_output_jit_fn(code_string: str, num_outputs: int, **kwargs: object) -> Callable:
    """The same with several results (``torch.cuda.jiterator._create_multi_output_jit_fn``)."""
    return _JittedFunction(code_string, return_by_ref=True, num_outputs=num_outputs, **kwargs)
