"""What a module saves and loads. Loading looks at everything first, says all that is wrong at once, and only then writes."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from ..autograd.hooks import RemovableHandle
from ..autograd.modes import no_grad
from ..tensor import Tensor, wrap
from . import unregistered
from .module_hooks import TABLES, Table, add
from .nearest import hints
from .parameter import Parameter, is_lazy

if TYPE_CHECKING:
    from .module import Module

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


def named(table: dict) -> Iterator[tuple[str, Any]]:
    """The entries of a table with their names; one whose key is no string is named by its place, as Sequential does."""
    for place, (key, value) in enumerate(table.items()):
        yield key if isinstance(key, str) else str(place), value


class _IncompatibleKeys(NamedTuple):
    """The keys that a state_dict lacked, and those that it had too many."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class _Errors(list):
    """The messages of a load that is under way, and what it will write if there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Callable[[], None]] = []
        self.may_fail = False  # whether code of the user's is among them


class Saved:
    """What a module has of saving and loading."""

    _version = 1
    _state_dict_hooks: Any = Table()
    _state_dict_pre_hooks: Any = Table()
    _load_state_dict_pre_hooks: Any = Table()
    _load_state_dict_post_hooks: Any = Table()
    _parameters: dict
    _buffers: dict
    _modules: dict
    _non_persistent_buffers_set: set
    _attributes_there: tuple[str, ...] = ()  # properties here that are attributes of PyTorch's module

    # ---- saving ------------------------------------------------------------------------------------------------------

    def _whole_state(self, state: dict) -> dict:
        """A whole module's state as files hold it: with all that PyTorch's module has in its ``__dict__``."""
        whole: dict[str, Any] = {name: OrderedDict() for name in TABLES}
        whole |= {"_is_full_backward_hook": None, **state}
        whole.pop("_hooked", None)
        return whole | {name: getattr(self, name) for name in self._attributes_there}

    def state_dict(self, *args: Any, destination: dict | None = None, prefix: str = "",
                   keep_vars: bool = False) -> dict[str, Any]:  # fmt: skip
        """All parameters and persistent buffers by their paths; the tensors share memory with the module's.

        >>> import kuai as torch
        >>> m = torch.nn.Module(); m.bias = torch.nn.Parameter(torch.zeros(1))
        >>> torch.nn.Sequential(m).state_dict()
        OrderedDict([('0.bias', tensor([0.]))])
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict for details.",
                FutureWarning,
                stacklevel=2,
            )
            given: Any = (*args, *(destination, prefix, keep_vars)[len(args) :])
            destination, prefix, keep_vars = given
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()  # type: ignore[attr-defined]
        return self._fill(destination, prefix, keep_vars)

    def _fill(self, destination: dict, prefix: str, keep_vars: bool) -> dict:
        unregistered.check(self)  # type: ignore[arg-type]
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in list(self.__dict__.get("_state_dict_pre_hooks", {}).values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in named(self._modules):
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in list(self.__dict__.get("_state_dict_hooks", {}).values()):
            new = hook(self, destination, prefix, local_metadata)
            destination = destination if new is None else new
        return destination

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        """Put this module's own tensors into the destination; for modules that save something else to override."""
        for name, tensor in self._persistent().items():
            destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()
        if type(self).get_extra_state is not Saved.get_extra_state:
            destination[f"{prefix}{_EXTRA_STATE_KEY_SUFFIX}"] = self.get_extra_state()

    def _persistent(self) -> dict[str, Any]:
        """This module's own parameters and persistent buffers."""
        kept = ((n, b) for n, b in self._buffers.items() if n not in self._non_persistent_buffers_set)
        return {name: tensor for name, tensor in chain(self._parameters.items(), kept) if tensor is not None}

    def get_extra_state(self) -> Any:
        """What the state_dict holds beside tensors; for modules that have such to define, with set_extra_state.

        >>> import kuai as torch
        >>> class Counted(torch.nn.Module): get_extra_state = lambda self: {"n": 3}
        >>> Counted().state_dict()
        OrderedDict([('_extra_state', {'n': 3})])
        """
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called: define get_extra_state in "
            f"{type(self).__name__}"
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave.

        >>> import kuai as torch
        >>> class Counted(torch.nn.Module): get_extra_state, set_extra_state = lambda self: 3, lambda self, state: print(state)
        >>> Counted().load_state_dict(Counted().state_dict())
        3
        <All keys matched successfully>
        """
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called: define set_extra_state in "
            f"{type(self).__name__}"
        )

    # ---- hooks -------------------------------------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the module is saved.

        >>> import kuai as torch
        >>> m = torch.nn.ReLU()
        >>> handle = m.register_state_dict_pre_hook(lambda module, prefix, keep_vars: print("saving"))
        >>> state = m.state_dict()
        saving
        """
        return add(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after the module is saved; it may change state_dict.

        >>> import kuai as torch
        >>> m = torch.nn.ReLU()
        >>> handle = m.register_state_dict_post_hook(lambda module, state, prefix, meta: state.update(note=1))
        >>> m.state_dict()
        OrderedDict([('note', 1)])
        """
        return add(self._state_dict_hooks, _InPlace(hook))

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """As register_state_dict_post_hook; what the hook returns takes the state_dict's place."""
        return add(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``
        before loading.

        >>> import kuai as torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> handle = layer.register_load_state_dict_pre_hook(lambda m, state, *rest: print(sorted(state)))
        >>> layer.load_state_dict(layer.state_dict())
        ['bias', 'weight']
        <All keys matched successfully>
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        return add(self._load_state_dict_pre_hooks, _LoadHook(hook, self if with_module else None))

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may change the lists of keys.

        >>> import kuai as torch
        >>> m = torch.nn.ReLU()
        >>> handle = m.register_load_state_dict_post_hook(lambda module, keys: keys.unexpected_keys.clear())
        >>> m.load_state_dict({"old": 1})
        <All keys matched successfully>
        """
        return add(self._load_state_dict_post_hooks, hook)

    # ---- loading -----------------------------------------------------------------------------------------------------

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> _IncompatibleKeys:
        """Copy a state_dict's values into the parameters and buffers, or (``assign``) make its tensors the module's.

        All keys and shapes are checked first. If any does not fit, nothing is written and one error names them all.

        >>> import kuai as torch
        >>> a, b = torch.nn.Module(), torch.nn.Module()
        >>> a.w, b.w = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.zeros(1))
        >>> b.load_state_dict(a.state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        load = _Load(self, strict, assign, getattr(state_dict, "_metadata", None) or {})
        given: Any = OrderedDict(state_dict)
        given._metadata = load.metadata
        load.visit(self, given, "")
        return load.finish(given)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, strict: bool, missing_keys: list[str],
                              unexpected_keys: list[str], error_msgs: list[str]) -> None:  # fmt: skip
        """Take this module's own tensors from the state_dict; for modules that read older versions to override.

        During `load_state_dict` what fits is written after everything has been checked.
        """
        for hook in list(self.__dict__.get("_load_state_dict_pre_hooks", {}).values()):
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        writes = error_msgs.writes if isinstance(error_msgs, _Errors) else []
        own = self._persistent()
        for name, tensor in own.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            write, problem = _fitting(self, name, tensor, state_dict[key], key, local_metadata)
            if problem:
                error_msgs.append(problem)
            else:
                writes.append(write)
        known = len(writes)
        self._load_extra_state(state_dict, prefix + _EXTRA_STATE_KEY_SUFFIX, strict, missing_keys, unexpected_keys, writes)
        if isinstance(error_msgs, _Errors):
            error_msgs.may_fail |= len(writes) > known
        if strict:
            unexpected_keys += _unexpected(state_dict, prefix, own, {n for n, _ in named(self._modules)})
        if not isinstance(error_msgs, _Errors):
            _run(writes)

    def _load_extra_state(self, state_dict: dict, key: str, strict: bool, missing: list, unexpected: list,
                          writes: list) -> None:  # fmt: skip
        if type(self).set_extra_state is not Saved.set_extra_state:
            if key in state_dict:
                writes.append(lambda: self.set_extra_state(state_dict[key]))
            elif strict:
                missing.append(key)
        elif strict and key in state_dict:
            unexpected.append(key)


class _InPlace:
    """A state_dict post-hook that changes the state_dict it is given, and returns nothing."""

    def __init__(self, hook: Callable):
        self.hook = hook

    def __call__(self, *args: object) -> None:
        if self.hook(*args) is not None:
            raise RuntimeError("state_dict post-hook must return None")


class _LoadHook:
    """A load_state_dict pre-hook, called with its module first if it asked for that. It can be copied and pickled."""

    def __init__(self, hook: Callable, module: object):
        self.hook, self.module = hook, module

    def __call__(self, *args: object) -> None:
        if self.module is None:
            self.hook(*args)
        else:
            self.hook(self.module, *args)


class _Load:
    """One call of load_state_dict: what it has found wrong, and what it will write."""

    def __init__(self, root: Any, strict: bool, assign: bool, metadata: Mapping):
        self.root, self.strict, self.assign, self.metadata = root, strict, assign, metadata
        self.keys = _IncompatibleKeys([], [])
        self.errors = _Errors()
        self.visited: list[Any] = []  # with load_state_dict post-hooks, the inner ones first
        self.waiting: list[str] = []  # unexpected keys, unless a set_extra_state makes the children that they are for

    def visit(self, module: Any, state_dict: dict, prefix: str) -> None:
        local_metadata = dict(self.metadata.get(prefix[:-1], {}))
        if self.assign:
            local_metadata["assign_to_params_buffers"] = True
        missing, unexpected = self.keys
        known, seen = len(unexpected), dict(named(module._modules))
        module._load_from_state_dict(state_dict, prefix, local_metadata, True, missing, unexpected, self.errors)
        if type(module).set_extra_state is not Saved.set_extra_state and prefix + _EXTRA_STATE_KEY_SUFFIX in state_dict:
            waiting = [key for key in unexpected[known:] if "." in key[len(prefix) :]]
            unexpected[known:] = [key for key in unexpected[known:] if key not in waiting]
            self.waiting += waiting
            self.errors.writes.append(lambda: self.visit_new(module, state_dict, prefix, seen, waiting))
        self.visit_children(module, seen, state_dict, prefix)
        if "_load_state_dict_post_hooks" in module.__dict__:
            self.visited.append(module)

    def visit_children(self, module: Any, children: Mapping, state_dict: dict, prefix: str) -> None:
        below = _by_child(state_dict, prefix)
        for name, child in children.items():
            if child is not None:
                self.visit(child, below.get(name, {}), f"{prefix}{name}.")

    def visit_new(self, module: Any, state_dict: dict, prefix: str, seen: Mapping, waiting: list[str]) -> None:
        """Load the children that a module's set_extra_state has made, which is known only when it has been called."""
        children = dict(named(module._modules))
        load = _Load(self.root, self.strict, self.assign, self.metadata)
        load.keys.unexpected_keys.extend(key for key in waiting if key[len(prefix) :].partition(".")[0] not in children)
        new = {name: child for name, child in children.items() if child is not seen.get(name)}
        load.visit_children(module, new, state_dict, prefix)
        for known, more in zip(self.keys, load.finish(state_dict)):
            known += more

    def finish(self, state_dict: Mapping) -> _IncompatibleKeys:
        """Write and call the post-hooks; but where it seems that this will fail, ask the hooks first: they may forgive."""
        doubtful = bool(self.errors) or (self.strict and any(self.keys))
        if doubtful:
            self.keys.unexpected_keys.extend(self.waiting)
            self._call_post_hooks()
            self._raise(state_dict)
        if self.errors.may_fail:
            _run_or_undo(self.errors.writes, self.root)
        else:
            _run(self.errors.writes)
        if not doubtful:
            self._call_post_hooks()
        return self.keys

    def _call_post_hooks(self) -> None:
        for module in self.visited:
            for hook in list(module._load_state_dict_post_hooks.values()):
                if hook(module, self.keys) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, "
                        "if incompatible_keys need to be modified, it should be done inplace."
                    )

    def _raise(self, state_dict: Mapping) -> None:
        missing, unexpected = self.keys if self.strict else ([], [])
        lines = [f"{what} key(s) in state_dict: {', '.join(map(_quoted, keys))}. "
                 for what, keys in (("Missing", missing), ("Unexpected", unexpected)) if keys]  # fmt: skip
        lines += self.errors
        if lines:
            lines += hints(self.root, state_dict, missing, unexpected)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self.root).__name__}:\n\t" + "\n\t".join(lines))


