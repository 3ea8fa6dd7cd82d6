"""Modules that learn the shapes of their parameters from the first input."""

from __future__ import annotations

from typing import Any

from .parameter import is_lazy


class LazyModuleMixin:
    """What makes a module lazy (``torch.nn.modules.lazy.LazyModuleMixin``).

    The module starts with uninitialized parameters. Its first call gives the input to ``initialize_parameters``, which
    materializes them; then the module becomes an instance of ``cls_to_become``.

    >>> import kuai as torch
    >>> net = torch.nn.LazyLinear(3)
    >>> net
    LazyLinear(in_features=0, out_features=3, bias=True)
    >>> y = net(torch.ones(2, 5)); net
    Linear(in_features=5, out_features=3, bias=True)
    """

    cls_to_become: type | None = None
    _parameters: dict
    _buffers: dict

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._initialize_hook = self.register_forward_pre_hook(_Infer(), with_kwargs=True)  # type: ignore[attr-defined]

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize the parameters as this input needs them; for lazy modules to define."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether some parameter or buffer has no shape yet."""
        return any(is_lazy(t) for table in (self._parameters, self._buffers) for t in table.values())

    def _infer_parameters(self, module: Any, args: tuple, kwargs: dict | None = None) -> None:
        """Before the first call: give the parameters their shapes, and become the class that is not lazy."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        del module._initialize_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


class _Infer:
    """The hook before the first call. It knows no module, so that copies of a module have it too."""

    def __call__(self, module: Any, args: tuple, kwargs: dict) -> None:
        module._infer_parameters(module, args, kwargs)
