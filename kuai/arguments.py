"""Public functions look at their arguments: what does not fit its annotation is a TypeError that names it, as PyTorch's parser says it.

A public name leads to a shell around the function. The shell looks at plain kinds (bool, int, float, str) before the call, at
the price of comparing types; whether tensors are tensors, and sequences sequences of these, it asks only when the call has failed.
Its text is written at the function's first call, as a recorder's is (`dispatch.py`), so that passing arguments on costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any, NamedTuple, cast

import numpy as np

from .devices import device
from .dtypes import dtype
from .engine.program import VARIADIC
from .layouts import layout
from .ops.along import NUMPYS
from .ops.geometry import memory_format
from .random import Generator
from .tensor import Tensor

PLACES = "kuai.ops.", "kuai.nn.", "kuai.sparse.", "kuai.methods", "kuai.protocol"  # whose functions get shells
VARIADIC_BY_NAME = 0x08  # inspect.CO_VARKEYWORDS

# What arguments of some names are where nothing is annotated; None: PyTorch does not look at them as its parser would.
CONVENTIONS = {
    "input": "Tensor", "generator": "Generator | None", "requires_grad": "bool | None", "pin_memory": "bool | None",
    "dtype": "dtype | type | None", "device": "device | str | int | None", "layout": "layout | None",
    "memory_format": "memory_format | None", "out": "Tensor | Sequence[Tensor] | None", "ceil_mode": "bool", "count_include_pad": "bool",
    "dim": "int | Sequence[int] | None", "s": "Sequence[int] | None", "groups": "int", "kernel_size": "int | Sequence[int]",
    "stride": "int | Sequence[int] | None", "padding": "int | Sequence[int] | str", "dilation": "int | Sequence[int]",
    "output_padding": "int | Sequence[int]", "divisor_override": "int | None", "alpha": "complex", "beta": "complex",
    **dict.fromkeys("reduction mode padding_mode compute_mode inplace return_indices antialias hard get_infos "
                    "need_weights embed_dim_to_check num_heads recompute_scale_factor add_zero_attn "
                    "use_separate_proj_weight average_attn_weights".split()),
}  # fmt: skip
# Arguments that have no value None, as it is in no form of the function; where the default is None a form leaves them out.
LEFT_OUT = {
    **dict.fromkeys("median nanmedian prod squeeze squeeze_copy squeeze_".split(), ("dim",)),
    **dict.fromkeys(("max", "min"), ("dim", "other")),
    **dict.fromkeys("var std var_mean std_mean".split(), ("unbiased",)),
    **dict.fromkeys("logsumexp fft2 ifft2 rfft2 irfft2 hfft2 ihfft2 matrix_norm".split(), ("dim",)),
    **dict.fromkeys("trapz trapezoid cumulative_trapezoid".split(), ("x",)),
    "eye": ("m",), "arange": ("start", "end"), "set_": ("source",), "to_sparse": ("sparse_dim",),
    "repeat_interleave": ("input", "repeats"),
}  # fmt: skip
# Arguments that PyTorch's parser takes as any number, and its kernels then as a real one.
SCALARS = frozenset(
    "softplus.threshold threshold.threshold threshold.value threshold_.threshold threshold_.value hardshrink.lambd softshrink.lambd "
    "rrelu.lower rrelu.upper constant_pad_nd.value multi_margin_loss.margin renorm.maxnorm _unsafe_masked_index.fill normalize.p "
    "gaussian_nll_loss.eps".split()
)
# Functions of torch's own namespace that PyTorch writes in Python.
PYTHONS = frozenset("norm split tensordot unravel_index max_pool3d".split())


# ---- kinds -----------------------------------------------------------------------------------------------------------


def _is_scalar(x: Any, category: int) -> bool:
    """Whether something is a tensor of one element that PyTorch reads as a number: 1 an integer, 2 a real one, 3 any."""
    return isinstance(x, Tensor) and not x.shape and x._node is None and x.dtype.category <= category


def _is_int(x: Any) -> bool:
    return hasattr(x, "__index__") and not isinstance(x, (bool, np.bool_, Tensor)) or _is_scalar(x, 1)


def _is_float(x: Any) -> bool:
    return isinstance(x, (float, int, np.floating, np.integer, np.bool_)) or _is_scalar(x, 2)


KINDS: dict[str, Callable[[Any], bool]] = {
    "None": lambda x: x is None,
    "Tensor": lambda x: isinstance(x, Tensor),
    "bool": lambda x: isinstance(x, bool),
    "int": _is_int,
    "float": _is_float,
    "complex": lambda x: isinstance(x, (complex, np.complexfloating)) or _is_float(x) or _is_scalar(x, 3),
    "str": lambda x: isinstance(x, str),
    "tuple": lambda x: isinstance(x, (tuple, list)),
    "type": lambda x: isinstance(x, type),
    **{c.__name__: (lambda x, c=c: isinstance(x, c)) for c in (dtype, device, layout, memory_format, Generator)},
}
# Their tests in the text of a shell, for the usual types.
USUAL = {
    "Tensor": "isinstance({0}, Tensor)",
    "None": "{0} is None",
    "bool": "{0} is True or {0} is False",
    "int": "type({0}) is int",
    "float": "type({0}) is float or type({0}) is int",
    "complex": "type({0}) is float or type({0}) is int or type({0}) is complex",
    "str": "type({0}) is str",
    "memory_format": "type({0}) is memory_format",
}  # fmt: skip
NOT_PLAIN = {"None", "Tensor"}  # of which alone nothing is tested before the call
_NUMBERS = frozenset(("int", "float", "complex"))
_SAID = {"complex": "Number"} | {n: f"torch.{n}" for n in ("dtype", "device", "layout", "memory_format")}
_SEQUENCE = re.compile(r"Sequence\[(.+)\]")
_OR = re.compile(r" \| (?![^[]*\])")  # outside of brackets


@cache
def _elements(word: str) -> tuple[str, ...]:
    """The kinds of a sequence's elements; none if it is no sequence."""
    found = _SEQUENCE.fullmatch(word)
    return tuple(found[1].split(" | ")) if found else ()