def _by_child(state_dict: Mapping, prefix: str) -> dict[str, dict]:
    """The entries below each child."""
    groups: dict[str, dict] = {}
    for key, value in state_dict.items():
        if key.startswith(prefix):
            name, dot, _ = key[len(prefix) :].partition(".")
            if dot:
                groups.setdefault(name, {})[key] = value
    return groups


def _quoted(key: str) -> str:
    return f'"{key}"'


def _run(writes: list[Callable[[], None]]) -> None:
    for write in writes:
        write()


def _has_extra_state(kind: type) -> bool:
    return kind.get_extra_state is not Saved.get_extra_state and kind.set_extra_state is not Saved.set_extra_state  # type: ignore


def _run_or_undo(writes: list[Callable[[], None]], module: Any) -> None:
    """As `_run`; what the module held before is put back if one of them raises."""
    tables = [(table, dict(table)) for m in module.modules() for table in (m._parameters, m._buffers, m._modules)]
    values = {t: t._read() for _, kept in tables for t in kept.values() if isinstance(t, Tensor) and not is_lazy(t)}
    extra = [(m, m.get_extra_state()) for m in module.modules() if _has_extra_state(type(m))]
    try:
        _run(writes)
    except BaseException:
        for table, kept in tables:
            table.clear()
            table.update(kept)
        with no_grad():
            for tensor, value in values.items():
                tensor.copy_(wrap(value))
        for m, state in extra:
            m.set_extra_state(state)
        raise


