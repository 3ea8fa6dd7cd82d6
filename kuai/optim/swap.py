"""Lends an optimizer other parameters and another state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from ..tensor import Tensor
from .optimizer import Optimizer


@contextmanager
def swap_in_optimizer_params_and_state(optimizer: Optimizer, swapin_parameters: dict[str, Tensor],
                                       swapin_optim_state: dict) -> Iterator[None]:  # fmt: skip
    """Inside, the optimizer has these parameters and this state (``torch.optim.swap_in_optimizer_params_and_state``).

    What a step does to the tensors of the state stays in them; the optimizer's own are back at the end.

    >>> import kuai as torch
    >>> w, v = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    >>> optimizer = torch.optim.Adam([w], lr=0.5)
    >>> w.grad = v.grad = torch.ones(1); optimizer.step()
    >>> with torch.optim.swap_in_optimizer_params_and_state(optimizer, {"v": v}, optimizer.state_dict()):
    ...     optimizer.step()
    >>> round(w.item(), 3), round(v.item(), 3)
    (0.5, -0.5)
    """
    if not optimizer.state:
        raise RuntimeError("swap_in_optimizer_params_and_state requires initialized optimizer state.")
    groups = swapin_optim_state["param_groups"]
    _check(optimizer.param_groups, groups)
    own = optimizer.state, optimizer.param_groups
    given = iter(swapin_parameters.values())
    owners = {place: p for group in groups for place, p in zip(group["params"], given)}
    state = {owners.get(k, k): dict(v) for k, v in swapin_optim_state["state"].items()}
    optimizer.state = defaultdict(dict, state)
    optimizer.param_groups = [{**g, "params": [owners[place] for place in g["params"]]} for g in groups]
    try:
        yield
    finally:
        optimizer.state, optimizer.param_groups = own


def _check(live: list[dict], given: list[dict]) -> None:
    if len(live) != len(given):
        raise RuntimeError("swapin_optim_state has a different number of parameter groups than the live optimizer.")
    for i, (mine, theirs) in enumerate(zip(live, given)):
        if set(mine) != set(theirs):
            raise RuntimeError(
                f"swapin_optim_state's group {i} must have the keys of the live optimizer's. Keys only in swap-in: "
                f"{sorted(set(theirs) - set(mine))}. Keys only in live: {sorted(set(mine) - set(theirs))}."
            )
