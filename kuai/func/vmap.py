"""A function of one sample as a function of a batch.

The function runs once, on tensors that stand for one sample; what it records is run for the whole batch (`engine.batch`), and
is differentiated behind one node of the graph (`autograd.mapping`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

from ..autograd.mapping import map_samples
from ..engine.batch import Level, lower
from ..engine.trace import sample
from ..ops import batches as _rules  # noqa: F401 (how NumPy runs whole batches)
from ..ops.joining import cat
from ..tensor import Tensor, wrap
from .active import transforming
from .tree import leaves, rebuild, tree_map


def vmap(func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
         chunk_size: int | None = None) -> Callable:  # fmt: skip
    """Map a function over a dimension of its arguments (``torch.func.vmap``).

    ``in_dims`` says which dimension of each tensor, None for what all samples share; keyword arguments are shared.
    ``randomness`` says what draws do: "error", "same" numbers for all samples, or "different" ones. Asking a mapped tensor
    for its value, as ``if x > 0`` does, raises RuntimeError. With ``chunk_size`` so many samples are taken at a time.

    >>> import kuai as torch
    >>> torch.func.vmap(torch.dot)(torch.ones(3, 2), torch.arange(6.).reshape(3, 2))
    tensor([1., 5., 9.])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")

    @wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        flat, dims, size = _inputs(func, in_dims, args)
        parts = [
            _map(func, rebuild(args, iter(part)), dims, out_dims, Level(length, randomness), kwargs)
            for part, length in _chunks(flat, dims, size, chunk_size)
        ]
        return parts[0][0] if len(parts) == 1 else _joined(parts)

    return call


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What a sample's tensor is outside of `vmap`, to be looked at in a debugger (``torch.func.debug_unwrap``).

    >>> import kuai as torch
    >>> _ = torch.func.vmap(lambda x: print(torch.func.debug_unwrap(x)) or x)(torch.ones(2))
    tensor([1., 1.])
    """
    place = sample(tensor._read())
    if place is None:
        return tensor
    return debug_unwrap(wrap(place.value)) if recurse else wrap(place.value)


# ---- what goes in ----------------------------------------------------------------------------------------------------


def _inputs(func: Callable, in_dims: Any, args: tuple) -> tuple[list, list, int]:
    """The arguments' leaves, the dimension that each is mapped over, and the length of the batch."""
    name = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{name}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(f"vmap({_name(func)})(<inputs>): got no inputs. vmap needs at least one tensor to map over.")
    flat, dims = leaves(args), _spread(in_dims, args)
    if dims is None:
        raise ValueError(f"{name}: in_dims is not compatible with the structure of `inputs`.")
    dims = [_checked(name, x, d) for x, d in zip(flat, dims)]
    sizes = [x.shape[d] for x, d in zip(flat, dims) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(n != sizes[0] for n in sizes):
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
        )
    return flat, dims, sizes[0]


def _name(func: Callable) -> str:
    return getattr(func, "__name__", repr(func))


def _spread(dims: Any, tree: Any) -> list | None:
    """One entry for each leaf: a number, or None, counts for a whole subtree. None if the two do not fit."""
    if dims is None or not isinstance(dims, (tuple, list, dict)):
        return [dims] * len(leaves(tree))
    if isinstance(tree, dict) and isinstance(dims, dict) and tree.keys() == dims.keys():
        return _joined_lists([_spread(dims[k], v) for k, v in tree.items()])
    if type(dims) is type(tree) and isinstance(tree, (tuple, list)) and len(tree) == len(dims):
        return _joined_lists(list(map(_spread, dims, tree)))
    return None


def _joined_lists(parts: Sequence[list | None]) -> list | None:
    return None if any(p is None for p in parts) else [d for p in parts for d in p]  # type: ignore[union-attr]


def _checked(name: str, x: Any, d: Any) -> int | None:
    """A leaf's dimension, counted from the front."""
    if d is None:
        return None
    if not isinstance(d, int):
        raise ValueError(f"{name}: Got in_dim={d} for an input but in_dim must be either an integer dimension or None.")
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{name}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over non-Tensor arguments, "
            "please use None as the respective in_dim"
        )
    if not -x.ndim <= d < x.ndim:
        raise ValueError(
            f"{name}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.ndim} so expected in_dim "
            f"to satisfy -{x.ndim} <= in_dim < {x.ndim}."
        )
    return d % x.ndim


def _chunks(flat: list, dims: list, size: int, most: int | None) -> Iterator[tuple[list, int]]:
    """The leaves with so many samples at a time, and how many."""
    if most is None or most >= size:
        yield flat, size
        return
    for start in range(0, size, most):
        length = min(most, size - start)
        yield [x if d is None else x.narrow(d, start, length) for x, d in zip(flat, dims)], length


# ---- the call --------------------------------------------------------------------------------------------------------


def _map(func: Callable, args: Any, dims: list, out_dims: Any, level: Level, kwargs: dict) -> tuple[Any, list]:
    """The results for a batch, and the dimension that each has it in."""
    flat = leaves(args)
    batches = [x if d == 0 else x.movedim(d, 0) for x, d in zip(flat, dims) if d is not None]
    made: dict = {}

    def of_samples(*samples: Tensor) -> list:
        given = iter(samples)
        before = [s._read() for s in samples]
        with transforming():
            out = func(*rebuild(args, iter([x if d is None else next(given) for x, d in zip(flat, dims)])), **kwargs)
        made["out"], found = out, leaves(out)
        made["dims"] = _out_dims(func, out_dims, out)
        made["edited"] = [i for i, (s, v) in enumerate(zip(samples, before)) if s._read() is not v]
        return [r for r, d in zip(found, made["dims"]) if isinstance(r, Tensor)] + [samples[i] for i in made["edited"]]

    results = iter(map_samples(level, of_samples, batches))
    outs = [
        _placed(func, r, next(results), d, level) if isinstance(r, Tensor) else r
        for r, d in zip(leaves(made["out"]), made["dims"])
    ]
    for i, content in zip(made["edited"], results):
        batches[i].copy_(content)
    return rebuild(made["out"], iter(outs)), made["dims"]


def _out_dims(func: Callable, out_dims: Any, out: Any) -> list:
    dims = _spread(out_dims, (out,) if isinstance(out_dims, tuple) and len(out_dims) == 1 and isinstance(out, Tensor) else out)
    name = f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>)"
    if dims is None:
        raise ValueError(f"{name}: out_dims is not compatible with the structure of `outputs`.")
    for r, d in zip(leaves(out), dims):
        if d is not None and not isinstance(d, int):
            raise ValueError(f"{name}: `out_dims` must be an int or None, or a collection of them, got {d}")
        if d is not None and not isinstance(r, Tensor):
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(r)}. Did you mean to set "
                "out_dims= to None for output?"
            )
    return dims


def _placed(func: Callable, sample: Tensor, batch: Tensor, d: int | None, level: Level) -> Tensor:
    """A result with the batch where it is wanted."""
    if d is not None:
        return batch if d == 0 else batch.movedim(0, d)
    if lower(sample._value, level)[1]:
        raise ValueError(f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None")
    return batch[0] if batch._node is not None else wrap(lower(sample._value, level)[0])


def _joined(parts: list[tuple[Any, list]]) -> Any:
    """The results of chunks, one behind the other along the dimension of the batch."""
    dims = iter(parts[0][1])

    def join(*pieces: Any) -> Any:
        d = next(dims)
        return pieces[0] if d is None else cat(pieces, d)

    return tree_map(join, *[out for out, _ in parts])
