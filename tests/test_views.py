"""Random programs of views, in-place edits and reads do what they do in PyTorch: values, aliasing, strides, gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

import kuai
from tests import oracle

torch = oracle.torch

SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "phases": (Phase.generate,)}


@pytest.fixture(autouse=True)
def _numpy():
    before = kuai.config.engine
    kuai.set_engine("numpy")
    yield
    kuai.set_engine(before)


# ---- programs: a list of instructions (name, which tensor, arguments) ------------------------------------------------


def dims(draw, t):
    return draw(st.integers(-max(t.ndim, 1), max(t.ndim, 1) - 1))


def _slices(draw, t):
    index = []
    for n in t.shape:
        kind = draw(st.integers(0, 4))
        if kind == 0:
            index.append(draw(st.integers(-n, n - 1)) if n else slice(None))
        elif kind == 1:
            index.append(slice(draw(st.integers(0, n)), draw(st.integers(0, n)), draw(st.integers(1, 2))))
        elif kind == 2:
            index += [None, slice(None)]
        else:
            index.append(slice(None, None, draw(st.integers(1, 2))))
    return tuple(index[: draw(st.integers(1, 4))]) if len(index) > 1 else tuple(index)


def _factors(draw, t):
    """A shape with as many elements."""
    n, shape = t.numel(), []
    for f in (2, 3, 5):
        while n and n % f == 0:
            shape.append(f)
            n //= f
    shape += [1] * draw(st.integers(0, 1))
    shape = draw(st.permutations(shape)) if shape else []
    while len(shape) > 1 and draw(st.booleans()):
        shape[:2] = [shape[0] * shape[1]]
    return tuple(shape) if t.numel() else tuple(t.shape)


def _expansion(draw, t):
    shape = [draw(st.integers(1, 3)) if n == 1 else -1 for n in t.shape]
    return ([draw(st.integers(1, 2))] if draw(st.booleans()) else []) + shape


def _window(draw, t):
    if not t.ndim or min(t.shape) == 0:
        return None
    dim = dims(draw, t)
    size = draw(st.integers(1, t.shape[dim]))
    return dim, size, draw(st.integers(size, size + 1))


VIEWS = {
    "transpose": lambda draw, t: (dims(draw, t), dims(draw, t)),
    "permute": lambda draw, t: (tuple(draw(st.permutations(range(t.ndim)))),),
    "movedim": lambda draw, t: (dims(draw, t), dims(draw, t)),
    "unsqueeze": lambda draw, t: (draw(st.integers(-t.ndim - 1, t.ndim)),),
    "squeeze": lambda draw, t: (dims(draw, t),) if draw(st.booleans()) else (),
    "select": lambda draw, t: (dims(draw, t), draw(st.integers(-2, 1))),
    "narrow": lambda draw, t: (dims(draw, t), draw(st.integers(0, 2)), draw(st.integers(0, 2))),
    "flatten": lambda draw, t: (),
    "view": lambda draw, t: (_factors(draw, t),),
    "reshape": lambda draw, t: (_factors(draw, t),),
    "expand": lambda draw, t: (_expansion(draw, t),),
    "diagonal": lambda draw, t: (draw(st.integers(-1, 1)), dims(draw, t), dims(draw, t)),
    "unfold": _window,
    "__getitem__": lambda draw, t: (_slices(draw, t),),
    "detach": lambda draw, t: (),
    "contiguous": lambda draw, t: (),
    "chunk": lambda draw, t: (2, dims(draw, t)),
    "split": lambda draw, t: (2, dims(draw, t)),
    "unbind": lambda draw, t: (dims(draw, t),),
}
EDITS = {
    "add_": lambda draw, t: (float(draw(st.integers(-3, 3))),),
    "mul_": lambda draw, t: (2.0,),
    "fill_": lambda draw, t: (float(draw(st.integers(-3, 3))),),
    "zero_": lambda draw, t: (),
    "__setitem__": lambda draw, t: (_slices(draw, t), float(draw(st.integers(-9, 9)))),
    "unsqueeze_": VIEWS["unsqueeze"],
    "squeeze_": VIEWS["squeeze"],
    "transpose_": VIEWS["transpose"],
}
SEVERAL = ("chunk", "split", "unbind")


def apply(lib, pool: list, name: str, which: int, args: tuple) -> None:
    """Do one instruction in either library; what it makes joins the pool."""
    t = pool[which]
    if name == "copy_":
        t.copy_(pool[args[0]])
    elif name == "sum":
        pool.append((t * 2 + pool[args[0]]).clone(memory_format=lib.contiguous_format))
    elif name == "data":
        pool.append(t.data)
    else:
        made = getattr(t, name)(*args)
        pool += list(made)[:3] if name in SEVERAL else [made] if name in VIEWS else []


def instruction(draw, pool: list) -> tuple | None:
    which = draw(st.integers(0, len(pool) - 1))
    t, kind = pool[which], draw(st.integers(0, 9))
    if kind < 5:
        name = draw(st.sampled_from(sorted(VIEWS)))
        args = VIEWS[name](draw, t)
    elif kind < 8:
        name = draw(st.sampled_from(sorted(EDITS)))
        args = EDITS[name](draw, t)
    else:
        name = draw(st.sampled_from(["copy_", "sum", "data"]))
        args = (draw(st.integers(0, len(pool) - 1)),)
    return None if args is None else (name, which, args)


def overlaps(t) -> bool:
    """Whether elements share memory, as an expanded tensor's do; what is made of it may be written to in PyTorch alone."""
    return any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape))


