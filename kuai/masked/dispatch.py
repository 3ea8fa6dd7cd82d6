"""What PyTorch's functions do with masked tensors: for each name, how data and masks go through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import layouts
from ..ops.comparison import where
from ..ops.likes import ones_like
from ..subclasses import Quiet
from ..tensor import Tensor
from . import functions
from .tensor import MaskedTensor, dense, plain, same_pattern, with_values, wrapped

# Python's operators, and old names, by what they do.
_OPERATORS = {
    "__eq__": "eq", "__and__": "bitwise_and", "__or__": "bitwise_or", "__xor__": "bitwise_xor", "__invert__": "bitwise_not",
    "__lshift__": "bitwise_left_shift", "__rshift__": "bitwise_right_shift", "__floordiv__": "floor_divide",
    "__iand__": "bitwise_and_", "__ior__": "bitwise_or_", "__ixor__": "bitwise_xor_", "__ipow__": "pow_",
}  # fmt: skip


def answer(func: Callable, args: tuple, kwargs: dict) -> Any:
    """The function's result for arguments of which some are masked; TypeError for what masks have no meaning in."""
    name = _property(func) if func.__name__ == "__get__" else _OPERATORS.get(func.__name__, func.__name__)
    if name in _QUIET:
        with Quiet("subclasses"):
            return func(*args, **kwargs)
    handler = _HANDLERS.get(name)
    return NotImplemented if handler is None else handler(func, args, kwargs)


def _property(func: Any) -> str:
    names = [name for name, value in vars(Tensor).items() if value is getattr(func, "__self__", None)]
    return f"property {names[0]}" if names else ""


# ---- elements --------------------------------------------------------------------------------------------------------


def _datas(args: Any) -> Any:
    return _mapped(args, plain)


def _masks(args: Any) -> Any:
    return _mapped(args, lambda x: x._masked_mask)


def _mapped(x: Any, fn: Callable) -> Any:
    """The arguments with something else in the place of each masked tensor."""
    if isinstance(x, MaskedTensor):
        return fn(x)
    if isinstance(x, dict):
        return {k: _mapped(v, fn) for k, v in x.items()}
    return type(x)(_mapped(v, fn) for v in x) if type(x) in (list, tuple) else x


def _values(func: Callable, datas: list, kwargs: dict) -> Any:
    """A function of the data; of sparse data, of the values."""
    first = next((d for d in datas if isinstance(d, Tensor) and d.layout is not layouts.strided), None)
    if first is None:
        return func(*datas, **kwargs)
    for d in datas:
        if isinstance(d, Tensor) and d.layout is not layouts.strided and not same_pattern(first, d):
            raise ValueError("masked tensors: sparse indices must match")
    inner = [d.values() if isinstance(d, Tensor) and d.layout is not layouts.strided else d for d in datas]  # type: ignore[attr-defined]
    return with_values(first, func(*inner, **kwargs))


def _refuse_options(kwargs: dict, others: tuple) -> None:
    if kwargs.keys() & {"alpha", "rounding_mode", "decimals", "out"}:
        raise ValueError(f"masked tensors: functions of elements take no keyword arguments, got {sorted(kwargs)}")
    if any(isinstance(a, Tensor) for a in (*others, *kwargs.values())):
        raise TypeError("MaskedTensor ops do not support additional Tensor arguments")


def _unary(func: Callable, args: tuple, kwargs: dict) -> Any:
    _refuse_options(kwargs, args[1:])
    return wrapped(_values(func, list(_datas(args)), kwargs), args[0]._masked_mask)


def _binary(func: Callable, args: tuple, kwargs: dict) -> Any:
    _refuse_options(kwargs, args[2:])
    mask = _common_mask(args)
    data = _values(func, list(_datas(args)), kwargs)
    return wrapped(data, mask.expand_as(data) if data.layout is layouts.strided else mask)


def _common_mask(args: tuple) -> Any:
    first, *rest = [x._masked_mask for x in args[:2] if isinstance(x, MaskedTensor)]
    for other in rest:
        if first.layout is not other.layout or not _same(first, other):
            raise ValueError("Input masks must match: give both tensors one mask, or fill with to_tensor() first")
    return first


