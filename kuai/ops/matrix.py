"""Products: matmul and its family, einsum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules
from .define import op, write_exact, write_out


def product_cost(state: State) -> float:
    """Multiply-adds at about 20 a nanosecond."""
    x, out = state.avals[0], state.outs[0]
    inner = x.shape[-2 if state.static and state.static[0] else -1] if len(x.shape) > 1 else x.size
    return 0.05 * out.size * inner


def _same_dtype(op: Op, x: Aval, y: Aval) -> None:
    if x.dtype is not y.dtype:
        a, b = rules._cname(x.dtype).lower(), rules._cname(y.dtype).lower()
        raise RuntimeError(f"{op.name}: expected m1 and m2 to have the same dtype, but got: {a} != {b}")
    if not x.dtype.category:
        raise NotImplementedError(f"\"{op.name}\" not implemented for 'Bool'")


def _matmul_rule(op: Op, avals: Sequence, *, tx: bool, ty: bool) -> tuple:
    x, y = avals
    _same_dtype(op, x, y)
    m, k = x.shape[-2:][::-1] if tx else x.shape[-2:]
    k2, n = y.shape[-2:][::-1] if ty else y.shape[-2:]
    if k != k2:
        raise RuntimeError(
            f"{op.name}: mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {k2}x{n}): last axis {k} of "
            f"{list(x.shape)} is not axis -2 ({k2}) of {list(y.shape)}"
        )
    batch = rules.broadcast_shapes(op.name, x.shape[:-2], y.shape[:-2])
    return Aval((*batch, m, n), x.dtype, rules.common_device(op, avals)), x.dtype


def _transposed(xp, x):
    return xp.swapaxes(x, -1, -2)


def _grad_x(g: Tensor, y: Tensor, tx: bool, ty: bool) -> Tensor:
    y = y.conj() if y.dtype.is_complex else y
    return product(y, g, ty, True) if tx else product(g, y, False, not ty)


def _grad_y(g: Tensor, x: Tensor, tx: bool, ty: bool) -> Tensor:
    x = x.conj() if x.dtype.is_complex else x
    return product(g, x, True, tx) if ty else product(x, g, not tx, False)


@op(shape=_matmul_rule, vjp=(_grad_x, _grad_y), name="matmul", cost=product_cost, grad_name="MmBackward0")
def _matmul(xp, x, y, *, tx, ty):
    return xp.matmul(_transposed(xp, x) if tx else x, _transposed(xp, y) if ty else y)


def product(x: Tensor, y: Tensor, tx: bool = False, ty: bool = False) -> Tensor:
    """Matrix product of the last two dimensions, each operand transposed or not, the others broadcast."""
    return _matmul(x, y, tx=tx, ty=ty)


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix product with PyTorch's rules for 1 dimension and for batches (``torch.matmul``).

    >>> import kuai as torch
    >>> torch.matmul(torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    _need_tensors("matmul", input, other)
    a, b = len(input.shape), len(other.shape)
    if a > 1 and b > 1:
        made = product(input, other)
    elif a == 0 or b == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    elif a == 1 and b == 1:
        made = dot(input, other)
    elif a == 1:
        made = product(input.unsqueeze(0), other).squeeze(-2)
    else:
        made = product(input, other.unsqueeze(-1)).squeeze(-1)
    return made if out is None else write_exact(out, made)


def _need_tensors(name: str, *operands: object) -> None:
    for i, (x, what) in enumerate(zip(operands, ("input", "other", "mat2")), 1):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}(): argument '{what}' (position {i}) must be Tensor, not {type(x).__name__}")


def _need_rank(name: str, x: Tensor, rank: int, what: str) -> None:
    if len(x.shape) != rank:
        raise RuntimeError(f"{name}: {what} must be {rank}-D, got {len(x.shape)}-D tensor of shape {list(x.shape)}")


def _summed_in(d: object, *factors: Tensor) -> tuple[Tensor, ...]:
    """Factors in the dtype asked for by ``out_dtype``: their own, or float32 for half types, whose sums are then not rounded."""
    if d is None:
        return factors
    asked, given = dtypes.as_dtype(d), factors[0].dtype
    if asked is not given and not (asked is dtypes.float32 and given in (dtypes.float16, dtypes.bfloat16)):
        raise RuntimeError(f"out_dtype must be the same as input dtype or fp32 for fp16/bf16 inputs, got {asked} for {given}")
    return tuple(x.to(asked) for x in factors)


def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None, out_dtype: object = None) -> Tensor:
    """Product of two matrices (``torch.mm``).

    >>> import kuai as torch
    >>> torch.mm(torch.eye(2), torch.tensor([[1., 2.], [3., 4.]]))
    tensor([[1., 2.],
            [3., 4.]])
    """
    _need_tensors("mm", input, mat2)
    if len(input.shape) != 2 or len(mat2.shape) != 2:
        which, x = ("self", input) if len(input.shape) != 2 else ("mat2", mat2)
        raise RuntimeError(f"mm: {which} must be a matrix, got shape {list(x.shape)}")
    made = product(*_summed_in(out_dtype, input, mat2))
    return made if out is None else write_exact(out, made)


def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None, out_dtype: object = None) -> Tensor:
    """Product of two batches of matrices, without broadcasting (``torch.bmm``).

    >>> import kuai as torch
    >>> torch.bmm(torch.ones(4, 2, 3), torch.ones(4, 3, 5)).shape
    torch.Size([4, 2, 5])
    """
    _need_rank("bmm", input, 3, "batch1")
    _need_rank("bmm", mat2, 3, "batch2")
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(
            f"bmm: Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, {input.shape[2]}] "
            f"but got: [{mat2.shape[0]}, {mat2.shape[1]}]."
        )
    made = product(*_summed_in(out_dtype, input, mat2))
    return made if out is None else write_exact(out, made)


def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of a matrix and a vector (``torch.mv``).

    >>> import kuai as torch
    >>> torch.mv(torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    if not input.shape:
        raise IndexError("mv: Dimension specified as 0 but the matrix has no dimensions")
    if len(input.shape) != 2 or len(vec.shape) != 1:
        raise RuntimeError(f"mv: vector + matrix @ vector expected, got {len(input.shape)}, {len(vec.shape)} dimensions")
    made = product(input, vec.unsqueeze(-1)).squeeze(-1)
    return made if out is None else write_exact(out, made)


def _dot_rule(op: Op, avals: Sequence) -> tuple:
    x, y = avals
    _same_dtype(op, x, y)
    if x.shape != y.shape:
        raise RuntimeError(
            f"{op.name}: inconsistent tensor size, expected tensor {list(x.shape)} and src {list(y.shape)} to have the "
            f"same number of elements, but got {x.size} and {y.size} elements respectively"
        )
    return Aval((), x.dtype, rules.common_device(op, avals)), x.dtype


@op(shape=_dot_rule, vjp=(lambda g, y: g * y.conj(), lambda g, x: g * x.conj()), name="dot")
def _dot(xp, x, y):
    return xp.dot(x, y)


def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sum of products of two vectors (``torch.dot``).

    >>> import kuai as torch
    >>> torch.dot(torch.tensor([2, 3]), torch.tensor([2, 1]))
    tensor(7)
    """
    _need_tensors("dot", input, tensor)
    if len(input.shape) != 1 or len(tensor.shape) != 1:
        raise RuntimeError(f"dot: 1D tensors expected, but got {len(input.shape)}D and {len(tensor.shape)}D tensors")
    made = _dot(input, tensor)
    return made if out is None else write_exact(out, made)