def start(lib, shape: tuple, grad: bool) -> list:
    leaf = lib.arange(float(np.prod(shape)), dtype=lib.float64).reshape(shape).clone().requires_grad_(grad)
    return [leaf, leaf * 1]


def program(draw, length: int) -> tuple:
    """Draw a program, and do it in PyTorch: its instructions with the errors they raise, and the pool it leaves."""
    shape, grad = draw(st.sampled_from([(2, 3), (4,), (2, 1, 3), (2, 2, 2), (3, 4), (1, 6), ()])), draw(st.booleans())
    pool, done = start(torch, shape, grad), []
    for _ in range(length):
        step = instruction(draw, pool)
        if step is None or not _comparable(step, pool):
            continue
        done.append((*step, _error(lambda step=step: apply(torch, pool, *step))))
    return shape, grad, done, pool


def _comparable(step: tuple, pool: list) -> bool:
    """Not what the libraries differ in: edits of results of split with gradients, or of parts of an expanded tensor."""
    name, which, args = step
    if name in SEVERAL and pool[0].requires_grad or name == "copy_" and not _can_be_copied(pool[args[0]], pool[which]):
        return False
    if name in ("zero_", "fill_", "__setitem__") and overlaps(pool[which]):
        return False
    return not (name in EDITS or name == "copy_") or id(pool[which]) not in _made_of_overlaps(pool)


def _can_be_copied(source, target) -> bool:
    """Not within one memory, where PyTorch reads what it has written; nor do older views of what comes to require grad by it know of that in PyTorch."""
    apart = source.untyped_storage().data_ptr() != target.untyped_storage().data_ptr()
    return apart and source.requires_grad <= target.requires_grad


def _made_of_overlaps(pool: list) -> set:
    """Tensors whose memory some tensor of the pool reads twice."""
    shared = {t.untyped_storage().data_ptr() for t in pool if overlaps(t)}
    return {id(t) for t in pool if t.untyped_storage().data_ptr() in shared and not overlaps(t)}


def _error(call) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 (whatever it is, both have to raise it)
        return error
    return None


def replay(shape: tuple, grad: bool, steps: list) -> list:
    """Do a program in kuai, where every instruction has to end as in PyTorch."""
    pool = start(kuai, shape, grad)
    for name, which, args, expected in steps:
        note(f"{name} {which} {args} {expected}")
        given = _error(lambda name=name, which=which, args=args: apply(kuai, pool, name, which, args))
        said = f"{name}{args} on {which}: {given!r}, PyTorch {expected!r}"
        assert (given is None) == (expected is None), said
        assert expected is None or isinstance(given, type(expected)), said
    return pool


