"""Random tensors. On the CPU a draw is made on the host when it is called, and enters the program as an input; on an
accelerator it is a function of a seed and a count, which are inputs too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import index as as_index
from typing import Any

import numpy as np

from .. import dtypes
from .. import random as chance
from ..autograd.function import constant_in
from ..devices import device, placement
from ..dtypes import dtype
from ..engine.program import Aval, Op
from ..engine.trace import concrete
from ..random import Generator
from ..random.seeding import accelerator_stream
from ..tensor import Tensor, from_array, wrap
from .complex_numbers import view_as_complex
from .conversion import assign
from .creation import asked, asked_dtype, available, listed_shape, require_grad
from .define import op
from .extent import elements
from .host import drawn, drawn_in_order
from .joining import stack


def _device_rule(op: Op, avals: Sequence, *, kind: str, shape: tuple, dtype: dtype, device: device) -> tuple:
    return Aval(shape, dtype, device), (dtypes.int64, dtypes.int64, dtypes.float64, dtypes.float64)


def _device_xla(xp, seed, count, a, b, *, kind, shape, dtype, device):
    key = xp.random.fold_in(xp.random.key(seed), count)
    work = np.float64 if dtype is dtypes.float64 else np.float32
    if kind == "normal":
        return xp.random.normal(key, shape, work) * b.astype(work) + a.astype(work)
    if kind == "randint":
        return xp.random.randint(key, shape, a.astype(np.int64), b.astype(np.int64), np.int64)
    if kind == "permutation":
        return xp.random.permutation(key, shape[0])
    unit = xp.random.uniform(key, shape, work)
    if kind == "uniform":
        return unit * (b - a).astype(work) + a.astype(work)
    if kind == "bernoulli":
        return unit < a.astype(work)
    if kind == "exponential":
        return -xp.log1p(-unit) / a.astype(work)
    if kind == "cauchy":
        return a.astype(work) + b.astype(work) * xp.tan(math.pi * (unit - 0.5))
    if kind == "geometric":
        return xp.ceil(xp.log1p(-unit) / xp.log1p(-a.astype(work)))
    raise NotImplementedError(f"{kind} is not drawn on accelerators; draw on the CPU and move the result with .to(device)")


@op(shape=_device_rule, vjp=None, xla=_device_xla, name="device_draw")
def _device_draw(xp, seed, count, a, b, *, kind, shape, dtype, device):
    raise AssertionError("draws on the CPU are made on the host")


def draw(kind: str, shape: tuple, d: dtype, where: device, generator: Generator | None = None, a: float = 0.0,
         b: float = 1.0, host: Callable | None = None) -> Tensor:  # fmt: skip
    """A tensor of draws: ``host(generator, n)`` gives the CPU's numbers, (kind, a, b) says the same to an accelerator."""
    if where.type == "meta":
        return wrap(concrete(None, Aval(shape, d, where)))

    def again(*front: int) -> Tensor:
        return draw(kind, (*front, *shape), d, where, generator, a, b, host)

    def batched(size: int) -> Tensor:
        return stack([again() for _ in range(size)]) if kind == "permutation" else again(size)

    sampled = drawn_in_order(again, batched)
    if sampled is not None:
        return sampled
    if where.type == "cpu":
        return from_array(host(generator, math.prod(shape)).reshape(shape), where)
    return _device_draw(*accelerator_stream.next(), float(a), float(b), kind=kind, shape=tuple(shape), dtype=d, device=where)


Draws = Callable[[tuple, bool], Tensor]  # given a shape, and whether PyTorch would fill contiguous memory


def memory_order(x: Tensor) -> list[int]:
    """The dimensions from the one with the longest stride to that with the shortest."""
    strides = x.stride()
    return sorted(range(x.ndim), key=lambda i: -strides[i])


def laid_out(like: Tensor, made: Draws, contiguous: bool) -> Tensor:
    """Draws of a tensor's shape, in the order of its memory."""
    if contiguous:
        return made(like.shape, True)
    order = memory_order(like)
    drawn = made(tuple(like.shape[i] for i in order), False)
    return drawn.permute([order.index(i) for i in range(like.ndim)])


