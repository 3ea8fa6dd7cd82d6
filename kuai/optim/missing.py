"""Says which parameters an optimizer was given that the loss does not reach."""

from __future__ import annotations

import sys
import warnings

from ..tensor import Tensor


def warn_of_missing_gradients(optimizer: object) -> None:
    """Warn of parameters that want gradients and have none, while others have some."""
    pairs = [(i, n, p) for i, g in enumerate(optimizer.param_groups) for n, p in enumerate(g["params"])]  # type: ignore[attr-defined]
    missing = [(i, n, p) for i, n, p in pairs if p._grad is None and p._node is not None]
    if not missing or len(missing) == len(pairs):
        return
    names = _names(optimizer)
    told = [names.get(id(p)) or f"parameter {n} of group {i} with shape {list(p.shape)}" for i, n, p in missing]
    more = f" and {len(told) - 10} more" if len(told) > 10 else ""
    warnings.warn(
        f"{type(optimizer).__name__}.step(): no gradient has reached {', '.join(told[:10])}{more}, so they are not updated. "
        "If that is on purpose, leave them out of the optimizer or call .requires_grad_(False) on them.",
        stacklevel=4,
    )


def _names(optimizer: object) -> dict[int, str]:
    """Parameters' names: given to the optimizer, or the longest path from a module that is alive."""
    names: dict[int, str] = {}
    for group in optimizer.param_groups:  # type: ignore[attr-defined]
        names.update(zip(map(id, group["params"]), group.get("param_names", ())))
    return names or _names_in_modules()


def _names_in_modules() -> dict[int, str]:
    import gc

    nn = sys.modules.get("kuai.nn")
    names: dict[int, str] = {}
    for module in [m for m in gc.get_objects() if nn is not None and issubclass(type(m), nn.Module)]:
        for name, p in module.named_parameters(remove_duplicate=False):
            if isinstance(p, Tensor) and name.count(".") >= names.get(id(p), "").count("."):
                names[id(p)] = name
    return names
