"""PyTorch's table of operations once more: under ``vmap`` and in forward mode, against PyTorch's own in double precision."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice

import pytest

torch = pytest.importorskip("torch")

import kuai
from tests import oracle
from tests.conformance import ops
from tests.conformance.verdict import EVERY, FULL, Failure, Verdict, judge

SIZE = 3  # of the batch
MOST = 400 if not FULL else 4000  # elements in a sample
SAMPLES = {"vmap": 2, "jvp": 2, "vmap-vjp": 1}  # of each check
CHECKS = ("vmap", "jvp", "vmap-vjp")
# Results are no function of the arguments' values alone, or nothing that a batch could be compared in.
DRAWS = ("cauchy", "exponential", "geometric", "log_normal", "normal", "uniform", "randn_like", "rand_like", "multinomial")
NOT_MAPPED = (*ops.UNINITIALISED, "resize_", "resize_as_", "randint", "randint_like")


@lru_cache(maxsize=1)
def entries() -> dict:
    """What can be mapped and pushed forward, by name: ops/sin vmap, ops/sin jvp …"""
    return {
        f"{name} {check}": entry
        for name, entry in ops.entries().items()
        for check in CHECKS
        if torch.float64 in entry.dtypes and _applies(entry, check)
    }


def _applies(entry, check: str) -> bool:  # type: ignore[no-untyped-def]
    if check == "vmap-vjp":
        return entry.supports_autograd and torch.float64 in entry.supported_backward_dtypes("cpu") and _applies(entry, "vmap")
    if check == "jvp":
        return entry.supports_forward_ad and torch.float64 in entry.supported_backward_dtypes("cpu")
    return entry.name not in NOT_MAPPED and not entry.name.startswith("sparse.")


def run(name: str, brief: bool = False) -> Verdict:
    """Run an entry's check by its name; in brief, on its first sample alone."""
    kind = name.rpartition(" ")[2]
    check = {"vmap": _mapped, "jvp": _pushed, "vmap-vjp": _pulled}[kind]
    most = 1 if brief else 12 if FULL else SAMPLES[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return judge(name, lambda: _run(entries()[name], check, most))


def _run(entry, check: Callable, most: int) -> int:  # type: ignore[no-untyped-def]
    failures, count = [], 0
    for i, sample in enumerate(islice(_samples(entry, most), most)):
        for place, case in check(entry, sample):
            try:
                case()
            except Exception as error:  # noqa: BLE001 (whatever goes wrong is the entry's failure)
                failures.append(Failure(f"float64 {i} {place}", error))
                if not EVERY:
                    raise failures[0] from error
            count += 1
    if failures:
        raise failures[0].followed_by(failures[1:])
    return count


def _samples(entry, most: int) -> Iterator:  # type: ignore[no-untyped-def]
    """Small samples with tensors of floating point numbers."""
    ops.seed()
    found = []
    for sample in islice(entry.sample_inputs("cpu", torch.float64, requires_grad=entry.supports_autograd), 100):
        tensors = _tensors(((sample.input, *sample.args), sample.kwargs))
        if any(map(_is_float, tensors)) and 0 < sum(t.numel() for t in tensors) <= MOST:
            found.append(sample)
    return iter(found[:: max(1, len(found) // most)])


def _tensors(tree: object) -> list:
    return [x for x in oracle.flatten(tree) if isinstance(x, (torch.Tensor, kuai.Tensor))]


def _is_float(t: object) -> bool:
    return t.dtype.is_floating_point or t.dtype.is_complex  # type: ignore[attr-defined]


def _with(tree: object, tensors: Iterator) -> object:
    """A tree with other tensors in the places of its own."""
    if isinstance(tree, (torch.Tensor, kuai.Tensor)):
        return next(tensors)
    if isinstance(tree, dict):
        return {k: _with(v, tensors) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)) and not isinstance(tree, (torch.Size, kuai.Size)):
        return type(tree)(_with(v, tensors) for v in tree)
    return tree


class _Call:
    """A sample's call in both libraries, as a function of its tensors."""

    def __init__(self, entry, sample):  # type: ignore[no-untyped-def]
        self.entry, self.process = entry, sample.output_process_fn_grad
        private = entry.name.startswith("masked.")  # what wraps these is PyTorch's own
        self.wrapper = (lambda op, *args, **kwargs: op(*args, **kwargs)) if private else entry.gradcheck_wrapper
        self.theirs = (sample.input, *sample.args), sample.kwargs
        self.wants = [t.requires_grad for t in _tensors(self.theirs)]
        self.tensors = [t.detach() for t in _tensors(self.theirs)]
        self.ours = oracle.Converter()(self.theirs)

    def torch(self, *tensors: object) -> object:
        args, kwargs = _with(self.theirs, iter(tensors))  # type: ignore[misc]
        return self._results(self.process(self.wrapper(self.entry.op, *args, **kwargs)))

    def kuai(self, *tensors: object) -> object:
        args, kwargs = _with(self.ours, iter(tensors))  # type: ignore[misc]
        process, wrapper = ops.rebound(self.process), ops.rebound(self.wrapper)
        return self._results(process(wrapper(ops.function(self.entry), *args, **kwargs)))

    @staticmethod
    def _results(given: object) -> tuple:
        return tuple(_tensors(given))


# ---- vmap ------------------------------------------------------------------------------------------------------------


def _mapped(entry, sample) -> Iterator[tuple[str, Callable]]:  # type: ignore[no-untyped-def]
    """All arguments of floating point mapped over; the first, by its last dimension; all but the first; all there are."""
    call = _Call(entry, sample)
    floats = [_is_float(t) for t in call.tensors]
    first = floats.index(True)
    last = 0 if entry.name in DRAWS else -1  # PyTorch draws in the order of memory
    choices = {
        "all floats": [0 if f else None for f in floats],
        "the first": [last if i == first else None for i in range(len(floats))],
        "the others": [0 if f and i != first else None for i, f in enumerate(floats)],
        "all": [0] * len(floats),
    }
    seen: list = []
    for place, dims in choices.items():
        if dims not in seen and any(d is not None for d in dims):
            seen.append(dims)
            yield f"vmap over {place}", lambda dims=dims: _compare_mapped(call, dims, 1 if -1 in dims else 0)


def _compare_mapped(call: _Call, dims: list, out: int) -> None:
    """As PyTorch's vmap, or as PyTorch's op for each sample; refused only where PyTorch's vmap refuses it."""
    given = [t if d is None else _batch(t, d) for t, d in zip(call.tensors, dims)]
    expected = [e for e in (_outcome(f, call, given, dims, out) for f in (_by_pytorch, _by_samples)) if e is not None]
    if not expected:
        return
    mine = [oracle.to_kuai(t) for t in given]
    kuai.manual_seed(42)
    with _refused_by_both(lambda: _by_pytorch(call, given, dims, out)):
        found = kuai.func.vmap(call.kuai, tuple(dims), out, randomness="different")(*mine)
        if call.entry.name not in ops.UP_TO_TIES:
            _assert_any(found, expected)


def _assert_any(found: object, expected: list) -> None:
    """Samples are the same as in one of the outcomes: PyTorch's vmap has mistakes of its own, and draws in another order."""
    for i, wanted in enumerate(expected):
        try:
            oracle.assert_same(found, wanted, loose=10.0)
            return
        except AssertionError:
            if i + 1 == len(expected):
                raise


def _batch(t: torch.Tensor, dim: int) -> torch.Tensor:
    """Several of a tensor: of floating point ones scaled a little, so that samples differ and stay what the op takes."""
    rows = [t * (1 - 0.05 * i) if _is_float(t) else t.clone() for i in range(SIZE)]
    return torch.stack(rows, dim)


def _outcome(how: Callable, *case: object) -> tuple | None:
    torch.manual_seed(42)
    try:
        return how(*case)
    except Exception:  # noqa: BLE001 (what PyTorch cannot do)
        return None


def _by_pytorch(call: _Call, given: list, dims: list, out: int) -> tuple:
    return torch.func.vmap(call.torch, tuple(dims), out, randomness="different")(*given)


def _by_samples(call: _Call, given: list, dims: list, out: int) -> tuple:
    rows = [call.torch(*[t if d is None else t.select(d, i).clone() for t, d in zip(given, dims)]) for i in range(SIZE)]
    return tuple(torch.stack(column, out) for column in zip(*rows, strict=True))


# ---- derivatives of a map, and maps of derivatives -------------------------------------------------------------------


def _pulled(entry, sample) -> Iterator[tuple[str, Callable]]:  # type: ignore[no-untyped-def]
    call = _Call(entry, sample)
    if any(call.wants):
        yield "vmap of vjp", lambda: _compare_pulled(call, _map_of_vjp)
        yield "vjp of vmap", lambda: _compare_pulled(call, _vjp_of_map)


def _compare_pulled(call: _Call, how: Callable) -> None:
    """The gradients of samples, by a cotangent of ones, as PyTorch finds them one by one."""
    given = [_batch(t, 0) if w else t for t, w in zip(call.tensors, call.wants)]
    expected = _outcome(_pulled_by_samples, call, given)
    if expected is None:
        return
    dims = [0 if w else None for w in call.wants]
    with _refused_by_both(lambda: torch.func.vmap(call.torch, tuple(dims))(*given)):
        found = how(call, [oracle.to_kuai(t) for t in given])
        oracle.assert_same(found, expected, "gradient", loose=10.0)


@contextmanager
def _refused_by_both(theirs: Callable) -> Iterator[None]:
    """Lets vmap refuse what PyTorch's refuses: values that are asked for, draws, edits of what all samples share."""
    try:
        yield
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        try:
            theirs()
        except Exception:  # noqa: BLE001
            return
        raise


def _pulled_by_samples(call: _Call, given: list) -> tuple:
    rows = []
    for i in range(SIZE):
        xs = [t[i].clone().requires_grad_() if w else t for t, w in zip(given, call.wants)]
        of = [x for x, w in zip(xs, call.wants) if w]
        found = torch.autograd.grad(_total(call.torch(*xs)), of, allow_unused=True)
        rows.append([torch.zeros_like(x) if g is None else g for g, x in zip(found, of)])
    return tuple(map(torch.stack, zip(*rows)))


def _total(results: tuple) -> object:
    parts = [(r * r).real.sum() if r.dtype.is_complex else (r * r).sum() for r in results if r.requires_grad]
    return sum(parts[1:], parts[0])


def _map_of_vjp(call: _Call, mine: list) -> tuple:
    f, moving, _ = _split(call, call.kuai, mine, [True if w else None for w in call.wants])
    gradient = kuai.func.grad(lambda *xs: _total(f(*xs)), argnums=tuple(range(len(moving))))
    return kuai.func.vmap(gradient)(*moving)


def _vjp_of_map(call: _Call, mine: list) -> tuple:
    f, moving, _ = _split(call, call.kuai, mine, [True if w else None for w in call.wants])
    leaves = [x.requires_grad_() for x in moving]
    total = _total(kuai.func.vmap(f)(*leaves))
    found = kuai.autograd.grad(total, leaves, allow_unused=True)
    return tuple(kuai.zeros_like(x) if g is None else g for g, x in zip(found, leaves))


# ---- forward mode ----------------------------------------------------------------------------------------------------


def _pushed(entry, sample) -> Iterator[tuple[str, Callable]]:  # type: ignore[no-untyped-def]
    call = _Call(entry, sample)
    if any(call.wants):
        yield "jvp", lambda: _compare_pushed(call)
        yield "dual", lambda: _compare_dual(call)


def _tangents(call: _Call) -> list:
    torch.manual_seed(7)
    return [torch.randn_like(t) if wants else None for t, wants in zip(call.tensors, call.wants)]


def _split(call: _Call, f: Callable, tensors: list, tangents: list) -> tuple[Callable, tuple, tuple]:
    """A function of the tensors that have tangents, those, and the tangents."""
    moving = [t is not None for t in tangents]

    def of_moving(*xs: object) -> tuple:
        given = iter(xs)
        return tuple(r for r in f(*[next(given) if m else x for m, x in zip(moving, tensors)]) if _is_float(r))

    return of_moving, tuple(x for x, m in zip(tensors, moving) if m), tuple(t for t in tangents if t is not None)


def _compare_pushed(call: _Call) -> None:
    tangents = _tangents(call)
    try:
        torch.manual_seed(42)
        expected = torch.func.jvp(*_split(call, call.torch, call.tensors, tangents))
    except Exception:  # noqa: BLE001 (PyTorch has no formula for this sample)
        return
    mine = [oracle.to_kuai(t) for t in call.tensors]
    kuai.manual_seed(42)
    found = kuai.func.jvp(*_split(call, call.kuai, mine, [None if t is None else oracle.to_kuai(t) for t in tangents]))
    oracle.assert_same(found[1], expected[1], "tangent", loose=10.0)


def _compare_dual(call: _Call) -> None:
    tangents = _tangents(call)
    try:
        torch.manual_seed(42)
        expected = _dual(torch, _split(call, call.torch, call.tensors, tangents))
    except Exception:  # noqa: BLE001
        return
    mine = [oracle.to_kuai(t) for t in call.tensors]
    kuai.manual_seed(42)
    found = _dual(kuai, _split(call, call.kuai, mine, [None if t is None else oracle.to_kuai(t) for t in tangents]))
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        if b is not None:
            oracle.assert_same(a, b, f"tangent {i}", loose=10.0)


def _dual(t, given: tuple) -> list:  # type: ignore[no-untyped-def]
    f, primals, tangents = given
    fw = t.autograd.forward_ad
    with fw.dual_level():
        results = f(*[fw.make_dual(x, v) for x, v in zip(primals, tangents)])
        return [fw.unpack_dual(r).tangent for r in results]
