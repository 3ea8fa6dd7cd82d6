"""PyTorch as the oracle: the same arguments for both libraries, and comparisons of what they give."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from types import CellType, FunctionType, ModuleType

import ml_dtypes
import numpy as np
import pytest

import kuai

torch = pytest.importorskip("torch")

# Relative and absolute tolerance by dtype. The absolute one is scaled by the largest magnitude in the result, because
# what sums round to depends on their order. Both libraries compute half types through float32, but round at other places.
TOLERANCE = {
    "float64": (1e-6, 1e-8), "complex128": (1e-6, 1e-8), "float32": (1e-4, 1e-5), "complex64": (1e-4, 1e-5),
    "float16": (1e-2, 2e-3), "bfloat16": (5e-2, 2e-2),
}  # fmt: skip


class Unsupported(Exception):
    """Arguments that kuai has no counterpart of, such as sparse tensors."""


# ---- arguments -------------------------------------------------------------------------------------------------------


class Converter:
    """PyTorch's arguments as ours. ``leaves`` pairs the tensors that want gradients; aliases stay aliases.

    With ``memory``, a tensor that is a part of more memory becomes a view of as much, and tensors that share memory do so
    here too.
    """

    def __init__(self, memory: bool = False) -> None:
        self.memory = memory
        self.leaves: list[tuple] = []
        self.seen: dict[int, object] = {}
        self.kept: list = []
        self.wholes: dict[tuple, kuai.Tensor] = {}

    def __call__(self, x: object) -> object:
        if isinstance(x, torch.Tensor):
            return self._tensor(x)
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return tuple(self(v) for v in x)
        if isinstance(x, torch.Size):
            return kuai.Size(x)
        if isinstance(x, (list, tuple)):
            return type(x)(self(v) for v in x)
        if isinstance(x, dict):
            return {k: self(v) for k, v in x.items()}
        if isinstance(x, slice):
            return slice(self(x.start), self(x.stop), self(x.step))
        return counterpart(x)

    def _tensor(self, t: torch.Tensor) -> kuai.Tensor:
        if id(t) not in self.seen:
            self.kept.append(t)
            self.seen[id(t)] = made = to_kuai(t) if not self.memory else view_of_all(t, self.wholes)
            if t.requires_grad and t.is_leaf:
                self.leaves.append((t, made))
        return self.seen[id(t)]  # type: ignore[return-value]


def to_kuai(t: torch.Tensor) -> kuai.Tensor:
    """Our tensor with the layout, elements, dtype, device and requires_grad of PyTorch's."""
    if t.is_nested or t.is_quantized:
        raise Unsupported(f"a tensor of layout {t.layout}")
    if t.layout is not torch.strided:
        made = _sparse(t.detach())
    elif t.device.type == "meta":
        made = kuai.empty(tuple(t.shape), dtype=counterpart(t.dtype), device="meta")
    else:
        made = kuai.from_numpy(to_numpy(t).copy())
    if isinstance(t, torch.nn.Parameter):
        return kuai.nn.Parameter(made, requires_grad=t.requires_grad)
    return made.requires_grad_(t.requires_grad) if t.requires_grad else made


def _sparse(t: torch.Tensor) -> kuai.Tensor:
    parts = [to_kuai(part) for part in parts_of(t)]
    if t.layout is torch.sparse_coo:
        return kuai.sparse_coo_tensor(*parts, tuple(t.shape), is_coalesced=t.is_coalesced())
    return kuai.sparse_compressed_tensor(*parts, tuple(t.shape), layout=counterpart(t.layout))


def parts_of(t) -> tuple:  # type: ignore[no-untyped-def]
    """The tensors that a sparse tensor of either library is made of."""
    name = str(t.layout).removeprefix("torch.sparse_")
    if name == "coo":
        return t._indices(), t._values()
    if name in ("csr", "bsr"):
        return t.crow_indices(), t.col_indices(), t.values()
    return t.ccol_indices(), t.row_indices(), t.values()


