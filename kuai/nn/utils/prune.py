"""Pruning: entries of a parameter that are held at zero by a mask (``torch.nn.utils.prune``).

A pruned parameter ``weight`` becomes ``weight_orig``, its mask a buffer ``weight_mask``; their product is computed before each call.

>>> import kuai as torch
>>> from kuai.nn.utils import prune
>>> layer = prune.l1_unstructured(torch.nn.Linear(4, 2), "weight", amount=3)
>>> sorted(layer.state_dict()), int((layer.weight == 0).sum())
(['bias', 'weight_mask', 'weight_orig'], 3)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any

import kuai

from ...tensor import Tensor
from ...wont import refusing
from ..module import Module
from .convert_parameters import parameters_to_vector


class BasePruningMethod:
    """What chooses the entries of a tensor to keep (``torch.nn.utils.prune.BasePruningMethod``).

    A subclass says its ``PRUNING_TYPE`` ("unstructured", "structured" or "global") and gives ``compute_mask(t, default_mask)``.

    >>> from kuai.nn.utils import prune
    >>> class Negative(prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         return default_mask * (t >= 0)
    >>> import kuai as torch
    >>> Negative().prune(torch.tensor([-1.0, 2.0]))
    tensor([-0., 2.])
    """

    PRUNING_TYPE: str
    _tensor_name: str | None = None

    def __call__(self, module: Module, inputs: object) -> None:
        assert self._tensor_name is not None
        setattr(module, self._tensor_name, self.apply_mask(module))

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Ones where entries are kept, given those that are kept already."""
        raise NotImplementedError(f"{type(self).__name__} needs a method compute_mask(t, default_mask)")

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter with its mask."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        mask, orig = getattr(module, self._tensor_name + "_mask"), getattr(module, self._tensor_name + "_orig")
        return mask.to(dtype=orig.dtype) * orig

    @classmethod
    def apply(cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None,
              **kwargs: Any) -> BasePruningMethod:  # fmt: skip
        """Prune a parameter, on top of earlier pruning; the method is a hook before each call of the module."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        orig = getattr(module, name)
        scores = _scores(importance_scores, orig, f"parameter {name} of {module}")
        before = _hook(module, name)
        kept = kuai.ones_like(orig) if before is None else getattr(module, name + "_mask").detach().clone()
        if before is not None:
            method = before.added(method)
        mask = method.compute_mask(scores, kept)
        if before is None:
            module.register_parameter(name + "_orig", orig)
            del module._parameters[name]
        else:
            _forget(module, before)
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def added(self, method: BasePruningMethod) -> PruningContainer:
        """This method and then another one."""
        found = PruningContainer(self)
        found.add_pruning_method(method)
        return found

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """A pruned tensor, by the importance of its entries (its own values unless given)."""
        kept = kuai.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(_scores(importance_scores, t, "tensor t"), kept)

    def remove(self, module: Module) -> None:
        """Make the pruning of the parameter permanent, and a parameter of what it was."""
        weight, name = self.apply_mask(module), self._tensor_name
        assert name is not None
        delattr(module, name)
        orig: Any = module._parameters.pop(name + "_orig")
        orig.data = weight.data
        del module._buffers[name + "_mask"]
        setattr(module, name, orig)


def _scores(given: Tensor | None, t: Tensor, what: str) -> Tensor:
    if given is not None and given.shape != t.shape:
        raise AssertionError(f"importance_scores should have the same shape as {what}, got {given.shape} vs {t.shape}")
    return t if given is None else given


def _hooks(module: Module) -> Iterator[tuple[Any, BasePruningMethod]]:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod):
            yield key, hook


def _hook(module: Module, name: str) -> BasePruningMethod | None:
    return next((hook for _, hook in _hooks(module) if hook._tensor_name == name), None)


def _forget(module: Module, method: BasePruningMethod) -> None:
    for key, hook in list(_hooks(module)):
        if hook is method:
            del module._forward_pre_hooks[key]


class PruningContainer(BasePruningMethod):
    """Pruning methods one after the other; each prunes what the ones before left (``torch.nn.utils.prune.PruningContainer``).

    >>> import kuai as torch
    >>> from kuai.nn.utils import prune
    >>> layer = torch.nn.Linear(4, 2)
    >>> for _ in range(2):
    ...     _ = prune.random_unstructured(layer, "weight", amount=2)
    >>> int((layer.weight_mask == 0).sum())
    4
    """

    def __init__(self, *args: BasePruningMethod):
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Prune by one more method, of the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer {self}. "
                f"Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def added(self, method: BasePruningMethod) -> PruningContainer:
        """The same container with one more method."""
        self.add_pruning_method(method)
        return self

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask after the last method, which sees only what is not pruned yet."""
        method, mask = self._pruning_methods[-1], default_mask.to(dtype=t.dtype).clone()
        left = _left(method, t, default_mask)
        mask[left] = method.compute_mask(t[left], default_mask[left]).to(dtype=mask.dtype)
        return mask


def _left(method: Any, t: Tensor, mask: Tensor) -> Any:
    """The part of a tensor that is not pruned yet: entries, channels, or all for a global method."""
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE == "global":
        return ...
    if method.PRUNING_TYPE != "structured":
        raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    if not hasattr(method, "dim"):
        raise AttributeError('Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.')
    dim = method.dim % t.ndim
    channels = mask.sum(dim=[d for d in range(t.ndim) if d != dim]) != 0
    return (*(slice(None),) * dim, channels)


# ---- how much ---------------------------------------------------------------------------------------------------------


class _Amount(BasePruningMethod):
    """Prunes a number of units, or a fraction of them."""

    def __init__(self, amount: float):
        if not isinstance(amount, Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or not isinstance(amount, Integral) and amount > 1:
            raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
        self.amount: float = amount

    def _number(self, units: int) -> int:
        counted = isinstance(self.amount, Integral)
        n = int(self.amount) if counted else round(self.amount * units)
        if counted and n > units:
            raise ValueError(f"amount={n} should be smaller than the number of parameters to prune={units}")
        return n


class Identity(BasePruningMethod):
    """Prunes nothing, and makes the mask (``torch.nn.utils.prune.Identity``).

    >>> import kuai as torch
    >>> torch.nn.utils.prune.Identity().prune(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask that is there."""
        return default_mask


class RandomUnstructured(_Amount):
    """Prunes entries by chance (``torch.nn.utils.prune.RandomUnstructured``).

    >>> import kuai as torch
    >>> int(torch.nn.utils.prune.RandomUnstructured(amount=2).prune(torch.ones(5)).sum())
    3
    """

    PRUNING_TYPE = "unstructured"

    def _order(self, t: Tensor) -> tuple[Tensor, bool]:
        """What entries are chosen by, and whether the largest are pruned."""
        return kuai.rand_like(t), True

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask without the chosen entries."""
        n, mask = self._number(t.numel()), default_mask.clone()
        if n:
            values, largest = self._order(t)
            mask.view(-1)[values.reshape(-1).topk(n, largest=largest)[1]] = 0
        return mask


class L1Unstructured(RandomUnstructured):
    """Prunes the entries nearest to zero (``torch.nn.utils.prune.L1Unstructured``).

    >>> import kuai as torch
    >>> torch.nn.utils.prune.L1Unstructured(amount=1).prune(torch.tensor([3.0, -1.0]))
    tensor([3., -0.])
    """

    def _order(self, t: Tensor) -> tuple[Tensor, bool]:
        return t.abs(), False


class _Structured(_Amount):
    """Prunes whole channels along a dimension."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1):
        super().__init__(amount)
        self.dim = dim

    def _kept(self, t: Tensor, pruned: int) -> Any:
        """The channels to keep."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask without the chosen channels."""
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                f"{t.shape} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        n = self._number(t.shape[self.dim])
        if n == 0:
            return default_mask
        mask = kuai.zeros_like(t)
        mask[(*(slice(None),) * (self.dim % t.ndim), self._kept(t, n))] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Structured):
    """Prunes channels by chance (``torch.nn.utils.prune.RandomStructured``).

    >>> import kuai as torch
    >>> int(torch.nn.utils.prune.RandomStructured(amount=1, dim=0).prune(torch.ones(3, 2)).sum())
    4
    """

    def _kept(self, t: Tensor, pruned: int) -> Any:
        chances = kuai.rand(t.shape[self.dim])
        return chances > chances.kthvalue(pruned)[0]


class LnStructured(_Structured):
    """Prunes the channels with the smallest n-norm (``torch.nn.utils.prune.LnStructured``).

    >>> import kuai as torch
    >>> torch.nn.utils.prune.LnStructured(amount=1, n=2, dim=0).prune(torch.tensor([[1.0, 1.0], [3.0, 0.0]]))
    tensor([[0., 0.],
            [3., 0.]])
    """

    def __init__(self, amount: float, n: Any, dim: int = -1):
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t: Tensor, pruned: int) -> Any:
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        return t.norm(p=self.n, dim=others).topk(t.shape[self.dim] - pruned)[1]  # type: ignore[attr-defined]