def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`dot` with the first vector conjugated (``torch.vdot``).

    >>> import kuai as torch
    >>> torch.tensor([1j, 2.]).vdot(torch.tensor([1j, 1.]))
    tensor(3.+0.j)
    """
    return dot(input.conj() if input.dtype.is_complex else input, other, out=out)


def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products summed over the last dimension of both (``torch.inner``).

    >>> import kuai as torch
    >>> torch.inner(torch.ones(2, 3), torch.ones(4, 3)).shape
    torch.Size([2, 4])
    """
    if not input.shape or not other.shape:
        made = input * other
    elif input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} and {list(other.shape)}"
        )
    else:
        made = tensordot(input, other, dims=([-1], [-1]))
    return made if out is None else write_exact(out, made)


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of two vectors' elements (``torch.outer``).

    >>> import kuai as torch
    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    _need_tensors("outer", input, vec2)
    for x, name in ((input, "self"), (vec2, "vec2")):
        if len(x.shape) != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {len(x.shape)}-D")
    made = input.unsqueeze(-1) * vec2
    return made if out is None else write_out(out, made)


ger = outer


def tensordot(a: Tensor, b: Tensor, dims: object = 2, out: Tensor | None = None) -> Tensor:
    """Sum of products over pairs of dimensions (``torch.tensordot``).

    >>> import kuai as torch
    >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    torch.Size([2, 5])
    """
    over_a, over_b = _contracted(dims, a, b)
    for i, j in zip(over_a, over_b):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has size "
                f"{b.shape[j]} in dim {j}"
            )
        if a.shape[i] != b.shape[j]:
            a = a.sum(i, keepdim=True, dtype=a.dtype) if a.shape[i] != 1 else a
            b = b.sum(j, keepdim=True, dtype=b.dtype) if b.shape[j] != 1 else b
    free_a = [i for i in range(a.ndim) if i not in over_a]
    free_b = [i for i in range(b.ndim) if i not in over_b]
    inner_size = int(np.prod([a.shape[i] for i in over_a], dtype=np.int64))
    left = a.permute([*free_a, *over_a]).reshape(-1 if inner_size else _count(a, free_a), inner_size)
    right = b.permute([*over_b, *free_b]).reshape(inner_size, _count(b, free_b))
    made = product(left, right).reshape([*[a.shape[i] for i in free_a], *[b.shape[i] for i in free_b]])
    return made if out is None else write_exact(out, made)