def _options(d: object, where: object, out: Tensor | None) -> tuple[dtype, device]:
    found = asked_dtype(d, out)
    return found, available(placement(where))


def _done(made: Tensor, requires_grad: bool, out: Tensor | None) -> Tensor:
    if out is not None:
        return out._set_out(made)
    return require_grad(made) if requires_grad else made


def _uniform(shape: tuple, d: dtype, where: device, generator: Generator | None, lo: float = 0.0, hi: float = 1.0) -> Tensor:
    if d.category < 2:
        raise NotImplementedError(f'"check_uniform_bounds" not implemented for {d}: uniform draws need a floating-point dtype')
    if d.is_complex:
        parts = _uniform((*shape, 2), d.to_real(), where, generator, lo, hi)
        return view_as_complex(parts)
    return draw("uniform", shape, d, where, generator, lo, hi, lambda g, n: chance.streams.uniform(g, n, lo, hi, d.numpy))


def _normal(shape: tuple, d: dtype, where: device, generator: Generator | None, mean: float = 0.0, std: float = 1.0,
            contiguous: bool = True) -> Tensor:  # fmt: skip
    if d.category < 2 and 0 not in shape:
        raise NotImplementedError(f'"normal_kernel_cpu" not implemented for {d}: normal draws need a floating-point dtype')
    if d.is_complex:
        parts = _normal((*shape, 2), d.to_real(), where, generator, mean, std / math.sqrt(2), contiguous)
        return view_as_complex(parts)

    def host(g: Generator | None, n: int) -> np.ndarray:
        return chance.streams.normal(g, n, mean, std, d.numpy, contiguous)

    return draw("normal", shape, d, where, generator, mean, std, host)


