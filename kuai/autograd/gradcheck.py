"""Derivatives against finite differences: `gradcheck` and `gradgradcheck`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..devices import cpu
from ..tensor import Tensor, from_array
from . import jacobians
from .api import grad
from .function import Function
from .jacobians import as_tuple


class GradcheckError(RuntimeError):
    """A derivative differs from what finite differences give (``torch.autograd.gradcheck.GradcheckError``)."""


class _Asked(NamedTuple):
    """What a check is asked for."""

    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    undefined: bool
    dtypes: bool
    batched: bool
    forward: bool
    backward: bool
    fast: bool


def gradcheck(func: Callable, inputs: object, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
              raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
              check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
              check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
              masked: bool | None = None) -> bool:  # fmt: skip
    """Whether backward of ``func`` agrees with finite differences at ``inputs`` (``torch.autograd.gradcheck``).

    Inputs that require gradients should be float64 or complex128; they are moved in place, and moved back. Of complex results
    the real and the imaginary parts are checked apart. With ``fast_mode``, one random direction is checked instead of all.
    Batches of tangents run one by one here, so that ``check_batched_forward_grad`` has nothing of its own to check.
    Raises GradcheckError, unless raise_exception is false; ValueError if no input requires grad.

    >>> import kuai as torch
    >>> x = torch.tensor([0.5, 2.], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.exp, x)
    True
    """
    _need(check_forward_ad or check_backward_ad, "at least one of check_forward_ad or check_backward_ad to be True")
    _need(check_backward_ad or not check_batched_grad, "check_backward_ad to be True with check_batched_grad=True")
    _need(check_forward_ad or not check_batched_forward_grad, "check_forward_ad to be True with check_batched_forward_grad=True")
    asked = _Asked(eps, atol, rtol, nondet_tol, check_undefined_grad, check_grad_dtypes, check_batched_grad, check_forward_ad,
                   check_backward_ad, fast_mode)  # fmt: skip
    try:
        _check(func, as_tuple(inputs), asked)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(f"Expected {what}")


def _check(func: Callable, given: tuple, asked: _Asked) -> None:
    _check_inputs(given)
    leaves = _requiring(given)
    outputs = _requiring(as_tuple(func(*given)))
    for part in (1j, 1.0) if any(o.dtype.is_complex for o in outputs) else (1.0,):
        if asked.backward:
            _Comparison(func, given, asked, part).run()
    if asked.forward:
        _check_forward(func, given, asked)
    if not asked.backward:
        return
    if asked.batched:
        for o, output in enumerate(outputs):
            _check_batched(output, leaves, o)
    _check_zeros(outputs, leaves, "backward not multiplied by grad_output")
    if asked.undefined:
        _check_undefined(func, given, leaves)


def _requiring(given: tuple) -> list[Tensor]:
    return [x for x in given if isinstance(x, Tensor) and x.requires_grad]


def _check_inputs(given: tuple) -> None:
    for i, x in enumerate(given):
        if not isinstance(x, Tensor) or not x.requires_grad:
            continue
        if x.dtype.numpy not in (np.float64, np.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                "likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=4,
            )
        if any(step == 0 and size > 1 for step, size in zip(x.stride(), x.shape)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be "
                "able to compute the numerical gradients correctly. You should call .contiguous on the input before passing "
                "it to gradcheck."
            )
    if not _requiring(given):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )


# ---- backward --------------------------------------------------------------------------------------------------------


class _Comparison:
    """Backward beside finite differences, for the real or the imaginary part of the results."""

    def __init__(self, func: Callable, given: tuple, asked: _Asked, part: complex):
        self.func, self.given, self.asked, self.part = func, given, asked, part
        results = [r for r in as_tuple(func(*given)) if jacobians.is_inexact(r)]
        # the imaginary part of a real result is the result itself, as in PyTorch
        self.outputs = [(n, r) for n, r in enumerate(results) if r.requires_grad]
        self.places = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
        self.leaves = [given[i] for i in self.places]

    def run(self) -> None:
        """Raise GradcheckError where the two differ."""
        if not self.outputs:
            self._expect_zeros()
        elif self.asked.fast:
            self._along_one()
        else:
            self._all()

    def _part_of(self, output: Tensor) -> complex:
        return self.part if output.dtype.is_complex else 1.0

    def _expect_zeros(self) -> None:
        for i in self.places:
            for slopes in jacobians.numeric(self.func, self.given, i, self.asked.eps):
                if slopes.real.any() or slopes.imag is not None and slopes.imag.any():
                    raise GradcheckError("Numerical gradient for function expected to be zero")

    def _all(self) -> None:
        numeric = [jacobians.numeric(self.func, self.given, i, self.asked.eps) for i in self.places]
        for o, (n, output) in enumerate(self.outputs):
            part = self._part_of(output)
            analytic = self._analytic(output, np.eye(output.numel()) * part)
            for j in range(len(self.leaves)):
                expected = numeric[j][n].of_part(part)
                if not np.allclose(analytic[j], expected, self.asked.rtol, self.asked.atol):
                    raise GradcheckError(self._mismatch(o, j, expected, analytic[j], output))

    def _analytic(self, output: Tensor, seeds: np.ndarray) -> list[np.ndarray]:
        """The Jacobian by each leaf; computed twice, because backward has to give the same each time."""
        first, again = ([*map(jacobians.table, rows, self.leaves)]
                        for rows in (self._rows(output, seeds), self._rows(output, seeds)))  # fmt: skip
        for a, b in zip(first, again):
            if a.size and not np.abs(a - b).max() <= self.asked.nondet_tol and not np.array_equal(a, b, equal_nan=True):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
                    "different values, although analytical gradient matches numerical gradient."
                    f"The tolerance for nondeterminism was {self.asked.nondet_tol}."
                )
        return first

    def _rows(self, output: Tensor, seeds: np.ndarray) -> list[list[Tensor | None]]:
        rows = jacobians.backward(output, self.leaves, seeds)
        for x, column in zip(self.leaves, rows):
            if any(g is not None and g.shape != x.shape for g in column):
                raise GradcheckError("Analytical gradient has incorrect size")
            if self.asked.dtypes and any(g is not None and g.dtype is not x.dtype for g in column):
                raise GradcheckError("Gradient has dtype mismatch")
        return rows

    def _along_one(self) -> None:
        """Compare vᵀJu for one random direction u of each input and one v of each result."""
        draw = np.random.default_rng(0)
        us = [_direction(draw, (2, x.numel())) for x in self.leaves]
        numeric = [jacobians.numeric_along(self.func, self.given, i, u, self.asked.eps) for i, u in zip(self.places, us)]
        for o, (n, output) in enumerate(self.outputs):
            part, v = self._part_of(output), _direction(draw, (1, output.numel()))
            analytic = self._analytic(output, v * part)
            for j, x in enumerate(self.leaves):
                expected = numeric[j][n].of_part(part) @ v[0]
                found = _project(analytic[j][:, 0], us[j])
                atol = self.asked.atol * us[j][: 1 + x.dtype.is_complex].sum() * v.sum()
                if not np.allclose(found, expected, self.asked.rtol, atol):
                    raise GradcheckError(self._mismatch(o, j, expected, found, output) + self._in_full())

    def _in_full(self) -> str:
        """What the slow check says of the same."""
        try:
            self._all()
        except GradcheckError as error:
            return f"The above is along one direction (fast_mode). In full:\n{error}"
        return (
            "Fast gradcheck failed but element-wise differences are small. This means that the test might've passed in "
            "slow_mode! Call it with fast_mode=False."
        )

    def _mismatch(self, o: int, j: int, expected: np.ndarray, found: np.ndarray, output: Tensor) -> str:
        name = "imaginary" if self.part == 1j else "real"
        prefix = f"While considering the {name} part of complex outputs only, " if output.dtype.is_complex else ""
        return prefix + _differ("Jacobian", o, j, expected, found)


def _differ(what: str, o: int, j: int, expected: np.ndarray, found: np.ndarray) -> str:
    numerical, analytical = from_array(np.asarray(expected), cpu), from_array(np.asarray(found), cpu)
    return f"{what} mismatch for output {o} with respect to input {j},\nnumerical:{numerical}\nanalytical:{analytical}\n"


def _direction(draw: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    made = draw.random(shape)
    return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-30)


def _project(cotangent: np.ndarray, u: np.ndarray) -> np.ndarray:
    if not np.iscomplexobj(cotangent):
        return cotangent @ u[0]
    return cotangent.real @ u[0] + 1j * (cotangent.imag @ u[1])


def _check_zeros(outputs: Sequence[Tensor], leaves: Sequence[Tensor], message: str) -> None:
    """Cotangents of zeros give zeros, of the inputs' form."""
    if not outputs:
        return
    zeros = [o.detach().new_zeros(o.shape) for o in outputs]
    for g, x in zip(grad(outputs, leaves, zeros, retain_graph=True, allow_unused=True), leaves):
        if g is None:
            continue
        if not (g == 0).all():
            raise GradcheckError(message)
        for what, a, b in (("type", g.dtype, x.dtype), ("device", g.device, x.device), ("size", g.shape, x.shape)):
            if a != b:
                raise GradcheckError(f"grad is incorrect {what}")