def _count(x: Tensor, dims: Sequence[int]) -> int:
    return int(np.prod([x.shape[i] for i in dims], dtype=np.int64))


def _contracted(dims: object, a: Tensor, b: Tensor) -> tuple[list[int], list[int]]:
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims} for {a.ndim} and {b.ndim} dimensions")
        return list(range(a.ndim - dims, a.ndim)), list(range(dims))
    if not isinstance(dims, (tuple, list)) or len(dims) != 2:
        raise RuntimeError(f"tensordot expects dims to be an int or a pair of lists of ints, but got {dims!r}")
    over_a, over_b = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(over_a) != len(over_b):
        raise RuntimeError(f"both dimension lists should have the same length, got {over_a} and {over_b}")
    return [rules.normalize_dim(d, a.ndim) for d in over_a], [rules.normalize_dim(d, b.ndim) for d in over_b]


# ---- einsum ----------------------------------------------------------------------------------------------------------


def _einsum_rule(op: Op, avals: Sequence, *, equation: str) -> tuple:
    inputs, output = equation.split("->")
    sizes: dict[str, int] = {}
    for letters, a in zip(inputs.split(","), avals):
        for letter, n in zip(letters, a.shape):
            if sizes.setdefault(letter, n) == 1:
                sizes[letter] = n
            elif n not in (1, sizes[letter]):
                raise RuntimeError(
                    f"einsum(): operands do not broadcast: {equation} with shapes {[list(a.shape) for a in avals]} "
                    f"gives '{letter}' the sizes {sizes[letter]} and {n}"
                )
    for a in avals[1:]:
        _same_dtype(op, avals[0], a)
    shape = tuple(sizes[letter] for letter in output)
    return Aval(shape, avals[0].dtype, rules.common_device(op, avals)), avals[0].dtype