def view_of_all(t: torch.Tensor, wholes: dict[tuple, kuai.Tensor]) -> kuai.Tensor:
    """Our tensor as a view of all the memory that PyTorch's is a view of; ``wholes`` holds what memory is here already."""
    if t.layout is not torch.strided or t.device.type == "meta" or not t.numel():
        return to_kuai(t)
    key = t.untyped_storage().data_ptr(), t.dtype
    if key not in wholes:
        whole = t.detach().as_strided((t.untyped_storage().nbytes() // t.itemsize,), (1,), 0)
        if whole.numel() == t.numel() and t.is_contiguous():
            made = to_kuai(t)
            wholes[key] = made.detach().view(-1)
            return made
        wholes[key] = to_kuai(whole)
    part = wholes[key].as_strided(tuple(t.shape), t.stride(), t.storage_offset())
    return part.detach().requires_grad_(t.requires_grad)


_VIEWS = {"bfloat16": "i2", "float8_e4m3fn": "u1", "float8_e5m2": "u1", "float8_e4m3fnuz": "u1", "float8_e5m2fnuz": "u1"}


def to_numpy(t: torch.Tensor) -> np.ndarray:
    """The elements of PyTorch's tensor, the dtypes that NumPy lacks in those of ml_dtypes."""
    t = t.detach().resolve_conj().resolve_neg().cpu()
    t = torch.zeros(t.shape, dtype=t.dtype) if t._is_zerotensor() else t
    name = str(t.dtype).removeprefix("torch.")
    if t.dtype is torch.complex32:
        t = t.to(torch.complex64)
    if name in _VIEWS:
        integers = t.contiguous().view(torch.int16 if t.element_size() == 2 else torch.uint8).numpy()
        return integers.view(getattr(ml_dtypes, name))
    return t.numpy()


def dtype_name(d: object) -> str:
    """A dtype's name in both libraries; our chalf is complex64."""
    return str(d).removeprefix("torch.").replace("complex32", "complex64")


_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), np.ndarray, np.generic, range, type)


def counterpart(x: object) -> object:
    """What stands in kuai for an object of PyTorch that is no tensor: dtypes, devices, functions, modules."""
    if isinstance(x, _PLAIN) and not (isinstance(x, type) and x.__module__.startswith("torch")):
        return x
    if isinstance(x, torch.dtype):
        return lookup(dtype_name(x))
    if isinstance(x, torch.device):
        return kuai.device(str(x))
    if isinstance(x, (torch.memory_format, torch.layout)):
        return lookup(str(x).removeprefix("torch."))
    if isinstance(x, torch.Generator):
        return kuai.Generator().manual_seed(x.initial_seed())
    if isinstance(x, torch.nn.Module):
        return _module(x)
    if isinstance(x, functools.partial):
        return functools.partial(counterpart(x.func), *x.args, **x.keywords)  # type: ignore[arg-type]
    if isinstance(x, FunctionType) and not x.__module__.startswith("torch.nn"):
        return rebind(x)
    if is_dataclass(x):
        options = {field.name: counterpart(getattr(x, field.name)) for field in fields(x)}
        return lookup(f"nn.{type(x).__name__}")(**options)  # type: ignore[operator]
    if callable(x) and hasattr(x, "__name__"):
        return lookup(_path(x))
    raise Unsupported(f"a {type(x).__name__}")


def _module(x: torch.nn.Module) -> object:
    """Our module of the same class with the same weights."""
    options: dict = {}
    if isinstance(x, torch.nn.TransformerEncoderLayer):
        options = {
            "d_model": x.self_attn.embed_dim, "nhead": x.self_attn.num_heads, "dropout": x.dropout.p,
            "dim_feedforward": x.linear1.out_features, "activation": counterpart(x.activation),
            "layer_norm_eps": x.norm1.eps, "batch_first": x.self_attn.batch_first, "norm_first": x.norm_first,
            "bias": x.linear1.bias is not None,
        }  # fmt: skip
    made = lookup(f"nn.{type(x).__name__}")(**options)  # type: ignore[operator]
    made.load_state_dict(Converter()(x.state_dict()))
    return made


