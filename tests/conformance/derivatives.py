"""PyTorch's table of operations once more: first and second derivatives in double precision, by kuai's own checks.

What agrees with PyTorch on one cotangent could still be wrong along others: finite differences know no such blind spot.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from itertools import islice

import pytest

torch = pytest.importorskip("torch")

import kuai
from tests import oracle
from tests.conformance import ops
from tests.conformance.verdict import FULL, Failure, Verdict, judge

DOUBLE = ("float64", "complex128")
MOST = 60 if FULL else 2000  # elements that are differentiated by, in the samples that are taken
SAMPLES = 12 if FULL else 1
CHECKS = {"gradcheck": ("supports_autograd", "test_fn_grad"), "gradgradcheck": ("supports_gradgrad", "test_fn_gradgrad")}


@lru_cache(maxsize=1)
def entries() -> dict:
    """What can be differentiated in float64, by name: ops/sin gradcheck, ops/sin gradgradcheck …"""
    return {
        f"{name} {check}": entry
        for name, entry in ops.entries().items()
        for check, (flag, test) in CHECKS.items()
        if getattr(entry, flag) and torch.float64 in entry.supported_backward_dtypes("cpu") and not _excused(entry, test)
    }


def _excused(entry, test: str) -> bool:  # type: ignore[no-untyped-def]
    """Whether PyTorch's own check of the same is skipped, or expected to fail: at kinks, of writes that overlap …"""
    return any(
        mark.cls_name == "TestBwdGradients" and mark.test_name in (None, test) and mark.active_if
        and mark.device_type in (None, "cpu") and (mark.dtypes is None or torch.float64 in mark.dtypes)
        for mark in entry.decorators if hasattr(mark, "cls_name")
    )  # fmt: skip


def run(name: str, brief: bool = False) -> Verdict:
    """Run an entry's check by its name; in brief, on its first sample alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return judge(name, lambda: _run(entries()[name], name.rpartition(" ")[2], 1 if brief else SAMPLES))


def _run(entry, check: str, most: int) -> int:  # type: ignore[no-untyped-def]
    count = 0
    for i, sample in enumerate(islice(_samples(entry), most)):
        try:
            _check(entry, check, sample)
        except Exception as error:  # noqa: BLE001 (whatever goes wrong is the entry's failure)
            raise Failure(f"float64 {i}", error) from error
        count += 1
    return count


def _samples(entry):  # type: ignore[no-untyped-def]
    """Small samples with something to differentiate by."""
    ops.seed()
    for sample in islice(entry.sample_inputs("cpu", torch.float64, requires_grad=True), 300):
        sizes = [x.numel() for x in _tensors(sample) if x.requires_grad]
        if min(sizes, default=0) > 0 and sum(sizes) <= MOST:
            yield sample


def _tensors(sample) -> list:  # type: ignore[no-untyped-def]
    found = oracle.flatten([sample.input, *sample.args, sample.kwargs])
    return [x for x in found if isinstance(x, torch.Tensor) and x.is_leaf]


def _check(entry, check: str, sample) -> None:  # type: ignore[no-untyped-def]
    convert = oracle.Converter()
    args, kwargs = convert((sample.input, *sample.args)), convert(sample.kwargs)
    leaves = tuple(mine for _, mine in convert.leaves)
    ours = ops.function(entry)
    wrapper, process = (ops.rebound(f) for f in (entry.gradcheck_wrapper, sample.output_process_fn_grad))

    def call(*_: object) -> object:
        kuai.manual_seed(0)
        return _differentiable(process(wrapper(ours, *args, **kwargs)))

    options = {"nondet_tol": entry.gradcheck_nondet_tol, "fast_mode": not FULL}
    if _differentiable(call()):
        getattr(kuai.autograd, check)(call, leaves, **options)


def _differentiable(results: object) -> tuple:
    found = [r for r in oracle.flatten(results) if isinstance(r, kuai.Tensor) and r.requires_grad]
    return tuple(r for r in found if oracle.dtype_name(r.dtype) in DOUBLE)  # finite differences of others are too coarse
