"""Tensors among NumPy's arrays and functions, and among objects of others: what PyTorch gives, ours gives."""

import operator
import warnings

import numpy as np
import pytest

import kuai
from tests import oracle

torch = oracle.torch
ORDINARY = "add sub mul truediv pow matmul mod floordiv and_ or_ xor lshift lt gt le ge eq ne iadd isub imul itruediv ipow iand".split()


class Answers:
    """An object with reflected operators of its own."""

    def __getattr__(self, name):
        raise AttributeError(name)

    __eq__ = __lt__ = __gt__ = lambda self, other: "compared"
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = __rmod__ = __rand__ = lambda self, other: "reflected"
    __hash__ = object.__hash__


def outcome(call):
    """What a call gives, in words that do not depend on the library; or the class of its error."""
    with warnings.catch_warnings(action="ignore"):
        try:
            return repr(call()).replace(f"{kuai.__name__}.", "torch.")
        except (TypeError, ValueError, RuntimeError) as error:
            return "RuntimeError" if isinstance(error, RuntimeError) else type(error).__name__


@pytest.mark.parametrize("name", ORDINARY)
def test_operators(name):
    act = getattr(operator, name)
    others = [lambda: np.ones(3), lambda: np.arange(3), lambda: np.array(2.0), lambda: np.float32(2), lambda: np.float64(2), Answers,
              lambda: None, lambda: "a", lambda: [1, 2, 3]]  # fmt: skip
    for make in (lambda t: t.ones(3), lambda t: t.arange(1, 4), lambda t: t.tensor(2)):
        for other in others:
            pairs = [[outcome(lambda t=t: act(make(t), other())) for t in (kuai, torch)],
                     [outcome(lambda t=t: act(other(), make(t))) for t in (kuai, torch)]]  # fmt: skip
            for ours, theirs in pairs[: 1 if other is Answers else 2]:
                assert ours == theirs, other()


def test_functions_of_numpys():
    functions = [np.sin, np.cumsum, np.isnan, np.sqrt, np.abs, np.round, np.linalg.norm, np.modf, np.add.reduce, lambda x: np.add(x, 1),
                 lambda x: np.multiply(2.0, x), lambda x: np.clip(x, 0, 0.5), lambda x: np.maximum(x, np.zeros(3)),
                 lambda x: np.stack([x, x]), lambda x: np.float64(2) * x]  # fmt: skip
    for f in functions:
        ours, theirs = (outcome(lambda t=t, f=f: f(t.tensor([1.0, 2.0, 4.0]))) for t in (kuai, torch))
        assert ours == theirs


def test_memory_of_what_requires_grad_is_lent_where_nothing_is_recorded():
    for library in (kuai, torch):
        w = library.ones(2, requires_grad=True)
        for ask in (lambda w=w: w.numpy(), lambda w=w: np.asarray(w)):
            with pytest.raises(RuntimeError, match="requires grad"):
                ask()
            with library.no_grad():
                assert ask().tolist() == [1, 1]
        with library.no_grad():
            w.numpy()[0] = 7
        assert w.tolist() == [7, 1] and w.requires_grad