def _same(x: Any, y: Any) -> bool:
    return x.shape == y.shape and bool((dense(x) == dense(y)).all())  # type: ignore[attr-defined]


def _in_place(func: Callable, args: tuple, kwargs: dict) -> Any:
    """As `_unary` and `_binary`, in the first argument, which keeps its mask."""
    _refuse_options(kwargs, args[2:])
    _common_mask(args)
    target = args[0]
    if target.layout is layouts.strided:
        with Quiet("subclasses"):
            func(target, *_datas(args[1:]), **kwargs)
    else:
        values = [a.values() if isinstance(a, Tensor) and a.layout is not layouts.strided else a for a in _datas(args)]
        func(*values, **kwargs)
    return target


# ---- reductions ------------------------------------------------------------------------------------------------------


def _all(data: Any, dim: Any = None, *, keepdim: bool = False, dtype: object = None, mask: Any = None) -> Any:
    filled = data.masked_fill(~mask, True)
    return filled.all() if dim is None else filled.all(dim, keepdim)


def _reduction(name: str) -> Callable:
    function = _all if name == "all" else getattr(functions, name)

    def reduce(func: Callable, args: tuple, kwargs: dict) -> Any:
        return _reduced(function, *args, **kwargs)

    return reduce


def _reduced(function: Callable, input: MaskedTensor, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    data, mask = plain(input), input._masked_mask
    if input.is_sparse:
        if dim is not None:
            raise TypeError("masked tensors: sparse ones are reduced as a whole only; call to_dense() first")
        data, mask = data.values(), mask.values()  # type: ignore[attr-defined]
    if dim is None:
        return wrapped(function(data, mask=mask), mask.any())  # type: ignore[attr-defined]
    found = function(data, dim=dim, keepdim=keepdim, dtype=dtype, mask=mask)
    return wrapped(found, _any(mask, dim, keepdim))


def _any(mask: Any, dim: Any, keepdim: bool) -> Any:
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    for d in sorted((d % max(mask.ndim, 1) for d in dims), reverse=True):
        mask = mask.any(d, keepdim)
    return mask


# ---- what goes through data and mask alike ---------------------------------------------------------------------------


def _both(func: Callable, args: tuple, kwargs: dict) -> Any:
    return _paired(func(*_datas(args), **_datas(kwargs)), func(*_masks(args), **_masks(kwargs)))


def _paired(data: Any, mask: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return type(data)(map(_paired, data, mask))
    return wrapped(data, mask)


def _on_data(func: Callable, args: tuple, kwargs: dict) -> Any:
    """What changes the data's dtype, device or place in the graph."""
    return wrapped(func(*_datas(args), **kwargs), args[0]._masked_mask)


def _where(func: Callable, args: tuple, kwargs: dict) -> Any:
    if len(args) != 3 or kwargs:
        raise ValueError("__torch_function__, torch.where: needs a condition and two tensors")
    condition, x, y = args
    if isinstance(x, Tensor) and isinstance(condition, MaskedTensor):
        raise TypeError("masked tensors: a condition must be a plain tensor")
    x, y = (v if isinstance(v, MaskedTensor) else wrapped(v, ones_like(v, dtype=condition.dtype)) for v in (x, y))
    data = where(condition, plain(x), plain(y))
    return wrapped(data, where(condition, x._masked_mask, y._masked_mask))  # type: ignore[arg-type]


def _softmax(func: Callable, args: tuple, kwargs: dict) -> Any:
    input, *rest = args
    return wrapped(functions.softmax(plain(input), *rest, mask=input._masked_mask, **kwargs), input._masked_mask)


def _copy(func: Callable, args: tuple, kwargs: dict) -> Any:
    if all(isinstance(a, MaskedTensor) for a in args[:2]) and not _same(*_masks(args[:2])):
        raise ValueError("args[0] mask and args[1] mask must match but do not")
    return _in_place(func, args, kwargs)


def _number(func: Callable, args: tuple, kwargs: dict) -> Any:
    """A Python number, of a single element that is there."""
    input = args[0]
    if input.numel() == 1 and not bool(input._masked_mask):
        raise ValueError(f"{func.__name__}: the only element is masked out; fill it with to_tensor() first")
    return func(plain(input), **kwargs)


def _refuse_export(func: Callable, args: tuple, kwargs: dict) -> Any:
    raise RuntimeError(f".{func.__name__}() is not supported for tensor subclasses, got MaskedTensor: call to_tensor() first")


def _to_sparse(func: Callable, args: tuple, kwargs: dict) -> Any:
    input: Any = args[0]
    target = layouts.sparse_csr if func.__name__ == "to_sparse_csr" else layouts.sparse_coo
    if target is layouts.sparse_csr and input.ndim != 2:
        raise ValueError(f"Only 2D tensors can be converted to the SparseCsr layout but got shape: {input.shape}")
    if input.layout is target:
        return input
    mask: Any = input._masked_mask
    mask = mask.to_sparse_csr() if target is layouts.sparse_csr else mask.to_sparse().coalesce()
    return wrapped(plain(input).sparse_mask(mask), mask)  # type: ignore[attr-defined]


def _to_dense(func: Callable, args: tuple, kwargs: dict) -> Any:
    input = args[0]
    return input if input.layout is layouts.strided else wrapped(dense(plain(input)), dense(input._masked_mask))


def _data(func: Callable, args: tuple, kwargs: dict) -> Any:
    return wrapped(plain(args[0]).detach(), args[0]._masked_mask)


def _quotient(func: Callable, args: tuple, kwargs: dict) -> Any:
    """A number or tensor divided by a masked one."""
    return args[0].reciprocal() * args[1]


_UNARY = (
    "abs absolute acos arccos acosh arccosh angle asin arcsin asinh arcsinh atan arctan atanh arctanh bitwise_not ceil clamp clip "
    "conj_physical cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 fix floor frac lgamma log log10 log1p log2 logit i0 "
    "isnan nan_to_num neg negative positive pow rad2deg reciprocal round rsqrt sigmoid sign sgn signbit sin sinc sinh sqrt square "
    "tan tanh trunc"
).split()
_BINARY = (
    "add atan2 arctan2 bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift div divide floor_divide fmod "
    "logaddexp logaddexp2 mul multiply nextafter remainder sub subtract true_divide eq ne le ge greater greater_equal gt less_equal "
    "lt less maximum minimum fmax fmin not_equal"
).split()
_NOT_IN_PLACE = frozenset("angle positive signbit isnan logaddexp logaddexp2 fmin minimum maximum fmax".split())
_REDUCTIONS = "sum mean amin amax argmin argmax prod all norm var std".split()
_THROUGH = (
    "select transpose swapaxes swapdims split split_with_sizes tensor_split chunk unbind narrow t __getitem__ expand expand_as "
    "broadcast_to view view_as reshape reshape_as flatten ravel unflatten unsqueeze unfold cat concat concatenate stack"
).split()
_ON_DATA = "clone detach contiguous to type double float half int long short char bool cpu cuda type_as ones_like".split()
# What is asked of the tensor itself, or is about the graph.
_QUIET = frozenset(
    "size dim ndimension numel nelement stride storage_offset is_contiguous element_size get_device is_floating_point is_complex "
    "is_signed is_same_size backward requires_grad_ register_hook retain_grad register_post_accumulate_grad_hook is_shared "
    "__len__ __repr__ as_subclass".split()
)
_HANDLERS: dict[str, Callable] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, _binary),
    **{f"{name}_": _in_place for name in (*_UNARY, *_BINARY) if name not in _NOT_IN_PLACE},
    **{name: _reduction(name) for name in _REDUCTIONS},
    **dict.fromkeys(_THROUGH, _both),
    **dict.fromkeys(_ON_DATA, _on_data),
    **dict.fromkeys(("item", "__bool__", "__float__", "__int__", "__index__"), _number),
    **dict.fromkeys(("tolist", "numpy"), _refuse_export),
    **dict.fromkeys(("to_sparse", "to_sparse_coo", "to_sparse_csr"), _to_sparse),
    "to_dense": _to_dense, "where": _where, "softmax": _softmax, "copy_": _copy, "__rtruediv__": _quotient,
    "property data": _data, "property mT": lambda func, args, kwargs: args[0].transpose(-2, -1),
}  # fmt: skip