def _fits(words: tuple[str, ...], x: Any) -> bool:
    return any(isinstance(x, (tuple, list)) and all(_fits(_elements(w), y) for y in x) if _elements(w) else KINDS[w](x) for w in words)


def _said(words: tuple[str, ...]) -> str:
    return " or ".join(f"tuple of {_said(_elements(w))}s" if _elements(w) else _SAID.get(w, w) for w in words if w != "None")


@cache
def _words(annotation: str) -> tuple[str, ...]:
    """The kinds that an annotation allows; none if it has any that is not known."""
    words = tuple(_OR.split(annotation))
    return words if KINDS.keys() >= {e for w in words for e in _elements(w) or (w,)} else ()


# ---- arguments of a function -----------------------------------------------------------------------------------------


class _Form(NamedTuple):
    """How a function takes its arguments: what the text of its shell depends on."""

    names: tuple[str, ...]
    positional_only: int
    positional: int
    rest: str  # *args
    named: str  # **kwargs
    kinds: tuple[tuple[str, ...], ...]
    renames: bool  # some arguments may come by other names
    required: tuple[str, ...]  # then: what has no default
    left_out: tuple[str, ...]  # what is None only where it is not given


def _form(body: FunctionType) -> _Form:
    code = body.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names, more = code.co_varnames[:count], iter(code.co_varnames[count:])
    rest = next(more) if code.co_flags & VARIADIC else ""
    named = next(more) if code.co_flags & VARIADIC_BY_NAME else ""
    kinds = tuple(_kind(body, n) for n in names)
    if "dim" in names and _is_parsed(body):
        body.also = {o: n for o, n in NUMPYS.items() if n in names} | getattr(body, "also", {})  # type: ignore[attr-defined]
    renames = bool(getattr(body, "also", None))
    required = names[: code.co_argcount - len(body.__defaults__ or ())] if renames and not named else ()
    left_out = tuple(n for n in LEFT_OUT.get(body.__name__, ()) if n in names)
    return _Form(names, code.co_posonlyargcount, code.co_argcount, rest, named, kinds, renames, required, left_out)