def agree(ours: list, theirs: list, strides: bool) -> None:
    assert len(ours) == len(theirs)
    for i, (a, b) in enumerate(zip(ours, theirs)):
        oracle.assert_same(a, b, f"tensor {i}")
        assert a.requires_grad == b.requires_grad, f"tensor {i}: requires_grad {a.requires_grad}"
        if strides and b.numel():
            assert a.stride() == b.stride(), f"tensor {i}: stride {a.stride()}, PyTorch {b.stride()}"
            assert a.storage_offset() == b.storage_offset(), f"tensor {i}: offset {a.storage_offset()}"
            assert a.is_contiguous() == b.is_contiguous(), f"tensor {i}: contiguous"


def total(lib, pool: list):
    """One number in which every tensor's elements have weights of their own."""
    parts = [(t * lib.arange(1.0, t.numel() + 1, dtype=lib.float64).reshape(t.shape)).sum() for t in pool if t.requires_grad]
    return sum(parts[1:], parts[0]) if parts else None


def check(draw, length: int) -> None:
    shape, grad, steps, theirs = program(draw, length)
    ours = replay(shape, grad, steps)
    agree(ours, theirs, strides=True)
    out = total(torch, theirs)
    if out is not None:
        out.backward()
        total(kuai, ours).backward()
        oracle.assert_same(ours[0].grad, theirs[0].grad, "gradient")


@settings(max_examples=300, **SETTINGS)
@given(st.data())
def test_programs_of_views_and_edits(data):
    check(data.draw, data.draw(st.integers(1, 14)))


@settings(max_examples=12, **SETTINGS)
@given(st.data())
def test_programs_compiled(data):
    kuai.set_engine("xla")
    check(data.draw, data.draw(st.integers(1, 8)))


# ---- writes to a tensor that shows its elements several times --------------------------------------------------------

WRITES = {
    "fill_": lambda lib, x: x.fill_(1), "zero_": lambda lib, x: x.zero_(), "fill_diagonal_": lambda lib, x: x.fill_diagonal_(1),
    "masked_fill_": lambda lib, x: x.masked_fill_(lib.tensor([[True, False], [False, False], [False, True]]), 1.0),
    "tril_": lambda lib, x: x.tril_(), "triu_": lambda lib, x: x.triu_(),
    "index_fill_": lambda lib, x: x.index_fill_(0, lib.tensor([2]), 1.0),
    "index_put_": lambda lib, x: x.index_put_((lib.tensor([1]),), lib.ones(2)),
    "a column": lambda lib, x: x.__setitem__((slice(None), 0), lib.tensor([1.0, 2.0, 3.0])),
    "a row": lambda lib, x: x.__setitem__(0, 1.0), "all": lambda lib, x: x.__setitem__(slice(None), 1.0),
    "a mask": lambda lib, x: x.__setitem__(lib.tensor([True, False, True]), 1.0),
    "add_": lambda lib, x: x.add_(1), "copy_": lambda lib, x: x.copy_(lib.ones(3, 2)), "relu_": lambda lib, x: x.relu_(),
    "clamp_": lambda lib, x: x.clamp_(0, 1), "cumsum_": lambda lib, x: x.cumsum_(0), "normal_": lambda lib, x: x.normal_(),
    "transposed": lambda lib, x: x.t().fill_(2.0),
}  # fmt: skip


def written(lib, write) -> object:
    """The memory behind an expanded tensor after a write, or the class of the error."""
    memory = lib.tensor([[5.0], [6.0], [7.0]])
    try:
        write(lib, memory.expand(3, 2))
    except Exception as e:  # noqa: BLE001
        return type(e)
    return memory.tolist()


@pytest.mark.filterwarnings("ignore:.* on expanded tensors is deprecated")
@pytest.mark.parametrize("name", WRITES)
def test_writes_to_an_expanded_tensor(name):
    assert written(kuai, WRITES[name]) == written(torch, WRITES[name])
