"""Trading time for memory: forget what a function saved for backward, and compute it again then (``torch.utils.checkpoint``).

>>> import kuai as torch
>>> from kuai.utils.checkpoint import checkpoint
>>> x = torch.ones(2, requires_grad=True)
>>> checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False).sum().backward()
>>> x.grad
tensor([-2.4784, -2.4784])
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from enum import Enum
from typing import Any

from ..autograd.api import backward
from ..autograd.function import Function
from ..autograd.graph import Node, OpNode, next_number
from ..autograd.modes import enable_grad
from ..engine.trace import current
from ..random import get_rng_state
from ..random.seeding import fork_rng, set_rng_state
from ..tensor import Tensor


class CheckpointError(RuntimeError):
    """The function did something else when it ran again."""


def noop_context_fn() -> tuple:
    """Two contexts that do nothing, for the first run and the second."""
    return nullcontext(), nullcontext()


class set_checkpoint_debug_enabled:
    """Accepted: what differs in the second run is always said (``torch.utils.checkpoint.set_checkpoint_debug_enabled``).

    >>> from kuai.utils.checkpoint import set_checkpoint_debug_enabled
    >>> with set_checkpoint_debug_enabled(True): pass
    """

    def __init__(self, enabled: bool | None):
        """The switch is accepted."""

    def __enter__(self) -> None:
        """Nothing changes."""

    def __exit__(self, *error: object) -> None:
        """Nothing changes."""


class set_checkpoint_early_stop(set_checkpoint_debug_enabled):
    """Accepted: the second run goes to its end (``torch.utils.checkpoint.set_checkpoint_early_stop``).

    >>> from kuai.utils.checkpoint import set_checkpoint_early_stop
    >>> with set_checkpoint_early_stop(False): pass
    """

    def __init__(self, enable: bool):
        super().__init__(enable)


def detach_variable(inputs: tuple) -> tuple:
    """Tensors off the graph, each requiring what it required (``torch.utils.checkpoint.detach_variable``).

    >>> import kuai as torch
    >>> from kuai.utils.checkpoint import detach_variable
    >>> detach_variable((torch.ones(1, requires_grad=True), 2))
    (tensor([1.], requires_grad=True), 2)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs)  # type: ignore[attr-defined]


def check_backward_validity(inputs: Sequence) -> None:
    """Warn if no input requires a gradient (``torch.utils.checkpoint.check_backward_validity``).

    >>> import kuai as torch
    >>> from kuai.utils.checkpoint import check_backward_validity
    >>> check_backward_validity([torch.ones(1, requires_grad=True)])
    """
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):  # type: ignore[attr-defined]
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class DefaultDeviceType:
    """The accelerator that a checkpoint looks at where its inputs tell none (``torch.utils.checkpoint.DefaultDeviceType``).

    >>> from kuai.utils.checkpoint import DefaultDeviceType
    >>> DefaultDeviceType.get_device_type()
    'cuda'
    """

    _type = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Say another one."""
        DefaultDeviceType._type = device

    @staticmethod
    def get_device_type() -> str:
        """The one that was said."""
        return DefaultDeviceType._type


class CheckpointPolicy(Enum):
    """What a selective checkpoint does with an operation's result (``torch.utils.checkpoint.CheckpointPolicy``)."""

    MUST_SAVE, PREFER_SAVE, MUST_RECOMPUTE, PREFER_RECOMPUTE, MUST_CPU_OFFLOAD, PREFER_CPU_OFFLOAD = range(6)


def create_selective_checkpoint_contexts(policy_fn_or_list: object, allow_cache_entry_mutation: bool = False) -> tuple:
    """Contexts for a checkpoint that says what it keeps (``torch.utils.checkpoint.create_selective_checkpoint_contexts``).

    What is kept changes neither results nor gradients. Here a checkpoint keeps nothing and computes all again, so the policy, a
    function or a list of operators, is not asked. TypeError for anything else.

    >>> import kuai as torch
    >>> from functools import partial
    >>> from kuai.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
    >>> x = torch.ones(2, requires_grad=True)
    >>> keeping = partial(create_selective_checkpoint_contexts, [torch.ops.aten.mul.Tensor])
    >>> checkpoint(lambda t: (t * t).sum(), x, use_reentrant=False, context_fn=keeping).backward(); x.grad
    tensor([2., 2.])
    """
    if not callable(policy_fn_or_list) and not isinstance(policy_fn_or_list, list):
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    for op in policy_fn_or_list if isinstance(policy_fn_or_list, list) else ():
        if not hasattr(op, "_overloadname") and not hasattr(op, "_schema"):
            raise ValueError(f"Expected op in `op_list` to be an OpOverload but got: {op} of type {type(op)}.")
    return noop_context_fn()