def _path(x: object) -> str:
    module = (getattr(x, "__module__", None) or "torch").removeprefix("torch").lstrip(".").replace("_C._nn", "nn.functional")
    return f"{module}.{x.__name__}".lstrip(".")  # type: ignore[attr-defined]


def lookup(path: str) -> object:
    """What kuai has under a dotted name; NotImplementedError if it has nothing."""
    found: object = kuai
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except (AttributeError, ImportError):
            raise NotImplementedError(f"kuai.{path}: not written yet") from None
    return found


def rebind(fn: FunctionType) -> FunctionType:
    """A function of PyTorch's tables that takes kuai for torch."""
    scope = dict(fn.__globals__)
    for name, value in scope.items():
        if isinstance(value, ModuleType) and value.__name__.split(".")[0] == "torch":
            with suppress(NotImplementedError):
                scope[name] = kuai if value is torch else lookup(value.__name__.removeprefix("torch."))
    scope["wrapper_set_seed"] = seeded
    made = FunctionType(fn.__code__, scope, fn.__name__, fn.__defaults__, _closure(fn))
    made.__kwdefaults__ = fn.__kwdefaults__
    return made


def _closure(fn: FunctionType) -> tuple | None:
    if fn.__closure__ is None:
        return None
    cells = []
    for cell in fn.__closure__:
        try:
            cells.append(CellType(Converter()(cell.cell_contents)))
        except Unsupported:
            cells.append(cell)
    return tuple(cells)


def seeded(fn: Callable, *args: object, **kwargs: object) -> object:
    """What PyTorch's tables call random functions by, so that they draw the same each time."""
    kuai.manual_seed(42)
    return fn(*args, **kwargs)


def cases(table: str) -> list[str]:
    """The pieces of code of a table: one in a line, or several with bars between them."""
    return [code.strip() for code in table.replace("\n", "|").split("|") if code.strip()]


# ---- results ---------------------------------------------------------------------------------------------------------


def flatten(x: object) -> list:
    """The tensors and numbers of a nested result, in order."""
    if isinstance(x, dict):
        return [leaf for v in x.values() for leaf in flatten(v)]
    if isinstance(x, (list, tuple)) and not isinstance(x, (torch.Size, kuai.Size)):
        return [leaf for v in x for leaf in flatten(v)]
    return [x]


def assert_same(ours: object, theirs: object, what: str = "result", *, values: bool = True, loose: float = 1.0) -> None:
    """Compare two results: structure, shapes, dtypes and elements. ``loose`` multiplies the tolerance."""
    mine, their = flatten(ours), flatten(theirs)
    assert len(mine) == len(their), f"{what}: {len(mine)} results, PyTorch gives {len(their)}"
    for i, (a, b) in enumerate(zip(mine, their)):
        name = what if len(their) == 1 else f"{what} {i}"
        if isinstance(b, torch.Tensor):
            _assert_tensor(a, b, name, values, loose)
        else:
            _assert_plain(a, b, name)


def assert_same_outcome(ours: object, theirs: object, what: str) -> None:
    """Compare what two calls gave, or the errors that they raised."""
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), f"{what}: {ours!r} for {theirs!r}"
    else:
        assert not isinstance(ours, Exception), f"{what}: {ours!r} for {theirs!r}"
        assert_same(ours, theirs, what)


def _assert_plain(a: object, b: object, what: str) -> None:
    if isinstance(b, torch.Size):
        assert tuple(a) == tuple(b), f"{what}: {a}, PyTorch gives {b}"  # type: ignore[arg-type]
    elif isinstance(b, (float, complex)):
        assert type(a) is type(b), f"{what}: a {type(a).__name__}, PyTorch gives a {type(b).__name__}"
        assert np.allclose(a, b, rtol=1e-5, equal_nan=True), f"{what}: {a}, PyTorch gives {b}"  # type: ignore[arg-type]
    elif isinstance(b, (bool, int, str, type(None))):
        assert a == b and type(a) is type(b), f"{what}: {a!r}, PyTorch gives {b!r}"
    elif isinstance(b, torch.dtype):
        assert dtype_name(a) == dtype_name(b), f"{what}: {a}, PyTorch gives {b}"