def _check_batched(output: Tensor, leaves: Sequence[Tensor], o: int) -> None:
    """A batch of cotangents gives what they give one by one."""
    draw = np.random.default_rng(0)
    seeds = draw.standard_normal((2, output.numel()))
    rows = jacobians.backward(output, leaves, seeds)
    batch = from_array(seeds.astype(output.dtype.numpy).reshape((2, *output.shape)), output.device)
    try:
        found = grad([output], leaves, [batch], retain_graph=True, allow_unused=True, is_grads_batched=True)
    except RuntimeError as error:
        raise GradcheckError(f"While computing batched gradients, got: {error}") from error
    for j, (x, batched) in enumerate(zip(leaves, found)):
        expected = jacobians.table(rows[j], x).T
        got = np.zeros_like(expected) if batched is None else jacobians.wide(batched).reshape(2, -1)
        if not np.allclose(got, expected):
            raise GradcheckError(_differ("Batched gradient", o, j, expected, got))


class _Undefined(Function):
    """Passes its input on, and no cotangent back."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        return x.clone()

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def]
        return None


def _check_undefined(func: Callable, given: tuple, leaves: Sequence[Tensor]) -> None:
    """Results without a cotangent, all or one of them, count as cotangents of zeros."""
    many = len(_requiring(as_tuple(func(*given))))
    for left_out in [None, *(range(many) if many > 1 else ())]:
        outputs = _requiring(as_tuple(func(*given)))
        kept = [o if left_out not in (None, n) else _Undefined.apply(o) for n, o in enumerate(outputs)]
        try:
            _check_zeros(kept, leaves, (  # type: ignore[arg-type]
                "Expected all input grads to be undefined or zero when all output grads are undefined or zero."))  # fmt: skip
        except GradcheckError:
            raise
        except RuntimeError as error:
            raise GradcheckError("Expected backward function to handle undefined output grads.") from error


# ---- forward ---------------------------------------------------------------------------------------------------------


def _check_forward(func: Callable, given: tuple, asked: _Asked) -> None:
    """Tangents beside finite differences, along the real and the imaginary parts of the inputs."""
    places = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    for j, i in enumerate(places):
        n = given[i].numel()
        rows = _direction(np.random.default_rng(0), (1, n)) if asked.fast and n else np.eye(n)
        slopes = jacobians.numeric(func, given, i, asked.eps)
        prefix = ""
        if given[i].dtype.is_complex:
            prefix = "While considering the imaginary part of complex inputs only, "
            _compare_tangents(func, given, i, rows * 1j, [rows @ s.imag for s in slopes if s.imag is not None], asked, j, prefix)
            prefix = "While considering the real part of complex inputs only, "
        _compare_tangents(func, given, i, rows, [rows @ s.real for s in slopes], asked, j, prefix)


def _compare_tangents(func: Callable, given: tuple, i: int, rows: np.ndarray, expected: list[np.ndarray], asked: _Asked,
                      j: int, prefix: str) -> None:  # fmt: skip
    for o, (tangents, slopes) in enumerate(zip(jacobians.forward(func, given, i, list(rows)), expected)):
        if not np.allclose(np.stack(tangents), slopes, asked.rtol, asked.atol):
            raise GradcheckError(prefix + _differ("Jacobian computed with forward mode", o, j, slopes, np.stack(tangents)))


# ---- second derivatives ----------------------------------------------------------------------------------------------


def gradgradcheck(func: Callable, inputs: object, grad_outputs: object = None, *, eps: float = 1e-6, atol: float = 1e-5,
                  rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True,
                  nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
                  check_batched_grad: bool = False, check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True,
                  fast_mode: bool = False, masked: bool = False) -> bool:  # fmt: skip
    """Whether second derivatives agree with finite differences of the first (``torch.autograd.gradgradcheck``).

    ``grad_outputs`` are the cotangents of the results, random if they are left out. The rest is as in `gradcheck`.

    >>> import kuai as torch
    >>> x = torch.tensor([0.5, 2.], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(torch.sin, x)
    True
    """
    _need(check_fwd_over_rev or check_rev_over_rev, "at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    _need(check_rev_over_rev or not check_undefined_grad, "check_rev_over_rev to be True with check_undefined_grad=True")
    _need(check_rev_over_rev or not check_batched_grad, "check_rev_over_rev to be True with check_batched_grad=True")
    given = as_tuple(inputs)
    if grad_outputs is None:
        seeds = _random_like(_requiring(as_tuple(func(*given))), gen_non_contig_grad_outputs)
    else:
        seeds = as_tuple(grad_outputs)
    wanted = [isinstance(x, Tensor) and x.requires_grad for x in (*given, *seeds)]

    def first(*both: Tensor) -> tuple:
        """The derivatives, as a function of the inputs and of the cotangents."""
        restored = [x.requires_grad_() if w and not x.requires_grad else x for x, w in zip(both, wanted)]
        args, gs = restored[: len(given)], restored[len(given) :]
        outputs = _requiring(as_tuple(func(*args)))
        found = grad(outputs, _requiring(tuple(args)), gs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        first, (*given, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev, fast_mode=fast_mode, masked=masked,
    )  # fmt: skip


def _random_like(outputs: Sequence[Tensor], apart: bool) -> tuple[Tensor, ...]:
    """Random cotangents that require grad; ``apart``: not contiguous in memory."""
    made = []
    for n, o in enumerate(outputs):
        values = np.random.default_rng(n).uniform(-1, 1, o.shape).astype(o.dtype.numpy)
        tensor = from_array(np.asarray(values), o.device)
        if apart and o.ndim:
            tensor = tensor.repeat_interleave(2, -1)[..., ::2].detach()
        made.append(tensor.requires_grad_())
    return tuple(made)