def _is_parsed(fn: FunctionType) -> bool:
    """Whether PyTorch's own parser takes a function's arguments, which knows NumPy's names for them too."""
    return fn.__module__.startswith("kuai.ops.") and (fn.__name__ not in PYTHONS or fn.__module__ == "kuai.ops.linalg")


def _kind(fn: FunctionType, name: str) -> tuple[str, ...]:
    annotation = fn.__annotations__.get(name, "object")
    if name in CONVENTIONS and (annotation in ("object", "bool") or CONVENTIONS[name] is None):
        annotation = CONVENTIONS[name] or "object"
    return _words(annotation) if isinstance(annotation, str) else ()


def _inner(fn: Any) -> FunctionType:
    """The function that a decorated one calls, which says what the arguments are."""
    while hasattr(fn, "__wrapped__"):
        fn = fn.__wrapped__
    return fn


def _given(case: _Case, fixed: tuple, rest: tuple, named: dict) -> Iterator[tuple]:
    """The arguments as they were given: name, place (None: by its name), kinds and value of each."""
    form = case.form
    yield from ((n, i if i < form.positional else None, k, x) for i, (n, k, x) in enumerate(zip(form.names, form.kinds, fixed)))
    inner = _inner(case.body)
    names = inner.__code__.co_varnames[: inner.__code__.co_argcount]
    yield from ((n, i, _kind(inner, n), x) for i, (n, x) in enumerate(zip(names[form.positional :], rest), form.positional))
    yield from ((n, None, _kind(inner, n), x) for n, x in named.items())
    each = _kind(case.body, form.rest)
    if not (each and len(rest) == 1 and isinstance(rest[0], (tuple, list))):  # one by one, or as one sequence
        yield from ((form.rest, i, each, x) for i, x in enumerate(rest, form.positional))
    else:
        yield from ((form.rest, form.positional, each, x) for x in rest[0])


class _Case:
    """A function behind a shell, and how it takes its arguments once that is asked."""

    __slots__ = ("body", "method", "shell", "form")
    shell: Any
    form: _Form

    def __init__(self, body: FunctionType, method: bool):
        self.body, self.method = body, method


def blame(case: _Case, fixed: tuple, rest: tuple = (), named: dict | None = None) -> None:
    """TypeError for the first argument that is not of its kind."""
    for name, place, words, value in _given(case, fixed, rest, named or {}):
        if words and not _fits(words, value):
            if isinstance(value, complex) and f"{case.body.__name__}.{name}" in SCALARS:
                raise RuntimeError(f"{case.body.__name__}(): '{name}': value cannot be converted to a real number without overflow")
            at = "" if place is None else f" (position {place + 1 - case.method})"
            message = f"{case.body.__name__}(): argument '{name}'{at} must be {_said(words)}, not {_found(words, value)}"
            raise _class(case, words)(message) from None


def unusual(case: _Case, fixed: tuple, rest: tuple, named: dict) -> tuple:
    """The arguments after a closer look, as some are not of the usual types: TypeError, or as the function takes them."""
    blame(case, fixed, rest, named)
    return plain_numbers(case, fixed) or fixed


def plain_numbers(case: _Case, values: tuple) -> tuple | None:
    """The arguments, with Python's numbers for NumPy's, and for tensors in the place of ints; None if that changes nothing."""
    made = tuple([_plain_number(k, x) for k, x in zip(case.form.kinds, values)])
    return None if all(a is b for a, b in zip(made, values)) else made