def rand(*args, size=None, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
         pin_memory=False, names=None) -> Tensor:  # fmt: skip
    """Uniform draws from [0, 1) (``torch.rand``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return _done(_uniform(asked(args, size, "rand"), *_options(dtype, device, out), generator), requires_grad, out)


def randn(*args, size=None, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
          pin_memory=False, names=None) -> Tensor:  # fmt: skip
    """Standard normal draws (``torch.randn``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    return _done(_normal(asked(args, size, "randn"), *_options(dtype, device, out), generator), requires_grad, out)


def randint(*args, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
            pin_memory=False, low: int | None = None, high: int | None = None, size: Sequence[int] | None = None) -> Tensor:  # fmt: skip
    """Whole numbers from [low, high): ``randint(high, size)`` or ``randint(low, high, size)`` (``torch.randint``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.randint(10, (3,))
    tensor([4, 9, 3])
    """
    if len(args) + sum(x is not None for x in (low, high, size)) < 2:
        raise TypeError("randint() needs high and size, or low, high and size")
    given = list(args)
    if len(given) > 3 or high is None and len(given) + (size is not None) < 2:
        raise TypeError(f"randint() takes high and size, or low, high and size, got {len(given)} arguments by position")
    size = given.pop() if size is None else size
    high = given.pop() if high is None else high
    low = (given.pop() if given else 0) if low is None else low
    d, where = asked_dtype(dtype, out, dtypes.int64), available(placement(device))
    return _done(_integers(listed_shape(size, "randint"), _bound(low), _bound(high), d, where, generator), requires_grad, out)


def _bound(x: object) -> int:
    """A bound of whole numbers that are drawn; TypeError for a fraction."""
    if isinstance(x, Tensor) and x.shape:
        raise TypeError(f"randint: a bound must be an int or a tensor of no dimensions, got one of shape {list(x.shape)}")
    try:
        found = as_index(x.item() if isinstance(x, Tensor) else x)
    except TypeError:
        raise TypeError(f"randint: a bound must be an int, not {type(x).__name__}") from None
    if not -(1 << 63) <= found < 1 << 63:
        raise ValueError(f"randint: Overflow when unpacking long long: {found} has more than 64 bits")
    return found


def _integers(shape: tuple, low: int, high: int, d: dtype, where: device, generator: Generator | None) -> Tensor:
    def host(g: Generator | None, n: int) -> np.ndarray:
        return chance.streams.randint(g, n, low, high, d.numpy)

    return draw("randint", shape, d, where, generator, low, high, host)


def randperm(n: int, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
             pin_memory=False) -> Tensor:  # fmt: skip
    """The numbers below n in a random order (``torch.randperm``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.randperm(4)
    tensor([0, 1, 3, 2])
    """
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    d, where = asked_dtype(dtype, out, dtypes.int64), available(placement(device))
    made = draw("permutation", (n,), d, where, generator, host=lambda g, _: chance.streams.randperm(g, n, d.numpy))
    return _done(made, requires_grad, out)


def _like(input: Tensor, dtype: object, device: object, made: Callable[[tuple, dtype, device, bool], Tensor]) -> Tensor:
    """Draws for a new tensor in the layout of another: what is not dense in memory becomes row-major."""
    d = input.dtype if dtype is None else dtypes.as_dtype(dtype)
    where = input.device if device is None else available(placement(device))
    row_major = input.is_contiguous() or memory_order(input) == list(range(input.ndim))
    return laid_out(input, lambda shape, contiguous: made(shape, d, where, contiguous), row_major)


def rand_like(input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None) -> Tensor:
    """Uniform draws in another tensor's shape and dtype (``torch.rand_like``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.rand_like(torch.zeros(2))
    tensor([0.4963, 0.7682])
    """
    made = _like(input, dtype, device, lambda shape, d, where, _: _uniform(shape, d, where, generator))
    return _done(made, requires_grad, None)


def randn_like(input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None) -> Tensor:
    """Standard normal draws in another tensor's shape and dtype (``torch.randn_like``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.randn_like(torch.zeros(2))
    tensor([ 1.5410, -0.2934])
    """
    made = _like(input, dtype, device, lambda shape, d, where, c: _normal(shape, d, where, generator, contiguous=c))
    return _done(made, requires_grad, None)


def randint_like(input, *args, generator=None, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
                 low=0, high=None) -> Tensor:  # fmt: skip
    """Whole numbers in another tensor's shape and dtype (``torch.randint_like``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.randint_like(torch.zeros(3), 10)
    tensor([4., 9., 3.])
    """
    if len(args) > 2 or not args and high is None:
        raise TypeError(f"randint_like() takes high, or low and high, after the tensor, got {len(args)} bounds")
    first, last = map(_bound, (low, high) if high is not None else (0, *args) if len(args) == 1 else args)
    made = _like(input, dtype, device, lambda shape, d, where, _: _integers(shape, first, last, d, where, generator))
    return _done(made, requires_grad, None)


def normal(mean: Tensor | float, std: Tensor | float = 1.0, size: Sequence[int] | None = None, *, generator=None, out=None,
           dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:  # fmt: skip
    """Normal draws, each with its own mean and standard deviation (``torch.normal``).

    >>> import kuai as torch
    >>> torch.normal(torch.zeros(3), 0.5).shape
    torch.Size([3])
    """
    if size is not None:
        d, where = _options(dtype, device, out)
        return _done(_normal(listed_shape(size, "normal"), d, where, generator, float(mean), float(std)), requires_grad, out)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError("normal() missing 1 required positional argument: 'size', as neither mean nor std is a tensor")
    if isinstance(std, complex) or isinstance(std, Tensor) and std.is_complex():
        raise RuntimeError("normal expects standard deviation to be non-complex")
    least = elements(std) if isinstance(std, Tensor) else None
    if least is not None and (least < 0).any():
        raise RuntimeError("normal expects all elements of std >= 0.0")
    if not isinstance(std, Tensor) and std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    first = mean if isinstance(mean, Tensor) else std
    shape = (mean + std).shape
    drawn = _normal(shape, first.dtype, first.device, generator)
    return _done(constant_in((drawn * std + mean).detach(), "NormalBackward3", mean, std), False, out)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None) -> Tensor:
    """Ones with the probabilities that the input holds (``torch.bernoulli``).

    >>> import kuai as torch
    >>> torch.bernoulli(torch.tensor([0., 1.]))
    tensor([0., 1.])
    """
    if p is not None:
        return _chosen(input, float(p), generator)
    if input.dtype.category < 2:
        raise NotImplementedError(f"bernoulli: not implemented for probabilities of {input.dtype}, needs a floating-point dtype")
    if input.device.type != "cpu":
        made = (_uniform(input.shape, input.dtype, input.device, generator) < input).to(input.dtype)
    else:
        made = drawn(lambda p: chance.streams.bernoulli_each(generator, p).astype(p.dtype), input)
    made = constant_in(made, "BernoulliBackward0", input)
    return made if out is None else out._set_out(made.to(out.dtype))


def _chosen(like: Tensor, p: float, generator: Generator | None) -> Tensor:
    d = like.dtype
    return draw("bernoulli", like.shape, d, like.device, generator, p, 0.0,
                lambda g, n: chance.streams.bernoulli(g, n, p).astype(d.numpy))  # fmt: skip


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None,
                out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Indices drawn with the weights in the last dimension (``torch.multinomial``).

    >>> import kuai as torch
    >>> torch.multinomial(torch.tensor([0., 1., 0.]), 2, replacement=True)
    tensor([1, 1])
    """
    if input.dtype.category != 2:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {input.dtype}")
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out.dtype}")
    made = drawn(lambda weights: chance.streams.multinomial(generator, weights, num_samples, replacement), input)
    return made if out is None else out._set_out(made)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson draws with the rates that the input holds (``torch.poisson``).

    >>> import kuai as torch
    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])
    """
    if input.dtype.category != 2:
        raise NotImplementedError(f'"poisson_cpu" not implemented for {input.dtype}: rates need a floating-point dtype')

    def made(rates: np.ndarray) -> np.ndarray:
        if not (rates >= 0).all():
            raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
        return chance.streams.poisson(generator, rates)

    return constant_in(drawn(made, input), "PoissonBackward0", input)


# ---- into a tensor ---------------------------------------------------------------------------------------------------


def _into(self: Tensor, made: Draws, name: str) -> Tensor:
    """Fill a tensor in the order of its memory, as PyTorch does."""
    return assign(self, laid_out(self, made, self.is_contiguous()), name)


def _from(given: dict, value: Any, name: str) -> Any:
    """The lower bound, which PyTorch names by Python's keyword ``from``."""
    unknown = given.keys() - {"from"}
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument {unknown.pop()!r}")
    return given.get("from", value)


def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator=None, **given) -> Tensor:
    """Fill with uniform draws from [from, to) (``torch.Tensor.uniform_``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.empty(2).uniform_(-1, 1)
    tensor([-0.0075,  0.5364])
    """
    lo, d, where = _from(given, from_, "uniform_"), self.dtype, self.device
    return _into(self, lambda shape, _: _uniform(shape, d, where, generator, float(lo), float(to)), "uniform_")


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator=None) -> Tensor:
    """Fill with normal draws (``torch.Tensor.normal_``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.empty(2).normal_(0, 2)
    tensor([ 3.0820, -0.5869])
    """
    return _into(
        self, lambda shape, c: _normal(shape, self.dtype, self.device, generator, float(mean), float(std), c), "normal_"
    )


