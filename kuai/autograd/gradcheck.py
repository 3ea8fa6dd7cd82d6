"""Derivatives against finite differences: `gradcheck` and `gradgradcheck`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..engine.trace import current
from ..tensor import Tensor, from_array
from .api import grad
from .modes import no_grad


class GradcheckError(RuntimeError):
    """A derivative differs from what finite differences give (``torch.autograd.gradcheck.GradcheckError``)."""


def gradcheck(func: Callable, inputs: object, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
              raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
              check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
              check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
              masked: bool | None = None) -> bool:  # fmt: skip
    """Whether backward of ``func`` agrees with finite differences at ``inputs`` (``torch.autograd.gradcheck``).

    Inputs that require gradients should be float64 or complex128. Raises GradcheckError, unless raise_exception is false.

    >>> import kuai as torch
    >>> x = torch.tensor([0.5, 2.], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.exp, x)
    True
    """
    if check_forward_ad:
        raise NotImplementedError("gradcheck: there is no forward-mode differentiation; leave check_forward_ad out")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)  # type: ignore[arg-type]
    try:
        _check(func, given, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(func: Callable, given: Sequence) -> list[Tensor]:
    made = func(*given)
    return [o for o in ((made,) if isinstance(made, Tensor) else made) if isinstance(o, Tensor) and o.dtype.category > 1]


def _check(func: Callable, given: tuple, eps: float, atol: float, rtol: float) -> None:
    leaves = [(i, x) for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not leaves:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True."
        )
    outputs = _outputs(func, given)
    for o, output in enumerate(outputs):
        if not output.requires_grad:
            continue
        for i, x in leaves:
            numeric = _numeric(func, given, i, o, eps)
            for part in _parts(output):
                analytic = _analytic(output, x, part)
                expected = _project(numeric, part, x)
                if not np.allclose(analytic, expected, rtol, atol, equal_nan=True):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {o} with respect to input {i},\n"
                        f"numerical:{expected}\nanalytical:{analytic}\n"
                    )


def _parts(output: Tensor) -> list[complex]:
    return [1.0, 1j] if output.dtype.is_complex else [1.0]


def _numeric(func: Callable, given: tuple, i: int, o: int, eps: float) -> tuple[np.ndarray, np.ndarray | None]:
    """d output / d real part and, of a complex input, d output / d imaginary part: arrays (inputs, outputs)."""
    base = given[i].detach()._array().copy()
    steps = [eps, 1j * eps] if np.iscomplexobj(base) else [eps]
    tables = [np.stack([_slope(func, given, i, o, base, k, step) for k in range(base.size)]) if base.size else
              np.zeros((0, 1)) for step in steps]  # fmt: skip
    return tables[0], tables[1] if len(tables) > 1 else None


def _slope(func: Callable, given: tuple, i: int, o: int, base: np.ndarray, k: int, step: complex) -> np.ndarray:
    values = []
    for direction in (1, -1):
        moved = base.copy()
        moved.reshape(-1)[k] += direction * step
        tensor = from_array(moved, given[i].device)
        with no_grad():
            made = _outputs(func, [*given[:i], tensor, *given[i + 1 :]])[o]
        values.append(made._array().reshape(-1).copy())
    return (values[0] - values[1]) / (2 * abs(step))


def _analytic(output: Tensor, x: Tensor, part: complex) -> np.ndarray:
    rows = []
    for k in range(output.numel()):
        seed = np.zeros(output.numel(), output.dtype.numpy)
        seed[k] = part
        g = from_array(seed.reshape(output.shape), output.device)
        (found,) = grad(output, x, g, retain_graph=True, allow_unused=True)
        rows.append(np.zeros(x.numel()) if found is None else found._array().reshape(-1))
    return np.stack(rows, 1) if rows else np.zeros((x.numel(), 0))


def _project(numeric: tuple, part: complex, x: Tensor) -> np.ndarray:
    """What PyTorch's convention makes of the slopes: the cotangent of a complex input is d/dre + i d/dim of Re(conj(g) f)."""
    real, imag = numeric
    along_real = np.real(np.conj(part) * real)
    if imag is None:
        return along_real
    return along_real + 1j * np.real(np.conj(part) * imag)


def gradgradcheck(func: Callable, inputs: object, grad_outputs: object = None, *, eps: float = 1e-6, atol: float = 1e-5,
                  rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True,
                  nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
                  check_batched_grad: bool = False, check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True,
                  fast_mode: bool = False, masked: bool = False) -> bool:  # fmt: skip
    """Whether second derivatives agree with finite differences of the first (``torch.autograd.gradgradcheck``)."""
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)  # type: ignore[arg-type]
    outputs = [o for o in _outputs(func, given) if o.requires_grad]
    seeds = _seeds(outputs, grad_outputs)

    def first(*both: Tensor) -> tuple:
        args, gs = both[: len(given)], both[len(given) :]
        before, current.grad = current.grad, True
        try:
            args = tuple(a.detach().requires_grad_() if isinstance(a, Tensor) and b.requires_grad and not a.requires_grad
                         else a for a, b in zip(args, given))  # fmt: skip
            chosen = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
            outs = [o for o in _outputs(func, args) if o.requires_grad]
            found = grad(outs, chosen, gs, create_graph=True, allow_unused=True)
        finally:
            current.grad = before
        return tuple(g for g in found if g is not None)

    return gradcheck(first, (*given, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


def _seeds(outputs: list[Tensor], given: object) -> list[Tensor]:
    if given is not None:
        return [given] if isinstance(given, Tensor) else list(given)  # type: ignore[call-overload]
    made = []
    for n, o in enumerate(outputs):
        values = np.random.default_rng(n).standard_normal(o.shape).astype(o.dtype.numpy)
        made.append(from_array(np.asarray(values), o.device).requires_grad_())
    return made