def _plain_number(words: tuple[str, ...], x: Any) -> Any:
    if isinstance(x, np.number) and not _NUMBERS.isdisjoint(words):
        return x.item()
    if isinstance(x, Tensor):
        return int(x) if "int" in words and "Tensor" not in words and not x.shape and x.dtype.category <= 1 else x
    if type(x) in (list, tuple):
        elements = next(filter(None, map(_elements, words)), ())
        made = [_plain_number(elements, y) for y in x]
        return type(x)(made) if any(a is not b for a, b in zip(made, x)) else x
    return x


class NotATensor(TypeError, AttributeError):
    """Something else in place of a tensor, where PyTorch's function is written in Python and meets a missing attribute."""


def _class(case: _Case, words: tuple[str, ...]) -> type[Exception]:
    python = case.shell.__module__ == "kuai.nn.functional" or case.body.__name__ in PYTHONS
    return NotATensor if python and "Tensor" in words else TypeError


def _found(words: tuple[str, ...], value: Any) -> str:
    """What was given: its type, and for a sequence that of the first element that does not fit."""
    elements = next(filter(None, map(_elements, words)), ())
    if elements and isinstance(value, (tuple, list)):
        i, wrong = next((i, x) for i, x in enumerate(value) if not _fits(elements, x))
        return f"{type(value).__name__} with {type(wrong).__name__} at position {i}"
    return type(value).__name__


# ---- shells ----------------------------------------------------------------------------------------------------------

_SHELL = """
def bind(body, case):
  def shell({head}):
    {others}
    {left_out}
    {tests}
    try:
        return body({call})
    except Exception:
        blame(case, {given})
        if (again := plain_numbers(case, ({values}))) is None: raise
    {values}= again
    return body({call})
  return shell
"""


@cache
def _code(form: _Form) -> CodeType:
    """The code of the shells of one form."""
    given = "({}), {}, {}".format("".join(f"{n}, " for n in form.names), form.rest or "()", form.named or "{}")
    tests = [" or ".join(USUAL[w].format(n) for w in k) for n, k in zip(form.names, form.kinds) if USUAL.keys() >= {*k} > {*k} & NOT_PLAIN]
    absent = "".join(f" or {n} is ABSENT" for n in form.required)
    values = "".join(f"{n}, " for n in form.names)
    text = _SHELL.format(
        head=", ".join(_parameters(form)),
        others="" if not form.renames else f"if {form.named}: {form.named} = by_own_names(case, {form.named})" if form.named else
               f"if others{absent}: return renamed(case, {given.replace('{}', 'others')})",
        left_out="; ".join(f"{n} = unless_left_out(case, {n!r}, {n})" for n in form.left_out),
        tests=f"if not ({' and '.join(f'({t})' for t in tests)}): {values}= unusual(case, {given})" if tests else "",
        values=values or "()",
        call=", ".join(_passed(form)),
        given=given,
    )
    code = compile(text, "<arguments>", "exec")
    for _ in ("bind", "shell"):
        code = next(c for c in code.co_consts if isinstance(c, CodeType))
    return code


def _parameters(form: _Form) -> Iterator[str]:
    for i, name in enumerate(form.names):
        if i == form.positional_only > 0:
            yield "/"
        if i == form.positional:
            yield f"*{form.rest}"
        yield name
    if form.positional_only == len(form.names) > 0:
        yield "/"
    if form.rest and form.positional == len(form.names):
        yield f"*{form.rest}"
    if form.named or form.renames:
        yield f"**{form.named or 'others'}"


def _passed(form: _Form) -> Iterator[str]:
    yield from form.names[: form.positional]
    if form.rest:
        yield f"*{form.rest}"
    yield from (f"{n}={n}" for n in form.names[form.positional :])
    if form.named:
        yield f"**{form.named}"


ABSENT: Any = object()


def unless_left_out(case: _Case, name: str, value: object) -> object:
    """An argument that may be left out: None if it was and has no default, and refused if it is None itself."""
    if value is None:
        wanted = _said(_kind(case.body, name)) or "given"
        raise TypeError(f"{case.body.__name__}(): argument '{name}' must be {wanted} or left out, not None")
    return None if value is ABSENT else value