def _assert_tensor(a: object, b: torch.Tensor, what: str, values: bool, loose: float) -> None:
    assert isinstance(a, kuai.Tensor), f"{what}: a {type(a).__name__}, PyTorch gives a tensor"
    assert str(a.layout) == str(b.layout), f"{what}: layout {a.layout}, PyTorch gives {b.layout}"
    assert dtype_name(a.dtype) == dtype_name(b.dtype), f"{what}: dtype {a.dtype}, PyTorch gives {b.dtype}"
    assert tuple(a.shape) == tuple(b.shape), f"{what}: shape {list(a.shape)}, PyTorch gives {list(b.shape)}"
    if values and b.layout is not torch.strided:
        _assert_sparse(a, b, what, loose)
    elif values and b.device.type != "meta":
        assert_close(a._array(), to_numpy(b), dtype_name(b.dtype), what, loose)


def _assert_sparse(a: kuai.Tensor, b: torch.Tensor, what: str, loose: float) -> None:
    """The same places, which for uncoalesced tensors are those that are left when they are coalesced, and values."""
    if b.layout is torch.sparse_coo:
        assert a.is_coalesced() or not b.is_coalesced(), f"{what}: is not coalesced, as PyTorch's is"
        a, b = a.coalesce(), b.coalesce()
    for i, (mine, their) in enumerate(zip(parts_of(a), parts_of(b), strict=True)):
        _assert_tensor(mine, their, f"{what}, part {i}", True, loose)


def assert_close(a: np.ndarray, b: np.ndarray, dtype: str, what: str = "result", loose: float = 1.0) -> None:
    """Compare elements, with the tolerance of their dtype; integers and bools exactly."""
    if dtype not in TOLERANCE:
        if dtype.startswith("float8"):
            a, b = a.astype(np.float32), b.astype(np.float32)
        wrong = ~((a == b) | ((a != a) & (b != b)))
    else:
        with np.errstate(all="ignore"):
            wrong = ~_close(_wide(a), _wide(b), *(loose * t for t in TOLERANCE[dtype]))
    if wrong.any():
        i = np.unravel_index(np.argmax(wrong), wrong.shape)
        raise AssertionError(f"{what}: {wrong.sum()} of {wrong.size} elements differ, at {list(map(int, i))} {a[i]} for {b[i]}")


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def assert_no_worse(ours: object, theirs: object, truth: object) -> None:
    """Our results are as near to those of double precision as PyTorch's are, or nearly so."""
    for a, b, exact in zip(flatten(ours), flatten(theirs), flatten(truth), strict=True):
        if isinstance(b, torch.Tensor):
            assert_same(a, b, values=dtype_name(b.dtype) not in TOLERANCE)
        if isinstance(b, torch.Tensor) and dtype_name(b.dtype) in TOLERANCE:
            mine, their, true = _wide(a._array()), _wide(to_numpy(b)), _wide(to_numpy(exact))
            with np.errstate(all="ignore"):
                margin = 2 * np.nanmax(np.abs(their - true), initial=0.0)
                relative, absolute = TOLERANCE[dtype_name(b.dtype)]
                assert (_close(mine, true, relative, absolute + margin) | (their != their)).all()


def _close(a: np.ndarray, b: np.ndarray, relative: float, absolute: float) -> np.ndarray:
    finite = np.abs(b[np.isfinite(b)])
    scale = max(1.0, float(finite.max(initial=0.0)))
    return np.isclose(a, b, rtol=relative, atol=absolute * min(scale, 1e30), equal_nan=True)