def _unexpected(state_dict: Mapping, prefix: str, own: dict, children: set[str]) -> list[str]:
    """Keys below a prefix that are neither this module's own nor below one of its children."""
    found = []
    for key in state_dict:
        if key.startswith(prefix) and key != prefix + _EXTRA_STATE_KEY_SUFFIX:
            name, _, deeper = key[len(prefix) :].partition(".")
            if name not in (children if deeper else own):
                found.append(key)
    return found


def _fitting(module: Any, name: str, old: Any, new: Any, key: str, local_metadata: dict) -> tuple[Callable[[], None], str]:
    """How to write a value that fits, or what is wrong with it."""
    if not isinstance(new, Tensor):
        return _nothing, (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint but '
            f"received {type(new)}"
        )
    if is_lazy(old):
        return lambda: _copy_to_lazy(old, new), ""
    if old.shape == () and new.shape == (1,):
        new = new[0]  # scalars were saved as vectors once
    if new.shape != old.shape:
        return _nothing, (
            f"size mismatch for {key}: copying a param with shape {new.shape} from checkpoint, the shape in current model is "
            f"{old.shape}."
        )
    if local_metadata.get("assign_to_params_buffers", False):
        return lambda: _assign(module, name, old, new), ""
    return lambda: _copy(old, new, key), ""


def _nothing() -> None:
    raise AssertionError("what does not fit is not written")


def _copy_to_lazy(old: Any, new: Any) -> None:
    with no_grad():
        if not is_lazy(new):
            old.materialize(new.shape)
            old.copy_(new)


def _copy(old: Any, new: Any, key: str) -> None:
    if old.device.type == "meta" and new.device.type != "meta":
        warnings.warn(
            f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, which "
            "is a no-op. (Did you mean to pass `assign=True` to assign items in the state dictionary to their corresponding "
            "key in the module instead of copying them in place?)",
            stacklevel=5,
        )
        return
    with no_grad():
        old.copy_(new)


def _assign(module: Module, name: str, old: Any, new: Any) -> None:
    if isinstance(old, Parameter):
        if isinstance(new, Parameter):
            new.requires_grad_(old.requires_grad)
        else:
            new = Parameter(new, requires_grad=old.requires_grad)
    setattr(module, name, new)
