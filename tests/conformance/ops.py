"""PyTorch's table of operations: every sample, its gradients, its variants and its errors."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from types import FunctionType

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import kuai
from tests import oracle
from tests.conformance.verdict import Failure, Verdict, judge

FULL = os.environ.get("KUAI_CONFORMANCE") == "full"
SAMPLES = 100 if FULL else 10  # of one dtype
OTHERS = (torch.int64, torch.complex64, torch.bfloat16, torch.bool, torch.float64)
ALL_OTHERS = (*OTHERS, torch.float16, torch.complex128, torch.int32, torch.uint8)
UNINITIALISED = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted")
# Decompositions are unique up to signs and phases: what is compared is what PyTorch's table makes of them for gradients.
UP_TO_PHASE = ("svd", "linalg.svd", "linalg.eig", "linalg.eigh", "svd_lowrank", "pca_lowrank")


def name_of(entry) -> str:  # type: ignore[no-untyped-def]
    """An entry's name in the list of gaps: ops/name or ops/name.variant."""
    return f"ops/{entry.name}" + (f".{entry.variant_test_name}" if entry.variant_test_name else "")


@lru_cache(maxsize=1)
def entries() -> dict:
    """All entries by name; of equal names the later ones are numbered."""
    found: dict = {}
    for entry in op_db:
        name, n = name_of(entry), 2
        while name in found:
            name, n = f"{name_of(entry)}.{n}", n + 1
        found[name] = entry
    return found


def run(name: str) -> Verdict:
    """Run an entry by its name."""
    entry = entries()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return judge(name, lambda: _Entry(entry).run())