# ---- gradients and errors --------------------------------------------------------------------------------------------


def assert_same_gradients(ours: object, theirs: object, leaves: list[tuple]) -> None:
    """Compare the gradients of two results with respect to pairs of leaves, PyTorch's first."""
    their, mine = zip(*leaves) if leaves else ((), ())
    assert wants_gradient(ours) == wants_gradient(theirs), f"requires grad: {wants_gradient(ours)}, PyTorch's opposite"
    for i, (a, b) in enumerate(zip(gradients(kuai, ours, mine), gradients(torch, theirs, their), strict=True)):
        assert_same(a, b, f"gradient {i}", loose=10.0)


def wants_gradient(results: object) -> list[bool]:
    """Which of the results require grad."""
    return [bool(getattr(x, "requires_grad", False)) for x in flatten(results)]


def gradients(t: ModuleType, results: object, leaves: Sequence, of: list[bool] | None = None,
              create_graph: bool = False) -> list:  # fmt: skip
    """Gradients of a library's results for its leaves, from cotangents that are the same for both; None becomes zeros.

    ``of`` says which results PyTorch has gradients of.
    """
    outs = [x for x, wanted in zip(flatten(results), of or wants_gradient(results)) if wanted]
    draw = torch.Generator().manual_seed(7)
    cotangents = [torch.randn(tuple(x.shape), generator=draw, dtype=_drawn_in(x.dtype)) for x in outs]
    if t is kuai:
        cotangents = [to_kuai(c) for c in cotangents]
    pairs = [(x, c.to(x.dtype)) for x, c in zip(outs, cotangents) if x.requires_grad]
    if not pairs or not leaves:
        return [t.zeros_like(x) for x in leaves]
    options = {"allow_unused": True, "create_graph": create_graph}
    found = t.autograd.grad([x for x, _ in pairs], leaves, [c for _, c in pairs], **options)
    return [t.zeros_like(x) if g is None else g for g, x in zip(found, leaves)]


def _drawn_in(dtype: object) -> torch.dtype:
    return torch.complex64 if "complex" in str(dtype) else torch.float32


def assert_same_error(ours: Callable, theirs: Callable) -> None:
    """Both calls raise, and ours an error of PyTorch's class."""
    try:
        theirs()
    except Exception as error:  # noqa: BLE001 (whatever it raises is what is wanted)
        expected = type(error)
    else:
        raise AssertionError("PyTorch raises nothing")
    assert_raises(ours, expected)


def assert_same_picks(ours: object, theirs: object, source: torch.Tensor) -> None:
    """Indices of two results pick equal elements along some dimension: which of equal ones is nobody's promise."""
    mine, their = torch.from_numpy(ours._array().copy()), theirs  # type: ignore[attr-defined]
    for dim in range(source.ndim):
        picked = [_picked(source, index, dim) for index in (mine, their)]
        if all(p is not None for p in picked) and torch.equal(*map(torch.nan_to_num, picked)):
            return
    assert mine.tolist() == their.tolist(), "indices pick other elements"


def _picked(source: torch.Tensor, index: torch.Tensor, dim: int) -> torch.Tensor | None:
    index = index.unsqueeze(dim) if index.ndim < source.ndim else index
    try:
        return source.detach().gather(dim, index)
    except RuntimeError:
        return None


def assert_raises(call: Callable, expected: type) -> None:
    """The call, or reading what it gives, raises an error of a class, and not because something is not written yet."""
    try:
        for result in flatten(call()):
            if isinstance(result, kuai.Tensor) and result.device.type == "cpu":
                result._array()
    except Exception as error:
        if isinstance(error, NotImplementedError) and expected not in (NotImplementedError, Exception):
            raise
        same = isinstance(error, expected) or (expected is NotImplementedError and isinstance(error, RuntimeError))
        assert same, f"raises {type(error).__name__} ({error}), PyTorch {expected.__name__}"
        return
    raise AssertionError(f"raises nothing, PyTorch {expected.__name__}")