class _Frame:
    """A call whose saved values were dropped, and that can run again to have them back."""

    def __init__(self, call: Callable, context: object, preserve_rng: bool):
        self.call, self.context = _Again(call, preserve_rng), context
        self.names: list[str] = []
        self.saved: list = []
        self.used = 0

    def drop(self, nodes: list[OpNode]) -> None:
        """Take the saved values away from the nodes of the first run."""
        self.names = [n.name() for n in nodes]
        for i, node in enumerate(nodes):
            if node.saved:
                node.saved = _Dropped(self, i)

    def recover(self, i: int) -> tuple:
        if not self.saved:
            self._run_again()
        saved = self.saved[i]
        return saved if type(saved) is tuple else saved.recover()  # of a checkpoint inside this one

    def _run_again(self) -> None:
        start = next_number()
        with self.context:  # type: ignore[attr-defined]
            out = self.call()
        nodes = _nodes_since(start, out)
        names = [n.name() for n in nodes]
        if names != self.names:
            raise CheckpointError(
                f"torch.utils.checkpoint: the function recorded {len(self.names)} operations when it ran first and "
                f"{len(names)} when it ran again for backward; it must do the same both times. {_difference(self.names, names)}"
            )
        self.saved = [n.saved for n in nodes]


def _difference(first: list[str], again: list[str]) -> str:
    i = next((i for i, (a, b) in enumerate(zip(first, again)) if a != b), min(len(first), len(again)))
    return f"They part at number {i}: {first[i : i + 1]} and then {again[i : i + 1]}"


class _Dropped:
    """In the place of a node's saved values."""

    def __init__(self, frame: _Frame, index: int):
        self.frame, self.index = frame, index

    def recover(self) -> tuple:
        """The saved values, computed again."""
        return self.frame.recover(self.index)


def _tensors(x: object) -> Iterator[Tensor]:
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, dict):
        for value in x.values():
            yield from _tensors(value)
    elif isinstance(x, (list, tuple)):
        for value in x:
            yield from _tensors(value)


def _nodes_since(start: int, out: object) -> list[OpNode]:
    """The ops' nodes made after a number, that lead to a result, in the order in which they were made."""
    stack: list[Node] = [t._node for t in _tensors(out) if t._node is not None]
    seen = set(stack)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge.number > start and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted((n for n in seen if isinstance(n, OpNode) and n.number > start), key=lambda n: n.number)


def get_device_states(*args: object) -> tuple[list[int], list[Tensor]]:
    """The accelerators that hold the arguments, and where their draws stand (``torch.utils.checkpoint.get_device_states``)."""
    indices = sorted({t.device.index or 0 for t in _tensors(args) if t.device.type == "cuda"})
    return indices, [get_rng_state() for _ in indices]


def set_device_states(devices: list[int], states: list[Tensor], *, device_type: str | None = None) -> None:
    """Draw on from where `get_device_states` found the accelerators (``torch.utils.checkpoint.set_device_states``)."""
    for state in states:
        set_rng_state(state)


def _warn_of_default() -> None:
    warnings.warn(
        "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. use_reentrant=False is recommended, but if "
        "you need to preserve the current default behavior, you can pass use_reentrant=True.",
        stacklevel=3,
    )