class _Entry:
    """One entry of the table, and how kuai's function for it is called."""

    def __init__(self, entry):  # type: ignore[no-untyped-def]
        self.entry = entry
        self.count = 0

    def run(self) -> int:
        self.dtype, self.index = None, "name"
        self._guard(self._find)
        for self.dtype in self._dtypes():
            for self.index, sample in enumerate(self._samples()):
                self._guard(self._sample, sample)
        self.dtype = None
        for self.index, case in enumerate(self._error_inputs()):
            self._guard(self._error, case)
        return self.count

    def _guard(self, check: Callable, *args: object) -> None:
        """Run a check; what it raises says which sample failed."""
        self.stage = ""
        try:
            check(*args)
        except Exception as error:  # noqa: BLE001 (whatever goes wrong is the entry's failure)
            where = "error sample" if self.dtype is None else oracle.dtype_name(self.dtype)
            raise Failure(f"{where} {self.index}{self.stage}") from error
        self.count += 1

    def _find(self) -> None:
        self.ours = _function(self.entry)

    # ---- samples -------------------------------------------------------------------------------------------------------------

    def _dtypes(self) -> list:
        """float32, or what the entry has instead, and one more dtype, which rotates; in full all the others."""
        usable = [d for d in ALL_OTHERS if d in self.entry.dtypes]
        first = [torch.float32] if torch.float32 in self.entry.dtypes else usable[:1]
        rest = [d for d in usable if d not in first]
        if FULL or not rest:
            return first + rest
        return [*first, rest[sum(map(ord, self.entry.name)) % len(rest)]]

    def _samples(self) -> list:
        _seed()
        wants = self.entry.supports_autograd and self.dtype in self.entry.supported_backward_dtypes("cpu")
        found = list(islice(self.entry.sample_inputs("cpu", self.dtype, requires_grad=wants), 300))
        step = max(1, len(found) // SAMPLES)
        return found[::step]

    def _error_inputs(self) -> Iterator:
        _seed()
        return iter(self.entry.error_inputs("cpu") if self.entry.error_inputs_func is not None else ())

    def _sample(self, sample) -> None:  # type: ignore[no-untyped-def]
        process = sample.output_process_fn_grad
        self._compare(sample, self.entry.op, self.ours, process)
        if sample.broadcasts_input is not True:
            self._variants(sample, process)

    def _variants(self, sample, process: Callable) -> None:  # type: ignore[no-untyped-def]
        """The method, the in-place form and ``out=``, where the entry has them."""
        entry, few = self.entry, FULL or self.index < 4
        if few and entry.method_variant is not None and isinstance(sample.input, torch.Tensor):
            self.stage = " method"
            self._compare(sample, entry.op, getattr(kuai.Tensor, entry.method_variant.__name__), process)
        if few and entry.inplace_variant is not None and isinstance(sample.input, torch.Tensor):
            self.stage = " in place"
            theirs, name = entry.inplace_variant, entry.inplace_variant.__name__
            self._compare(sample, _on_clone(theirs), _on_clone(getattr(kuai.Tensor, name)), process)
        if few and entry.supports_out:
            self.stage = " out"
            self._out(sample)

    def _compare(self, sample, theirs: Callable, ours: Callable, process: Callable) -> None:  # type: ignore[no-untyped-def]
        convert = oracle.Converter()
        arguments = convert((sample.input, *sample.args)), convert(sample.kwargs)
        try:
            torch.manual_seed(42)
            expected = theirs(sample.input, *sample.args, **sample.kwargs)
        except Exception as error:  # noqa: BLE001 (then ours has to raise it too)
            return oracle.assert_raises(lambda: ours(*arguments[0], **arguments[1]), _classes(error))
        kuai.manual_seed(42)
        given = ours(*arguments[0], **arguments[1])
        self._compare_results(given, expected, process, convert.leaves)

    def _compare_results(self, given: object, expected: object, process: Callable, leaves: list) -> None:
        if self.entry.name not in UP_TO_PHASE:
            values = self.entry.name not in UNINITIALISED
            oracle.assert_same(given, expected, values=values)
        our_process = oracle.rebind(process) if isinstance(process, FunctionType) else process
        given, expected = our_process(given), process(expected)
        if self.entry.name in UP_TO_PHASE:
            oracle.assert_same(given, expected)
        oracle.assert_same_gradients(given, expected, leaves)

    def _out(self, sample) -> None:  # type: ignore[no-untyped-def]
        """``out=`` is given back, holding the result."""
        convert = oracle.Converter()
        with torch.no_grad():
            args, kwargs = convert((sample.input, *sample.args)), convert(sample.kwargs)
            expected = self.entry.op(sample.input, *sample.args, **sample.kwargs)
        if not all(isinstance(t, torch.Tensor) for t in oracle.flatten(expected)):
            return
        out = _like(expected)
        with kuai.no_grad():
            given = self.ours(*args, **kwargs, out=out)
        assert all(a is b for a, b in zip(oracle.flatten(given), oracle.flatten(out))), "out= is not what is given back"
        if self.entry.name not in UP_TO_PHASE:
            oracle.assert_same(given, expected, values=self.entry.name not in UNINITIALISED)

    def _error(self, case) -> None:  # type: ignore[no-untyped-def]
        sample, convert = case.sample_input, oracle.Converter()
        args, kwargs = convert((sample.input, *sample.args)), convert(sample.kwargs)
        oracle.assert_raises(lambda: oracle.flatten(self.ours(*args, **kwargs)), case.error_type)


def _seed() -> None:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


def _function(entry) -> Callable:  # type: ignore[no-untyped-def]
    """Kuai's function for an entry: PyTorch's lambda with kuai for torch, or what has the same name."""
    fn = entry.op
    if isinstance(fn, FunctionType) and (fn.__module__ or "").startswith("torch.testing"):
        return oracle.rebind(fn)
    name = getattr(fn, "__name__", "")
    if fn is getattr(torch.Tensor, name, None):
        return oracle.lookup(f"Tensor.{name}")  # type: ignore[return-value]
    return oracle.lookup(entry.name)  # type: ignore[return-value]


def _classes(error: Exception) -> tuple:
    return (type(error),) if not isinstance(error, NotImplementedError) else (RuntimeError,)


def _on_clone(method: Callable) -> Callable:
    """An in-place method, called on a copy of its tensor."""
    return lambda x, *args, **kwargs: method(x.clone(), *args, **kwargs)


def _like(expected: object) -> object:
    """Empty tensors of ours in the structure of a result, for ``out=``."""
    if isinstance(expected, torch.Tensor):
        return kuai.zeros(tuple(expected.shape), dtype=oracle.counterpart(expected.dtype))
    return tuple(map(_like, expected))  # type: ignore[call-overload]
