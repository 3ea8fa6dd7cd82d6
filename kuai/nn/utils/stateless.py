"""A module's call with other tensors in the place of its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...tensor import Tensor
from ..module import Module

Values = dict[str, Any]


def _members(module: Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def _with_ties(module: Module, given: Values) -> Values:
    """The given tensors, each under all names that its place has."""
    names_of: dict[int, list[str]] = {}
    for name, tensor in _members(module):
        names_of.setdefault(id(tensor), []).append(name)
    spread = dict(given)
    for names in names_of.values():
        chosen = [n for n in names if n in given]
        if not chosen or len(names) < 2:
            continue
        if any(given[n] is not given[chosen[0]] for n in chosen):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(chosen)}, which are tied. Consider using "
                "tie_weights=False"
            )
        spread.update((n, given[chosen[0]]) for n in names)
    return spread


def _check_names(module: Module, given: Values) -> None:
    own = {name for name, _ in _members(module)}
    lines = []
    for what, names in (("Unexpected", set(given) - own), ("Missing", own - set(given))):
        if names:
            lines.append(f"{what} key(s): {', '.join(map(repr, sorted(names)))}.")
    if lines:
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(lines))


def _place(module: Module, path: str) -> tuple[dict, str]:
    """The table and the name in it that a path leads to."""
    prefix, _, name = path.rpartition(".")
    owner: Any = module.get_submodule(prefix)
    for table in (owner._parameters, owner._buffers):
        if name in table:
            return table, name
    return owner.__dict__, name


_ABSENT = object()


@contextmanager
def _reparametrize_module(module: Module, parameters_and_buffers: Values, tie_weights: bool = False,
                          strict: bool = False) -> Iterator[None]:  # fmt: skip
    """Put tensors in the place of a module's own. What the module assigned to them meanwhile is left in the dictionary."""
    given = _with_ties(module, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    if strict:
        _check_names(module, given)
    for value in given.values():
        if not isinstance(value, Tensor):
            raise TypeError(f"{value!r} is not an instance of torch.Tensor")
    places = {path: _place(module, path) for path in given}
    before = {path: table.get(name, _ABSENT) for path, (table, name) in places.items()}
    try:
        for path, (table, name) in places.items():
            table[name] = given[path]
        yield
    finally:
        for path, (table, name) in places.items():
            if path in parameters_and_buffers and name in table:
                parameters_and_buffers[path] = table[name]
            if before[path] is _ABSENT:
                table.pop(name, None)
            else:
                table[name] = before[path]


def _functional_call(module: Module, parameters_and_buffers: Values, args: Any = None, kwargs: dict | None = None, *,
                     tie_weights: bool = True, strict: bool = False) -> Any:  # fmt: skip
    """Call a module with these tensors in the place of its parameters and buffers: the core of ``torch.func.functional_call``.

    >>> import kuai as torch
    >>> m = torch.nn.Linear(1, 1, bias=False)
    >>> torch.nn.utils.stateless._functional_call(m, {"weight": torch.tensor([[3.]])}, torch.ones(1))
    tensor([3.])
    """
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def functional_call(module: Module, parameters_and_buffers: Values, args: Any = None, kwargs: dict | None = None, *,
                    tie_weights: bool = True, strict: bool = False) -> Any:  # fmt: skip
    """The old place of ``torch.func.functional_call``."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future version of "
        "PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
