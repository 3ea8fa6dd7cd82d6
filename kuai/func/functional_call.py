"""Running a module with other parameters than its own."""

from __future__ import annotations

from collections.abc import Sequence

from ..tensor import Tensor


def functional_call(module, parameter_and_buffer_dicts: dict | Sequence[dict], args: object = None,
                    kwargs: dict | None = None, *, tie_weights: bool = True, strict: bool = False) -> object:  # fmt: skip
    """Call a module with the given tensors in the place of its own (``torch.func.functional_call``).

    >>> import kuai as torch
    >>> net = torch.nn.Linear(1, 1, bias=False)
    >>> torch.func.functional_call(net, {"weight": torch.tensor([[3.]])}, torch.tensor([2.]))
    tensor([6.])
    """
    from ..nn.utils.stateless import _functional_call as call

    given = parameter_and_buffer_dicts
    if not isinstance(given, (dict, list, tuple)):
        raise ValueError(f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(given)}")
    if not isinstance(given, dict):
        merged: dict[str, Tensor] = {}
        for one in given:
            for key in one:
                if key in merged:
                    raise ValueError(f"{key} appears in multiple dictionaries; behavior of functional call is ambiguous")
            merged |= one
        given = merged
    return call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of models of one kind, stacked (``torch.func.stack_module_state``)."""
    from ..ops.joining import stack

    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    if any(m.training is not models[0].training for m in models):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    params = {k: stack([dict(m.named_parameters())[k] for m in models]).detach() for k, _ in models[0].named_parameters()}
    for name, p in models[0].named_parameters():
        params[name].requires_grad_(p.requires_grad)
    buffers = {k: stack([dict(m.named_buffers())[k] for m in models]).detach() for k, _ in models[0].named_buffers()}
    return params, buffers