def _einsum_vjp(g: Tensor, xs: tuple, avals: tuple, equation: str) -> tuple:
    """Each operand's cotangent is the product of all the others with g, in the operand's letters."""
    inputs, output = equation.split("->")
    letters = inputs.split(",")
    found = []
    for i, aval in enumerate(avals):
        others = [x.conj() if x.dtype.is_complex else x for j, x in enumerate(xs) if j != i]
        names = [output, *(n for j, n in enumerate(letters) if j != i)]
        found.append(_cotangent(letters[i], names, [g, *others], aval))
    return tuple(found)


def _cotangent(wanted: str, names: list[str], operands: list[Tensor], aval: Aval) -> Tensor:
    known = set("".join(names))
    kept = "".join(c for c in wanted if c in known)
    made = _einsum(*operands, equation=f"{','.join(names)}->{kept}")
    sizes = [n if c in known else 1 for c, n in zip(wanted, aval.shape)]
    made = made.reshape([1 if s == 1 and c not in known else made.shape[kept.index(c)] for c, s in zip(wanted, sizes)])
    return made.sum_to_size(aval.shape) if _shrinks(made, aval) else made.expand(aval.shape)


def _shrinks(x: Tensor, aval: Aval) -> bool:
    return any(a > b for a, b in zip(x.shape, aval.shape))


def _einsum_cost(state: State) -> float:
    sizes = {c: n for part, a in zip(state.static[0].split("->")[0].split(","), state.avals) for c, n in zip(part, a.shape)}
    return 0.05 * float(np.prod(list(sizes.values()), dtype=np.float64))


@op(shape=_einsum_rule, vjp=_einsum_vjp, cost=_einsum_cost, name="einsum")
def _einsum(xp, *xs, equation):
    if xp is np:
        return np.einsum(equation, *xs, optimize=len(xs) > 1)
    return xp.einsum(equation, *xs)


def einsum(*args: object) -> Tensor:
    """Sum of products in Einstein's notation, with ``...`` and the sublist form (``torch.einsum``).

    >>> import kuai as torch
    >>> torch.einsum("ij,jk->ik", torch.ones(2, 3), torch.ones(3, 2))
    tensor([[3., 3.],
            [3., 3.]])
    """
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts")
    equation, operands = _einsum_arguments(args)
    for i, x in enumerate(operands):
        if not isinstance(x, Tensor):
            raise TypeError(f"einsum(): expected Tensor as element {i} of the operands, but got {type(x).__name__}")
    if not operands:
        raise ValueError(f"einsum(): must specify at least one operand for the equation {equation!r}")
    left, arrow, output = equation.replace(" ", "").partition("->")
    for i, c in enumerate(equation):
        if not (c.isascii() and c.isalpha() or c in " ,.->"):
            raise RuntimeError(f"einsum(): invalid subscript given at index {i} in the equation string {equation!r}, needs [a-zA-Z]")
    terms = left.split(",")
    if len(terms) != len(operands):
        more = "more" if len(operands) > len(terms) else "fewer"
        raise RuntimeError(f"einsum(): {more} operands were provided than specified in the equation: {equation}")
    terms, output = _spell_out(terms, output if arrow else None, operands)
    operands = [_diagonals(x, t) for x, t in zip(operands, terms)]
    terms = ["".join(dict.fromkeys(t)) for t in terms]
    letters = "".join(terms)
    if any(letters.count(c) == 1 and c not in output for c in letters):  # a sum of one operand, and so in int64
        operands = [x.long() if x.dtype.category < 2 else x for x in operands]
    if set(letters) <= set(output):  # nothing is summed: an elementwise product, of any dtypes
        common = rules.result_dtype([x._aval for x in operands])
        operands = [x.to(common) for x in operands]
    return _einsum(*operands, equation=f"{','.join(terms)}->{output}")


