"""PyTorch's table of operations: every sample, its gradients, its variants and its errors."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from copy import deepcopy
from functools import lru_cache, partial
from itertools import islice
from types import FunctionType

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's tables import

from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import UnaryUfuncInfo

import kuai
from tests import oracle
from tests.conformance.verdict import EVERY, FULL, SEED, Failure, Verdict, judge

SAMPLES = 100 if FULL else 10  # of one dtype
OTHERS = (torch.int64, torch.complex64, torch.bfloat16, torch.bool, torch.float64)
ALL_OTHERS = (*OTHERS, torch.float16, torch.complex128, torch.int32, torch.uint8)
UNINITIALISED = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted")
# Decompositions are unique up to signs and phases: what is compared is what PyTorch's table makes of them for gradients.
UP_TO_PHASE = ("svd", "linalg.svd", "linalg.eig", "linalg.eigh", "svd_lowrank", "pca_lowrank")
OVERLAP = ("unsupported operation", "single memory location")  # PyTorch's refusals to write to memory that overlaps
UP_TO_TIES = ("sort", "msort", "argsort", "topk", "kthvalue", "mode", "median", "nanmedian")  # which of equal elements is open


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


def run(name: str, brief: bool = False) -> Verdict:
    """Run an entry by its name; in brief, its first sample alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return judge(name, _Run(entries()[name], brief).run)