def by_own_names(case: _Case, others: dict) -> dict:
    return {case.body.also.get(n, n): x for n, x in others.items()}  # type: ignore[attr-defined]


def renamed(case: _Case, fixed: tuple, rest: tuple, others: dict) -> object:
    """The call again with arguments under their own names, where some came by another one; Python says what is missing or unknown."""
    given = {n: x for n, x in zip(case.form.names, fixed) if x is not ABSENT}
    given |= by_own_names(case, others)
    complete = given.keys() >= {*case.form.required} and {*case.form.names} >= given.keys()
    return (case.shell if complete else case.body)(*rest, **given)


_shells: dict[tuple[FunctionType, bool], FunctionType] = {}


def checked(body: Any, method: bool = False) -> FunctionType:
    """The shell around a function, the same one each time, or the function itself if it looks at its arguments as recorders do.

    ``method``: its first argument has no position.
    """
    found = body if hasattr(body, "op") else _shells.get((body, method))
    if found is None:
        case = _Case(body, method)

        def shell(*args: object, **kwargs: object) -> object:
            return _begin(case, body)(*args, **kwargs)

        case.shell = found = cast(FunctionType, _named_as(shell, body))
        _shells[body, method] = _shells[found, method] = found
    return found


def _named_as(shell: Any, body: FunctionType) -> Any:
    """What `functools.update_wrapper` does, but for the annotations: to read those of a thousand functions takes milliseconds."""
    shell.__module__, shell.__name__, shell.__qualname__, shell.__doc__ = body.__module__, body.__name__, body.__qualname__, body.__doc__
    shell.__dict__ |= body.__dict__
    shell.__wrapped__ = body
    return shell


def _begin(case: _Case, body: FunctionType) -> FunctionType:
    """Give a shell its code, at its first call."""
    shell, case.form = case.shell, _form(body)
    shell.__defaults__ = (ABSENT,) * len(case.form.required) + tuple(_defaults(case.form, body))
    shell.__kwdefaults__ = body.__kwdefaults__ and {n: ABSENT if n in case.form.left_out else x for n, x in body.__kwdefaults__.items()}
    shell.__annotations__ = body.__annotations__
    shell.__code__ = _code(case.form).replace(co_name=body.__name__)
    return shell


def _defaults(form: _Form, body: FunctionType) -> Iterator[object]:
    values = body.__defaults__ or ()
    names = form.names[form.positional - len(values) : form.positional]
    yield from (ABSENT if n in form.left_out and x is None else x for n, x in zip(names, values))


def check(namespace: dict[str, Any]) -> None:
    """Put shells around the public functions of a module; pickle finds them by their names there."""
    for name, value in list(namespace.items()):
        if type(value) is FunctionType and name[0] != "_" and _needed(value):
            namespace[name] = _public(value, namespace["__name__"], name)


def _public(fn: FunctionType, place: str, name: str) -> FunctionType:
    shell = checked(fn)
    if shell.__module__ == fn.__module__:
        shell.__module__, shell.__qualname__ = place, name
    return shell


def check_methods(cls: type) -> None:
    """Put shells around the methods of Tensor."""
    for name, value in list(vars(cls).items()):
        if type(value) is FunctionType and name[0] != "_" and _needed(value):
            shell = checked(value, method=True)
            shell.__module__, shell.__qualname__ = cls.__module__, f"{cls.__name__}.{name}"
            setattr(cls, name, shell)


def _needed(fn: FunctionType) -> bool:
    """Whether a function is of the families or the layers; those of modes, seeds and the like are left alone."""
    return fn.__module__.startswith(PLACES) and not hasattr(fn, "op")


def late(found: object, place: str = "kuai") -> object:
    """A function that was just imported into a public module, in its shell."""
    if type(found) is not FunctionType:
        return found
    return _public(found, place, found.__name__) if _needed(found) else found