def random_(self: Tensor, *bounds: int | None, generator=None, **given) -> Tensor:
    """Fill with whole numbers from [from, to) (``torch.Tensor.random_``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.empty(3).random_(10)
    tensor([4., 9., 3.])
    """
    low, high = _whole_bounds(*bounds, **given)
    d, where = self.dtype, self.device
    top = (1 << 53 if d.itemsize == 8 else 1 << 24) if d.category > 1 else dtypes.iinfo(d).max if d.category else 2

    def made(shape: tuple, _: bool) -> Tensor:
        return draw("randint", shape, d, where, generator, low or 0, top if high is None else high,
                    lambda g, n: chance.streams.randint(g, n, low, high, d.numpy))  # fmt: skip

    return _into(self, made, "random_")


def _whole_bounds(*bounds: int | None, **given: Any) -> tuple[int | None, int | None]:
    """What ``random_()``, ``random_(to)`` and ``random_(from, to)`` mean; an end that is None is the dtype's."""
    found = dict(zip(("to",) if len(bounds) == 1 and not given else ("from", "to"), bounds))
    if len(bounds) > 2 or found.keys() & given.keys() or given.keys() - {"from", "to"}:
        raise TypeError(f"random_() takes (), (to) or (from, to), got {len(bounds)} numbers and {', '.join(given) or 'no names'}")
    found |= given
    return found.get("from", 0 if "to" in found else None), found.get("to")