class _Run:
    """A run of one entry: kuai's function for it, and the place that the run has come to."""

    def __init__(self, entry, brief: bool):  # type: ignore[no-untyped-def]
        self.entry, self.brief = entry, brief
        self.count = 0
        self.failures: list[Failure] = []
        self.place = self.stage = ""

    def run(self) -> int:
        self._guard("name", self._find)
        for dtype in self._dtypes():
            for i, sample in enumerate(self._samples(dtype)):
                self.first, self.few = i == 0, FULL or i < 4
                self._guard(f"{oracle.dtype_name(dtype)} {i}", self._sample, sample)
        for i, case in enumerate(() if self.brief else self._error_inputs()):
            self._guard(f"error sample {i}", self._error, case)
        if self.failures:
            raise self.failures[0].followed_by(self.failures[1:])
        return self.count

    def _guard(self, place: str, check: Callable, *args: object) -> None:
        """Run a check; what it raises says which sample failed."""
        self.stage = ""
        try:
            check(*args)
        except Exception as error:  # noqa: BLE001 (whatever goes wrong is the entry's failure)
            self.failures.append(Failure(f"{place}{self.stage}", error))
            if not EVERY or check == self._find:
                raise self.failures[-1] from error
        self.count += 1

    def _find(self) -> None:
        self.ours = function(self.entry)

    # ---- samples -----------------------------------------------------------------------------------------------------

    def _dtypes(self) -> list:
        """float32, or what the entry has instead, and one more dtype, which rotates; in full all the others."""
        usable = [d for d in ALL_OTHERS if d in self.entry.dtypes]
        first = [torch.float32] if torch.float32 in self.entry.dtypes else usable[:1]
        rest = [d for d in usable if d not in first]
        if self.brief:
            return first
        if FULL or not rest:
            return first + rest
        return [*first, rest[sum(map(ord, self.entry.name)) % len(rest)]]

    def _samples(self, dtype: torch.dtype) -> list:
        seed()
        wants = self.entry.supports_autograd and not (self.entry.name in UP_TO_TIES and dtype.itemsize < 4)
        wants = wants and dtype in self.entry.supported_backward_dtypes("cpu")
        found = list(islice(self.entry.sample_inputs("cpu", dtype, requires_grad=wants), 300))
        return found[:1] if self.brief else found[:: max(1, len(found) // SAMPLES)]

    def _error_inputs(self) -> list:
        seed()
        return list(self.entry.error_inputs("cpu")) if self.entry.error_inputs_func is not None else []

    def _sample(self, sample) -> None:  # type: ignore[no-untyped-def]
        self._compare(sample, self.entry.op, self.ours)
        if self.few and not self.brief and sample.broadcasts_input is not True:
            self._variants(sample)

    def _variants(self, sample) -> None:  # type: ignore[no-untyped-def]
        """The method, the in-place form and ``out=``, where the entry has them."""
        entry, on_tensor = self.entry, isinstance(sample.input, torch.Tensor)
        if entry.method_variant is not None and on_tensor:
            self.stage = " method"
            self._compare(sample, entry.op, _method(entry.method_variant))
        if entry.inplace_variant is not None and on_tensor:
            self.stage = " in place"
            theirs = entry.inplace_variant
            self._compare(sample, _on_clone(theirs), _on_clone(_method(theirs)))
        if entry.supports_out:
            self.stage = " out"
            self._out(sample)

    def _compare(self, sample, theirs: Callable, ours: Callable) -> None:  # type: ignore[no-untyped-def]
        convert = oracle.Converter(memory=self.entry.name.startswith("as_strided"))
        call = (sample.input, *sample.args), sample.kwargs
        args, kwargs = convert(call)  # type: ignore[misc]
        double = _doubled(call)
        source = sample.input.detach().clone() if isinstance(sample.input, torch.Tensor) else sample.input
        try:
            torch.manual_seed(42)
            expected = theirs(*call[0], **call[1])
        except Exception as error:  # noqa: BLE001 (then ours has to raise it too)
            oracle.assert_raises(lambda: ours(*args, **kwargs), type(error))
            return
        kuai.manual_seed(42)
        given = ours(*args, **kwargs)
        with _or_no_worse(given, expected, lambda: self._truth(sample, theirs, double)):
            self._compare_values(given, expected, source)
        twice = self.entry.supports_gradgrad and (FULL or self.first) and not self.brief
        process, leaves = sample.output_process_fn_grad, tuple(zip(*convert.leaves)) or ((), ())
        their = _derivatives(torch, process(expected), leaves[0], twice)
        mine = _derivatives(kuai, rebound(process)(given), leaves[1], twice, their)

        def in_double() -> dict:
            inner = [x for x in oracle.flatten(list(double)) if oracle.wants_gradient(x)[0]]
            return _derivatives(torch, process(theirs(*double[0], **double[1])), inner, twice)

        wanted = [oracle.wants_gradient(x["results"]) for x in (mine, their)]
        assert wanted[0] == wanted[1], f"results require grad: {wanted[0]}, PyTorch's {wanted[1]}"
        with _or_no_worse(mine, their, in_double):
            self._compare_derivatives(mine, their)

    def _truth(self, sample, theirs: Callable, double: tuple) -> object:  # type: ignore[no-untyped-def]
        """PyTorch's results in double precision; where these are in question, what NumPy or SciPy has for the function."""
        if isinstance(self.entry, UnaryUfuncInfo) and self.entry.ref and sample.input.dtype is torch.float64:
            return torch.as_tensor(self.entry.ref(sample.input.detach().numpy(), **sample.kwargs))
        return theirs(*double[0], **double[1])

    def _compare_derivatives(self, mine: dict, their: dict) -> None:
        """What is differentiated (if it was not compared before), its gradients, and theirs."""
        if self.entry.name in UP_TO_PHASE:
            oracle.assert_same(mine["results"], their["results"])
        for order, loose in (("gradients", 10.0), ("second", 100.0)):
            if their[order] is not None:
                oracle.assert_same(mine[order], their[order], order, loose=loose)

    def _compare_values(self, given: object, expected: object, source: object) -> None:
        name = self.entry.name
        if name in UP_TO_PHASE:
            return
        if name not in UP_TO_TIES:
            oracle.assert_same(given, expected, values=name not in UNINITIALISED)
            return
        for a, b in zip(oracle.flatten(given), oracle.flatten(expected), strict=True):
            index = b.dtype is torch.int64 and (name == "argsort" or b is not oracle.flatten(expected)[0])
            oracle.assert_same(a, b, values=not index)
            if index:
                oracle.assert_same_picks(a, b, source)  # type: ignore[arg-type]

    def _out(self, sample) -> None:  # type: ignore[no-untyped-def]
        """``out=`` is given back, holding the result."""
        convert = oracle.Converter()
        with torch.no_grad():
            args, kwargs = convert((sample.input, *sample.args)), convert(sample.kwargs)
            expected = self.entry.op(sample.input, *sample.args, **sample.kwargs)
            if not all(isinstance(t, torch.Tensor) for t in oracle.flatten(expected)) or not _takes_out(self.entry.op, sample, expected):
                return
        out = _like(expected)
        with kuai.no_grad():
            given = self.ours(*args, **kwargs, out=out)
        same = given is None or all(a is b for a, b in zip(oracle.flatten(given), oracle.flatten(out)))
        assert same, "out= is not what is given back"
        double = _doubled(((sample.input, *sample.args), sample.kwargs))
        with _or_no_worse(out, expected, lambda: self._truth(sample, self.entry.op, double)):  # type: ignore[arg-type]
            self._compare_values(out, expected, sample.input)

    def _error(self, case) -> None:  # type: ignore[no-untyped-def]
        sample, convert = case.sample_input, oracle.Converter(memory=True)
        reflected_number = self.entry.name.startswith("__r") and not isinstance(sample.input, torch.Tensor)
        if reflected_number or any(o in case.error_regex for o in OVERLAP) or not _raises(self.entry.op, sample):
            return
        try:
            args, kwargs = convert((sample.input, *sample.args)), convert(sample.kwargs)
        except ValueError:  # of more than 64 dimensions, which NumPy refuses to begin with
            return
        oracle.assert_raises(lambda: self.ours(*args, **kwargs), case.error_type)


def _derivatives(t, results: object, leaves: Sequence, twice: bool, like: dict | None = None) -> dict:  # type: ignore[no-untyped-def]
    """Results, their gradients, and if wanted the gradients of those; None where PyTorch has none (``like`` is its own)."""
    found: dict = {"results": results, "gradients": None, "second": None}
    of = oracle.wants_gradient((like or found)["results"])
    with _none_of_pytorchs(t):
        if like is None or like["gradients"] is not None:
            found["gradients"] = oracle.gradients(t, results, leaves, of, create_graph=twice)
    with _none_of_pytorchs(t):
        if twice and found["gradients"] is not None and (like is None or like["second"] is not None):
            of = oracle.wants_gradient((like or found)["gradients"])
            found["second"] = oracle.gradients(t, found["gradients"], leaves, of)
    return found


def _none_of_pytorchs(t) -> AbstractContextManager:  # type: ignore[no-untyped-def]
    """Lets PyTorch say that it has no derivative; kuai has to have one."""
    return nullcontext() if t is kuai else suppress(RuntimeError)


@contextmanager
def _or_no_worse(mine: object, their: object, in_double: Callable) -> Iterator[None]:
    """Forgives a difference if our results are as near to those of double precision as PyTorch's own."""
    try:
        yield
    except AssertionError as error:
        torch.manual_seed(42)
        try:
            oracle.assert_no_worse(mine, their, in_double())
        except Exception:  # noqa: BLE001 (then there is no better truth than PyTorch's)
            raise error from None


def rebound(process: Callable) -> Callable:
    return oracle.rebind(process) if isinstance(process, FunctionType) else process


def _doubled(x: object) -> object:
    """Arguments with double precision, as leaves of their own."""
    if isinstance(x, torch.Tensor):
        wide = torch.complex128 if x.is_complex() else torch.float64 if x.is_floating_point() else x.dtype
        return x.detach().to(wide, copy=True).requires_grad_(x.requires_grad)
    if isinstance(x, dict):
        return {k: _doubled(v) for k, v in x.items()}
    return type(x)(map(_doubled, x)) if type(x) in (list, tuple) else x


def seed() -> None:
    torch.manual_seed(SEED)
    random.seed(SEED)
    np.random.seed(SEED)


def function(entry) -> Callable:  # type: ignore[no-untyped-def]
    """Kuai's function for an entry: PyTorch's lambda with kuai for torch, or what has the same name."""
    fn = entry.op
    if _is_of_the_tables(fn):
        return oracle.rebind(fn)
    if isinstance(fn, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
        return oracle.lookup(f"ops.{fn}")  # type: ignore[return-value]
    if isinstance(fn, torch.cuda.jiterator._JittedFunction):
        made = kuai.cuda.jiterator._JittedFunction
        return made(fn.code_string, fn.return_by_ref, fn.num_outputs, **fn.kwargs_dict)
    name = getattr(fn, "__name__", "")
    if fn is getattr(torch.Tensor, name, None):
        return oracle.lookup(f"Tensor.{name}")  # type: ignore[return-value]
    return oracle.lookup(entry.name.removeprefix("torch."))  # type: ignore[return-value]


def _is_of_the_tables(fn: object) -> bool:
    return isinstance(fn, FunctionType) and (fn.__module__ or "").startswith("torch.testing")


def _method(theirs: Callable) -> Callable:
    """Tensor's method for one of PyTorch's."""
    if _is_of_the_tables(theirs) or isinstance(theirs, partial):
        return oracle.counterpart(theirs)  # type: ignore[return-value]
    return getattr(kuai.Tensor, theirs.__name__)


def _raises(op: Callable, sample) -> bool:  # type: ignore[no-untyped-def]
    """Whether PyTorch's own function raises: some entries list errors of other devices."""
    try:
        sample = deepcopy(sample)  # PyTorch may resize what is given as out= and then raise
    except RuntimeError:  # of tensors that are no leaves
        pass
    try:
        op(sample.input, *sample.args, **sample.kwargs)
    except Exception:  # noqa: BLE001
        return True
    return False


def _takes_out(op: Callable, sample, expected: object) -> bool:  # type: ignore[no-untyped-def]
    """Whether PyTorch's own function takes ``out=``: some entries say so by mistake."""
    try:
        op(sample.input, *sample.args, **sample.kwargs, out=_empties(expected))
    except Exception:  # noqa: BLE001
        return False
    return True


def _empties(x: object) -> object:
    return torch.empty_like(x) if isinstance(x, torch.Tensor) else tuple(map(_empties, x))  # type: ignore[call-overload]


def _on_clone(method: Callable) -> Callable:
    """An in-place method, called on a copy of its tensor."""
    return lambda x, *args, **kwargs: method(x.clone(), *args, **kwargs)


def _like(expected: object) -> object:
    """Tensors of ours in the structure of a result, for ``out=``."""
    if isinstance(expected, torch.Tensor):
        options = {"dtype": oracle.counterpart(expected.dtype), "layout": oracle.counterpart(expected.layout)}
        return kuai.zeros(tuple(expected.shape), **options)
    return tuple(map(_like, expected))  # type: ignore[call-overload]
