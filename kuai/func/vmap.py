"""A function of one sample as a function of a batch."""

from __future__ import annotations

from collections.abc import Callable

from ..ops.joining import stack
from ..random import get_rng_state
from ..random.seeding import set_rng_state
from ..tensor import Tensor
from .tree import leaves, rebuild


def vmap(func: Callable, in_dims: object = 0, out_dims: object = 0, randomness: str = "error", *,
         chunk_size: int | None = None) -> Callable:  # fmt: skip
    """Map a function over a dimension of its arguments (``torch.func.vmap``).

    The function runs for each sample and the results are stacked: what is recorded is as long as the batch, and becomes
    one program. With ``randomness="same"`` each sample draws the same numbers; "error" does not watch for draws.

    >>> import kuai as torch
    >>> torch.func.vmap(torch.dot)(torch.ones(3, 2), torch.arange(6.).reshape(3, 2))
    tensor([1., 5., 9.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same', but got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    def call(*args: object, **kwargs: object) -> object:
        flat = leaves(args)
        dims = _spread(in_dims, args, "in_dims")
        kw_flat = leaves(kwargs)
        size = _batch_size(flat + kw_flat, dims + [0 if isinstance(k, Tensor) else None for k in kw_flat])
        state = get_rng_state() if randomness == "same" else None
        results = []
        for i in range(size):
            if state is not None:
                set_rng_state(state)
            picked = rebuild(args, iter([_pick(x, d, i) for x, d in zip(flat, dims)]))
            named = rebuild(kwargs, iter([_pick(x, 0 if isinstance(x, Tensor) else None, i) for x in kw_flat]))
            results.append(func(*picked, **named))  # type: ignore[misc, arg-type]
        return _join(results, out_dims)

    return call


def _spread(dims: object, tree: object, name: str) -> list:
    """One entry for each leaf: a number counts for a whole subtree."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(leaves(tree))
    if isinstance(tree, dict) and isinstance(dims, dict):
        return [d for k, v in tree.items() for d in _spread(dims[k], v, name)]
    if isinstance(tree, (tuple, list)) and isinstance(dims, (tuple, list)) and len(tree) == len(dims):
        return [d for t, v in zip(dims, tree) for d in _spread(t, v, name)]
    raise ValueError(f"vmap: {name} is not compatible with the structure of what it is for: got {name}={dims}")


def _batch_size(flat: list, dims: list) -> int:
    sizes = set()
    for x, d in zip(flat, dims):
        if d is None:
            continue
        if not isinstance(x, Tensor):
            raise ValueError(f"vmap: Got in_dim={d} for an input but the input is of type {type(x)}; use None for it")
        if not -x.ndim <= d < x.ndim:
            raise ValueError(f"vmap: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.ndim}")
        sizes.add(x.shape[d])
    if not sizes:
        raise ValueError("vmap: at least one input must have an in_dim that is not None")
    if len(sizes) > 1:
        raise ValueError(f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sorted(sizes)}")
    return sizes.pop()


def _pick(x: object, d: int | None, i: int) -> object:
    return x if d is None else x.select(d, i)  # type: ignore[attr-defined]


def _join(results: list, out_dims: object) -> object:
    first = results[0]
    dims = _spread(out_dims, first, "out_dims")
    columns = zip(*(leaves(r) for r in results))
    return rebuild(first, iter([_stack(column, d) for column, d in zip(columns, dims)]))


def _stack(column: tuple, d: int | None) -> object:
    if not isinstance(column[0], Tensor):
        raise ValueError(f"vmap: the function must only return Tensors, got type {type(column[0])}")
    return column[0] if d is None else stack(column, d)