def bernoulli_(self: Tensor, p: Tensor | float = 0.5, *, generator=None) -> Tensor:
    """Fill with ones of a given probability and zeros (``torch.Tensor.bernoulli_``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.empty(3).bernoulli_(0.5)
    tensor([0., 0., 1.])
    """
    if isinstance(p, Tensor):
        return assign(self, _each_chosen(self, p, generator).to(self.dtype), "bernoulli_")
    d, where = self.dtype, self.device
    if d.is_complex and self.numel():
        raise NotImplementedError(f'"bernoulli_scalar_cpu_" not implemented for {d}')

    def made(shape: tuple, _: bool) -> Tensor:
        return draw("bernoulli", shape, d, where, generator, p, 0.0,
                    lambda g, n: chance.streams.bernoulli(g, n, float(p)).astype(d.numpy))  # fmt: skip

    return _into(self, made, "bernoulli_")


def _each_chosen(self: Tensor, p: Tensor, generator: Generator | None) -> Tensor:
    """Yes or no for each element of p, drawn in the order of the memory of the tensor to be filled."""
    p, order = p.expand(self.shape), memory_order(self)
    return bernoulli(p.permute(order), generator=generator).permute([order.index(i) for i in range(self.ndim)])


def exponential_(self: Tensor, lambd: float = 1.0, *, generator=None) -> Tensor:
    """Fill with exponential draws (``torch.Tensor.exponential_``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.empty(2).exponential_()
    tensor([3.5083, 1.2304])
    """
    return _from_stream(self, "exponential", chance.streams.exponential, generator, float(lambd))


def geometric_(self: Tensor, p: float, *, generator=None) -> Tensor:
    """Fill with the numbers of trials until a success of probability p (``torch.Tensor.geometric_``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.empty(3).geometric_(0.1)
    tensor([1., 4., 8.])
    """
    return _from_stream(self, "geometric", chance.streams.geometric, generator, float(p))


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator=None) -> Tensor:
    """Fill with Cauchy draws (``torch.Tensor.cauchy_``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.empty(2).cauchy_()
    tensor([10.5977,  0.7648])
    """
    return _from_stream(self, "cauchy", chance.streams.cauchy, generator, float(median), float(sigma))


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator=None) -> Tensor:
    """Fill with draws whose logarithm is normal (``torch.Tensor.log_normal_``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.empty(2).log_normal_()
    tensor([59.2634,  1.5116])
    """
    if self.device.type not in ("cpu", "meta"):
        return assign(self, _normal(self.shape, self.dtype, self.device, generator, mean, std).exp(), "log_normal_")
    return _from_stream(self, "log_normal", chance.streams.log_normal, generator, float(mean), float(std))


def _from_stream(self: Tensor, kind: str, stream: Callable, generator: Generator | None, *numbers: float) -> Tensor:
    d, where = self.dtype, self.device
    a, b = (*numbers, 0.0)[:2]

    def made(shape: tuple, _: bool) -> Tensor:
        return draw(kind, shape, d, where, generator, a, b, lambda g, n: stream(g, n, *numbers, dtype=d.numpy))

    return _into(self, made, f"{kind}_")


METHODS = ("bernoulli", "multinomial", "uniform_", "normal_", "random_", "bernoulli_", "exponential_", "geometric_",
           "cauchy_", "log_normal_")  # fmt: skip
INPLACE = ()