class CheckpointFunction(Function):
    """A checkpoint as a function whose backward runs it again, with a backward of its own (``use_reentrant=True``)."""

    @staticmethod
    def forward(ctx: Any, function: Callable, preserve: bool, *args: object) -> object:  # type: ignore[override]
        check_backward_validity(args)
        ctx.again = _Again(function, preserve)
        ctx.others = tuple(None if isinstance(a, Tensor) else a for a in args)
        ctx.save_for_backward(*(a if isinstance(a, Tensor) else None for a in args))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple:  # type: ignore[override]
        if current.backward[1] is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` parameter to "
                ".backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without passing "
                "the `inputs` argument."
            )
        given = detach_variable(tuple(o if s is None else s for s, o in zip(ctx.saved_tensors, ctx.others)))
        out = ctx.again(*given)
        results = out if isinstance(out, tuple) else (out,)
        pairs = [(r, g) for r, g in zip(results, cotangents) if isinstance(r, Tensor) and r._node is not None]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([r for r, _ in pairs], [g for _, g in pairs])
        return (None, None, *(x._grad if isinstance(x, Tensor) else None for x in given))


class _Again:
    """A function that runs a second time as it ran first: with the same draws and under the same autocast."""

    def __init__(self, function: Callable, preserve_rng: bool):
        self.function, self.autocast = function, current.autocast
        self.rng = get_rng_state() if preserve_rng else None

    def __call__(self, *args: object, **kwargs: object) -> object:
        before, current.autocast = current.autocast, self.autocast
        try:
            with ExitStack() as stack:
                stack.enter_context(enable_grad())
                if self.rng is not None:
                    stack.enter_context(fork_rng(devices=()))
                    set_rng_state(self.rng)
                return self.function(*args, **kwargs)
        finally:
            current.autocast = before


def checkpoint(function: Callable, *args: object, use_reentrant: bool | None = None, context_fn: Callable = noop_context_fn,
               determinism_check: str = "default", debug: bool = False, early_stop: bool = True,
               preserve_rng_state: bool = True, **kwargs: object) -> object:  # fmt: skip
    """Call a function without keeping what it saved for backward; it runs again then (``torch.utils.checkpoint.checkpoint``).

    With ``use_reentrant``, the older way, the first run is one under `no_grad`, only tensors that are arguments themselves get
    gradients, and `autograd.grad` is refused. ``debug`` and ``early_stop`` are accepted. CheckpointError if the second run does
    something else than the first.

    >>> import kuai as torch
    >>> from kuai.utils.checkpoint import checkpoint
    >>> x = torch.ones(2, requires_grad=True)
    >>> checkpoint(lambda t: (t * 3).exp().sum(), x, use_reentrant=False).backward(); x.grad / torch.exp(torch.tensor(3.))
    tensor([3., 3.])
    """
    if use_reentrant is None:
        _warn_of_default()
    if use_reentrant or use_reentrant is None:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    if not current.grad:
        return function(*args, **kwargs)
    first, again = context_fn()
    frame = _Frame(lambda: function(*args, **kwargs), again, preserve_rng_state)
    start = next_number()
    with first:
        out = function(*args, **kwargs)
    frame.drop(_nodes_since(start, out))
    return out


def checkpoint_sequential(functions: Callable | Sequence[Callable], segments: int, input: Tensor,
                          use_reentrant: bool | None = None, **kwargs: Any) -> object:  # fmt: skip
    """Call functions one after the other in checkpointed segments (``torch.utils.checkpoint.checkpoint_sequential``).

    >>> import kuai as torch
    >>> from kuai.utils.checkpoint import checkpoint_sequential
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten())
    >>> checkpoint_sequential(net, 2, torch.tensor([[-1., 2.]], requires_grad=True), use_reentrant=False)
    tensor([[0., 2.]], grad_fn=<ReluBackward0>)
    """
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)  # type: ignore[arg-type]
    if segments < 1 or segments > len(steps):
        raise ValueError(f"checkpoint_sequential: segments={segments} must be from 1 to the number of functions, {len(steps)}")
    size = len(steps) // segments

    def chain(part: list[Callable]) -> Callable:
        def run(x: object) -> object:
            for fn in part:
                x = fn(x)
            return x

        return run

    x: object = input
    for i in range(segments - 1):
        x = checkpoint(chain(steps[i * size : (i + 1) * size]), x, use_reentrant=use_reentrant, **kwargs)
    return chain(steps[(segments - 1) * size :])(x)
