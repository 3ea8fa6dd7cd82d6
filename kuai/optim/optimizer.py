"""What all optimizers share: groups of parameters, state, checkpoints and hooks."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import wraps
from typing import Any

from ..autograd.graph import LEAVES
from ..autograd.hooks import Hooks, RemovableHandle
from ..autograd.modes import enable_grad, set_grad_enabled
from ..engine.trace import flush
from ..tensor import Tensor
from .missing import warn_of_missing_gradients


class _Required:
    """Stands for a hyperparameter that has no default (``torch.optim.optimizer.required``)."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()
_GLOBAL = {"pre": Hooks(), "post": Hooks()}


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer."""
    return _register(_GLOBAL["pre"], hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer."""
    return _register(_GLOBAL["post"], hook)


def _register(table: Hooks, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _complete(step: Callable) -> Callable:
    """A subclass's ``step`` with what belongs to every step: hooks, and running what it recorded."""

    @wraps(step)
    def complete(self: Optimizer, *args: object, **kwargs: object) -> object:
        if self._step_pre_hooks or _GLOBAL["pre"]:
            (self, *args), kwargs = self._before_step((self, *args), kwargs)  # type: ignore[assignment, misc]
        out = step(self, *args, **kwargs)
        if self._step_post_hooks or _GLOBAL["post"]:
            for hook in (*self._step_post_hooks.values(), *_GLOBAL["post"].values()):
                hook(self, (self, *args), kwargs)
        flush()
        if not self._opt_called:
            self._opt_called = True
            warn_of_missing_gradients(self)
        return out

    complete._is_complete = True  # type: ignore[attr-defined]
    return complete


def evaluate(closure: Callable | None) -> object:
    """The loss that a closure computes, with gradients on."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


class Optimizer:
    """The base of all optimizers (``torch.optim.Optimizer``): a subclass gives ``defaults`` and a ``step``.

    >>> import kuai as torch
    >>> class Descent(torch.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     @torch.no_grad()
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p.sub_(p.grad * group["lr"])
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> w.grad = torch.tensor([2.0])
    >>> Descent([w], lr=0.25).step(); w
    tensor([0.5000], requires_grad=True)
    """

    _opt_called = False  # whether a step was made; schedules ask for it

    def __init_subclass__(cls, **kwargs: object):
        super().__init_subclass__(**kwargs)
        step = cls.__dict__.get("step")
        if callable(step) and not hasattr(step, "_is_complete"):
            cls.step = _complete(step)  # type: ignore[method-assign]

    # Of a subclass whose __init__ does not call this one's, until it makes them.
    _step_pre_hooks = _step_post_hooks = Hooks()

    def __init__(self, params: Iterable, defaults: dict):
        self.defaults = defaults
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict] = []
        self._make_hooks()
        if isinstance(params, Tensor):
            raise TypeError(
                f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got {params.type()}"
            )
        try:
            groups = list(params)
        except TypeError as error:
            name = type(self).__name__
            raise TypeError(f"{name}: params must be an iterable of Tensors or dicts, not {type(params).__name__}") from error
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hooks(self) -> None:
        self._step_pre_hooks, self._step_post_hooks = Hooks(), Hooks()
        self._save_pre_hooks, self._save_post_hooks = Hooks(), Hooks()
        self._load_pre_hooks, self._load_post_hooks = Hooks(), Hooks()

    def step(self, closure: Callable | None = None) -> object:
        """Update the parameters once; a subclass says how."""
        raise NotImplementedError(f"{type(self).__name__} has no step()")

    @staticmethod
    def _group_tensors_by_device_and_dtype(tensorlistlist: list[list], with_indices: bool = False) -> dict:
        """Parallel lists split by the device and dtype of the first list's tensors, with their places if asked for."""
        found: dict = {}
        for i, row in enumerate(zip(*tensorlistlist)):
            lists, places = found.setdefault((row[0].device, row[0].dtype), ([[] for _ in row], []))
            places.append(i)
            for into, entry in zip(lists, row):
                into.append(entry)
        return found if with_indices else {key: (lists, []) for key, (lists, _) in found.items()}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero (``torch.optim.Optimizer.zero_grad``)."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    p._grad = p._grad.detach()
                    p._grad.zero_()

    # ---- groups ------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict) -> None:
        """Optimize more parameters, with hyperparameters of their own (``torch.optim.Optimizer.add_param_group``)."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _normalize(param_group)
        for p in param_group["params"]:
            self._check_parameter(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        self._check_distinct(param_group)
        self.param_groups.append(param_group)

    def _check_parameter(self, p: object) -> None:
        if not isinstance(p, Tensor):
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
        leaf = p._node is None or type(p._node) in LEAVES or p._retains
        if not leaf and not self.defaults.get("differentiable"):
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_distinct(self, group: dict) -> None:
        own = set(map(id, group["params"]))
        if len(own) != len(group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=4,
            )
        for other in self.param_groups:
            if not own.isdisjoint(map(id, other["params"])):
                raise ValueError("some parameters appear in more than one parameter group")
            if ("param_names" in other) != ("param_names" in group):
                kind = "with" if "param_names" in group else "without"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {kind} names to the optimizer"
                )

    # ---- checkpoints ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict:
        """State and hyperparameters, with parameters as numbers (``torch.optim.Optimizer.state_dict``).

        >>> import kuai as torch
        >>> w = torch.zeros(2, requires_grad=True)
        >>> torch.optim.SGD([w], lr=0.1).state_dict()["param_groups"][0]["params"]
        [0]
        """
        for hook in self._save_pre_hooks.values():
            hook(self)
        places: dict[int, int] = {}
        for group in self.param_groups:
            for p in group["params"]:
                places.setdefault(id(p), len(places))
        state = {places[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        packed = {"state": state, "param_groups": [_packed(g, places) for g in self.param_groups]}
        for hook in self._save_post_hooks.values():
            changed = hook(self, packed)
            packed = packed if changed is None else changed
        return packed

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a `state_dict`: PyTorch's, or one of our own (``torch.optim.Optimizer.load_state_dict``)."""
        state_dict = state_dict.copy()
        for hook in self._load_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups = deepcopy(state_dict["param_groups"])
        self._check_groups(groups)
        state = self._unpacked(state_dict["state"], groups)
        adopted = [_adopted(mine, saved) for mine, saved in zip(self.param_groups, groups)]
        self.__setstate__({"state": state, "param_groups": adopted})
        for hook in self._load_post_hooks.values():
            hook(self)

    def _check_groups(self, saved: list[dict]) -> None:
        if len(saved) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, the optimizer has {len(self.param_groups)}"
            )
        for i, (mine, theirs) in enumerate(zip(self.param_groups, saved)):
            if len(mine["params"]) != len(theirs["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"group {i} has {len(theirs['params'])} parameters, the optimizer's {len(mine['params'])}"
                )

    def _unpacked(self, state: dict, groups: list[dict]) -> defaultdict:
        """Saved state by parameter, in the dtype and on the device of each."""
        places = [place for g in groups for place in g["params"]]
        owner = dict(zip(places, [(p, g) for g in self.param_groups for p in g["params"]]))
        out: defaultdict = defaultdict(dict)
        for key, value in state.items():
            if key in owner:
                p, group = owner[key]
                out[p] = _placed(value, p, group)
            else:
                out[key] = value
        return out

    def __getstate__(self) -> dict:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if "_step_pre_hooks" not in self.__dict__:
            self._make_hooks()
        for group in self.param_groups:
            for name, default in getattr(self, "defaults", {}).items():
                group.setdefault(name, default)

    # ---- hooks -----------------------------------------------------------------------------------------------------------

    def _before_step(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        for hook in (*_GLOBAL["pre"].values(), *self._step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is None:
                continue
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
            args, kwargs = changed
        return args, kwargs

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step, where args begins with the optimizer; it may return new
        ``(args, kwargs)``."""
        return _register(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return _register(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before `state_dict` gathers."""
        return _register(self._save_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on what `state_dict` gathered; it may return another one."""
        return _register(self._save_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before loading; it may return another one."""
        return _register(self._load_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after loading."""
        return _register(self._load_post_hooks, hook, prepend)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            lines = [f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params"]
            text += f"\nParameter Group {i}\n{''.join(lines)}"
        return text + ")"


def _normalize(group: dict) -> None:
    """Make a group's parameters a list, and put names given with them beside it."""
    params = group["params"]
    if isinstance(params, Tensor):
        params = [params]
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will "
            "change between runs. Please use a list instead."
        )
    group["params"] = params = list(params)
    named = [isinstance(p, tuple) for p in params]
    if any(named):
        if not all(named):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        group["param_names"] = [name for name, _ in params]
        group["params"] = [p for _, p in params]


def _packed(group: dict, places: dict[int, int]) -> dict:
    packed = {k: v for k, v in group.items() if k != "params"}
    packed["params"] = [places[id(p)] for p in group["params"]]
    return packed


def _adopted(mine: dict, saved: dict) -> dict:
    """A saved group with the parameters, and if it has none the names, of the optimizer's own."""
    saved["params"] = mine["params"]
    if "param_names" in mine and "param_names" not in saved:
        saved["param_names"] = mine["param_names"]
    return saved


def _placed(value: object, p: Tensor, group: dict, key: object = None) -> object:
    """A saved state in the form of its parameter; counts of steps stay float32 on the CPU."""
    if isinstance(value, Tensor):
        if key == "step":
            return value.to(p.device) if group.get("capturable") or group.get("fused") else value
        return value.to(device=p.device, dtype=p.dtype) if p.is_floating_point() else value.to(p.device)
    if isinstance(value, dict):
        return {k: _placed(v, p, group, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_placed(v, p, group) for v in value)
    return value


# ---- what optimizers of others import from here ----------------------------------------------------------------------

ParamsT = _params_t = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


def _use_grad_for_differentiable(step: Callable) -> Callable:
    """Run a step on the graph if the optimizer's default ``differentiable`` says so, and outside otherwise."""

    @wraps(step)
    def run(self: Optimizer, *args: object, **kwargs: object) -> object:
        with set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    return run


def _default_to_fused_or_foreach(params: Iterable[Tensor], differentiable: bool, use_fused: bool = False) -> tuple[bool, bool]:
    """Neither: a step over one tensor after the other is one program anyway."""
    return False, False


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """The types of devices for which PyTorch's optimizers allow ``capturable``."""
    return ["cuda", "xpu", "hpu", "privateuseone", *(["xla"] if supports_xla else [])]