class CustomFromMask(BasePruningMethod):
    """Prunes by a mask that is given (``torch.nn.utils.prune.CustomFromMask``).

    >>> import kuai as torch
    >>> torch.nn.utils.prune.CustomFromMask(torch.tensor([1, 0])).prune(torch.tensor([1.0, 2.0]))
    tensor([1., 0.])
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask that is there times the one given."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}")
        return default_mask * self.mask.to(dtype=default_mask.dtype)


# ---- functions ---------------------------------------------------------------------------------------------------------


def identity(module: Module, name: str) -> Module:
    """Give a parameter a mask of ones (``torch.nn.utils.prune.identity``).

    >>> import kuai as torch
    >>> torch.nn.utils.prune.identity(torch.nn.Linear(1, 1), "weight").weight_mask
    tensor([[1.]])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune entries by chance: a number, or a fraction (``torch.nn.utils.prune.random_unstructured``).

    >>> import kuai as torch
    >>> int(torch.nn.utils.prune.random_unstructured(torch.nn.Linear(4, 2), "weight", amount=0.5).weight_mask.sum())
    4
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: float, importance_scores: Tensor | None = None) -> Module:
    """Prune the entries nearest to zero (``torch.nn.utils.prune.l1_unstructured``).

    >>> import kuai as torch
    >>> int(torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(4, 2), "weight", amount=3).weight_mask.sum())
    5
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune channels by chance (``torch.nn.utils.prune.random_structured``).

    >>> import kuai as torch
    >>> int(torch.nn.utils.prune.random_structured(torch.nn.Linear(4, 2), "weight", amount=1, dim=1).weight_mask.sum())
    6
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Module, name: str, amount: float, n: Any, dim: int,
                  importance_scores: Tensor | None = None) -> Module:  # fmt: skip
    """Prune the channels with the smallest n-norm (``torch.nn.utils.prune.ln_structured``).

    >>> import kuai as torch
    >>> int(torch.nn.utils.prune.ln_structured(torch.nn.Linear(4, 2), "weight", amount=1, n=2, dim=0).weight_mask.sum())
    4
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune by a mask (``torch.nn.utils.prune.custom_from_mask``).

    >>> import kuai as torch
    >>> torch.nn.utils.prune.custom_from_mask(torch.nn.Linear(2, 1), "weight", torch.tensor([[1, 0]])).weight_mask
    tensor([[1., 0.]])
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters: Iterable[tuple[Module, str]], pruning_method: type, importance_scores: Any = None,
                        **kwargs: Any) -> None:  # fmt: skip
    """Prune several parameters as if they were one (``torch.nn.utils.prune.global_unstructured``).

    >>> import kuai as torch
    >>> from kuai.nn.utils import prune
    >>> a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=3)
    >>> int(a.weight_mask.sum() + b.weight_mask.sum())
    5
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method {pruning_method} of type '
            f"{method.PRUNING_TYPE}"
        )
    places = list(parameters)
    found = [getattr(module, name) for module, name in places]
    masks = [getattr(module, name + "_mask", kuai.ones_like(p)) for (module, name), p in zip(places, found)]
    whole = parameters_to_vector([scores.get(place, p) for place, p in zip(places, found)])
    mask = PruningContainer(method).compute_mask(whole, parameters_to_vector(masks))
    for (module, name), p, part in zip(places, found, mask.split([p.numel() for p in found])):
        custom_from_mask(module, name, part.view_as(p))  # type: ignore[attr-defined]


def remove(module: Module, name: str) -> Module:
    """Make the pruning of a parameter permanent; ValueError if it is not pruned (``torch.nn.utils.prune.remove``).

    >>> import kuai as torch
    >>> from kuai.nn.utils import prune
    >>> layer = prune.remove(prune.l1_unstructured(torch.nn.Linear(4, 2), "weight", amount=3), "weight")
    >>> sorted(layer.state_dict()), int((layer.weight == 0).sum())
    (['bias', 'weight'], 3)
    """
    method = _hook(module, name)
    if method is None:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    method.remove(module)
    _forget(module, method)
    return module


def is_pruned(module: Module) -> bool:
    """Whether a module, or one within it, has a pruned parameter (``torch.nn.utils.prune.is_pruned``).

    >>> import kuai as torch
    >>> torch.nn.utils.prune.is_pruned(torch.nn.Linear(1, 1))
    False
    """
    return any(True for m in module.modules() for _ in _hooks(m))

__getattr__ = refusing(__name__)