def _einsum_arguments(args: tuple) -> tuple[str, list[Tensor]]:
    if isinstance(args[0], str):
        operands = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
        return args[0], list(operands)
    if not isinstance(args[0], Tensor):
        raise TypeError(f"einsum(): argument 'equation' (position 1) must be str, not {type(args[0]).__name__}")
    operands, lists = list(args[0 : len(args) - len(args) % 2 : 2]), list(args[1::2])

    def letters(indices: Sequence) -> str:
        return "".join("..." if i is Ellipsis else chr(ord("A") + i if i < 26 else ord("a") + i - 26) for i in indices)

    left = ",".join(letters(x) for x in lists)
    return (f"{left}->{letters(args[-1])}" if len(args) % 2 else left), operands


def _spell_out(terms: list[str], output: str | None, operands: list[Tensor]) -> tuple[list[str], str]:
    """Give the dimensions of ``...`` letters of their own, and an output if none is said."""
    used = set("".join(terms))
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in used]
    hidden = [x.ndim - len(t.replace("...", "")) for t, x in zip(terms, operands)]
    for t, x, n in zip(terms, operands, hidden):
        if n < 0 or (n > 0 and "..." not in t):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(t.replace('...', ''))}) does not match the "
                f"number of dimensions ({x.ndim}) for an operand and no ellipsis was given"
            )
    most = max((n for t, n in zip(terms, hidden) if "..." in t), default=0)
    dots = "".join(spare[:most])
    filled = [t.replace("...", dots[most - n :] if n else "") for t, n in zip(terms, hidden)]
    if output is None:
        joined = "".join(terms).replace(".", "")
        output = "..." + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    output = output.replace("...", dots)
    for c in output:
        if output.count(c) > 1:
            raise RuntimeError(f"einsum(): output subscript {c} appears more than once in the output")
        if c not in "".join(filled):
            raise RuntimeError(f"einsum(): output subscript {c} does not appear in the equation for any input operand")
    return filled, output


def _diagonals(x: Tensor, term: str) -> Tensor:
    """An operand whose letter stands twice is read along the diagonal."""
    while len(set(term)) < len(term):
        c = next(c for c in term if term.count(c) > 1)
        i = term.index(c)
        j = term.index(c, i + 1)
        x = x.diagonal(0, i, j).movedim(-1, i)
        term = term[:j] + term[j + 1 :]
    return x


def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """Product of several matrices in the cheapest order (``torch.chain_matmul``, ``torch.linalg.multi_dot``).

    >>> import kuai as torch
    >>> torch.chain_matmul(torch.ones(1, 2), torch.ones(2, 3), torch.ones(3, 1))
    tensor([[6.]])
    """
    sizes = [matrices[0].shape[0], *(m.shape[1] for m in matrices)]
    made = _chain(list(matrices), sizes)
    return made if out is None else write_exact(out, made)


def _chain(matrices: list[Tensor], sizes: list[int]) -> Tensor:
    n = len(matrices)
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(n)}
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            j = i + length - 1
            best[i, j] = min((best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))

    def multiply(i: int, j: int) -> Tensor:
        return matrices[i] if i == j else mm(multiply(i, best[i, j][1]), multiply(best[i, j][1] + 1, j))

    return multiply(0, n - 1)


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Kronecker product (``torch.kron``).

    >>> import kuai as torch
    >>> torch.kron(torch.eye(2), torch.ones(1, 2))
    tensor([[1., 1., 0., 0.],
            [0., 0., 1., 1.]])
    """
    rank = max(input.ndim, other.ndim)
    a = (1,) * (rank - input.ndim) + tuple(input.shape)
    b = (1,) * (rank - other.ndim) + tuple(other.shape)
    left = input.reshape([n for pair in zip(a, (1,) * rank) for n in pair])
    right = other.reshape([n for pair in zip((1,) * rank, b) for n in pair])
    made = (left * right).reshape([m * n for m, n in zip(a, b)])
    return made if out is None else write_out(out, made)


spmm = dsmm = mm  # torch.mm takes sparse matrices itself

METHODS = ("matmul", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "ger", "kron")
INPLACE = ()
