"""Random programs as lines of Python, which run the same in both libraries: what nobody would think of writing.

A program is drawn while PyTorch runs it, because what may come next depends on shapes and dtypes. A line is a statement
that speaks of tensors ``t0``, ``t1`` … and of the module ``torch``; whatever it raises, both libraries have to raise.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from random import Random
from types import ModuleType

import numpy as np

from tests import oracle

torch = oracle.torch

FLOATS = ("float32", "float64", "float16", "bfloat16")
DTYPES = ("float32", "float64", "float32", "int64", "float16", "bfloat16", "int32", "uint8", "bool", "complex64", "float64")
SHAPES = ((2, 3), (4,), (2, 1, 3), (2, 2, 2), (3, 4), (1, 6), (), (3,), (0, 2), (1,), (6,))
EDITS = ("add_", "mul_", "sub_", "copy_", "fill_", "zero_", "clamp_", "masked_fill_", "index_put_", "neg_", "relu_", "div_",
         "index_add_", "index_fill_", "scatter_", "addcmul_", "squeeze_", "unsqueeze_", "t_", "transpose_", "sin_", "abs_",
         "masked_scatter_", "lerp_", "cumsum_", "swapaxes_", "index_copy_", "sigmoid_", "tril_", "fill_diagonal_")  # fmt: skip
# What the libraries differ in on purpose: PyTorch refuses, kuai gives the derivative of what was computed.
REFUSALS = ("modified by an inplace operation", "This view is the output of a function that returns multiple views",
            "was created in no_grad mode", "unsupported operation: some elements", "INTERNAL ASSERT",
            "unsupported operation: more than one element", "returned an invalid gradient", "number of ones in mask", "ZeroDivisionError",
            "index out of range in self",
            "Expected isFloatingType(grad.scalar_type())")  # fmt: skip


class Machine:
    """One library's state while a program runs: its names, and what its statements have raised."""

    def __init__(self, lib: ModuleType):
        self.names: dict = {"torch": lib, "np": np, "copy": copy, "pickle": pickle, "hooked": []}
        self.said: list = []

    def run(self, line: str) -> Exception | None:
        """Do one statement; what it raises is given back."""
        error = None
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            try:
                exec(line, self.names)  # noqa: S102 (the test's own text)
            except Exception as e:  # noqa: BLE001 (whatever it is, both libraries have to raise it)
                error = e.with_traceback(None)
        return error

    def versions(self) -> dict:
        """How often each tensor has been edited."""
        return {n: (id(t), t._version) for n, t in self.tensors().items()}

    def tensors(self) -> dict:
        kind = self.names["torch"].Tensor
        return {n: t for n, t in self.names.items() if isinstance(t, kind)}


# ---- drawing a program -----------------------------------------------------------------------------------------------


class Author:
    """Draws a program, statement by statement, and lets PyTorch run it."""

    def __init__(self, dice: Random):
        self.dice, self.machine, self.lines, self.made = dice, Machine(torch), [], 0
        self.strange: set[str] = set()

    def write(self, length: int) -> list[str]:
        for _ in range(1 + self.dice.randrange(3)):
            self.add(self.creation())
        while len(self.lines) < length:
            line = self.statement()
            if line is not None and not self.add(line):
                break
        return self.lines

    def add(self, line: str) -> bool:
        """Let PyTorch run a line; False where the libraries part on purpose, which ends the program."""
        before = {n: t._version for n, t in self.machine.tensors().items()}
        error = self.machine.run(line)
        if error is not None and any(r in str(error) for r in REFUSALS):
            return before == {n: t._version for n, t in self.machine.tensors().items()}
        self.lines.append(line)
        return True

    # -- words

    def pick(self, *choices: object) -> object:
        return choices[self.dice.randrange(len(choices))]

    def chance(self, one_in: int) -> bool:
        return self.dice.randrange(one_in) == 0

    def name(self, wanted: Callable = lambda t: True) -> str | None:
        """Some tensor that there is, the newer the likelier."""
        names = [n for n, t in self.machine.tensors().items() if wanted(t)]
        if not names:
            return None
        return names[max(self.dice.randrange(len(names)), self.dice.randrange(len(names)))]

    def apart(self, target: torch.Tensor) -> str:
        """A tensor in other memory, because what is written while it is read is nobody's promise; of numbers, without gradient."""
        memory, whole = target.untyped_storage().data_ptr(), not (target.is_floating_point() or target.is_complex())
        fits = lambda t: t.untyped_storage().data_ptr() != memory and t.ndim and not (whole and t.requires_grad)  # noqa: E731
        return self.name(fits) or "torch.ones(1)"

    def alone(self) -> str:
        """A tensor whose memory is its own: in PyTorch older views say that they need a gradient as soon as their base does."""
        pointers = [t.untyped_storage().data_ptr() for t in self.machine.tensors().values()]
        return self.name(lambda t: pointers.count(t.untyped_storage().data_ptr()) == 1) or "torch.ones(2)"

    def get(self, name: str) -> torch.Tensor:
        return self.machine.names[name]

    def new(self) -> str:
        self.made += 1
        return f"t{self.made}" if not self.chance(12) else f"t{self.dice.randrange(self.made) + 1}"

    def number(self, dtype: object = None) -> object:
        kind = self.dice.randrange(8)
        if kind == 0:
            return self.pick(True, False)
        if kind < 3:
            return self.pick(0.5, -1.5, 2.0, 0.25)
        if kind == 3 and self.chance(3):
            return self.pick(1j, 2 - 1j)
        return self.pick(-2, -1, 0, 1, 2, 3)

    def dim(self, t: torch.Tensor) -> int:
        slack = 1 if self.chance(25) else 0
        return self.dice.randrange(-max(t.ndim, 1) - slack, max(t.ndim, 1) + slack)

    # -- statements

    def creation(self) -> str:
        shape, dtype = self.pick(*SHAPES), self.pick(*DTYPES)
        n = int(np.prod(shape))
        if self.chance(10):
            array = f"np.arange({n}, dtype=np.{self.pick('float32', 'float64', 'int64')}).reshape({shape})"
            return f"a = {array}; {self.new()} = torch.from_numpy(a)"
        values = [self.dice.randrange(-4, 5) / self.pick(1, 2) for _ in range(n)]
        values = [abs(int(v)) for v in values] if "int" in dtype else [v > 0 for v in values] if dtype == "bool" else values
        grad = dtype in (*FLOATS, "complex64") and self.chance(2)
        made = f"torch.tensor({values}, dtype=torch.{dtype})"
        made = f"{made}.reshape({shape}).clone()" if len(shape) != 1 else made
        return f"{self.new()} = {made}{'.requires_grad_()' if grad else ''}"

    def statement(self) -> str | None:
        if not self.machine.tensors():
            return self.creation()
        kinds = ((self.arithmetic, 6), (self.view, 8), (self.edit, 8), (self.read_index, 4), (self.write_index, 5), (self.sharing, 3),
                 (self.gradient, 5), (self.read, 2), (self.creation, 1), (self.flow, 1), (self.mode, 2))  # fmt: skip
        return self.dice.choices([k for k, _ in kinds], [w for _, w in kinds])[0]()

    def operand(self) -> str:
        return self.name() if not self.chance(3) else repr(self.number())

    def arithmetic(self) -> str:
        x, y = self.name(), self.operand()
        form = self.dice.randrange(8)
        if form < 3:
            sign = self.pick("+", "-", "*", "/", "+", "*", "-", "//", "%", "<", ">=", "==", "&", "|", "^", "@")
            if sign == "@" and self.get(x).dtype is torch.bool:
                sign = "|"
            made = f"{x} {sign} {y}"
            if self.chance(4):
                made = f"{y} {made.split()[1]} {x}"
        elif form < 5:
            op = self.pick("abs", "neg", "sin", "tanh", "relu", "square", "sign", "exp", "sigmoid", "floor", "isnan", "conj_physical",
                           "sqrt", "logical_not", "cos", "angle", "sgn", "round")  # fmt: skip
            made = f"torch.{op}({x})"
        elif form == 5:
            op = self.pick("sum", "mean", "prod", "amax", "cumsum", "all", "any", "argmax", "softmax", "flip", "sort", "var", "logsumexp")
            d = self.dim(self.get(x))
            rest = f"{d}, keepdim=True" if op not in ("cumsum", "softmax", "flip", "sort") and self.chance(3) else d
            if op == "softmax" and not self.get(x).is_floating_point():
                op = "cumsum"
            made = f"{x}.{op}({rest})" + ("[0]" if op == "sort" else "")
        elif form == 6:
            op = self.pick("maximum", "minimum", "where", "cat", "stack", "lerp", "clamp", "addcmul", "pow", "fmod", "atan2", "outer")
            made = self._several(op, x, y)
        else:
            made = self._conversion(x)
        return f"{self.new()} = ({made}).contiguous()"

    def _several(self, op: str, x: str, y: str) -> str:
        if op == "where":
            return f"torch.where({self.name()} > 0, {x}, {y})"
        if op in ("cat", "stack"):
            return f"torch.{op}([{x}, {self.name()}], {self.dim(self.get(x))})"
        if op == "addcmul":
            return f"torch.addcmul({x}, {self.name()}, {self.name()}, value={self.number()})"
        if op == "lerp":
            return f"torch.lerp({x}, {self.name()}, {self.pick(0.5, 0.25)})"
        if op == "clamp":
            return f"torch.clamp({x}, {self.pick(-1, -0.5, None)}, {self.pick(1, 0.5, 2)})"
        if op == "pow":
            return f"{x} ** {self.pick(2, 3, 0, 1, 2.0, 0.5)}"
        return f"torch.{op}({x}, {y})"

    def _conversion(self, x: str) -> str:
        d = self.pick(*DTYPES)
        return self.pick(f"{x}.to(torch.{d})", f"{x}.type(torch.{d})", f"{x}.float()", f"{x}.double()", f"{x}.clone()", f"{x}.half()",
                         f"{x}.long()", f"{x}.bool()", f"{x}.to(torch.{d}, copy=True)", f"{x}.type_as({self.name()})",
                         f"torch.zeros_like({x})", f"{x}.new_ones(2, 3)", f"{x}.repeat(2, *[1] * ({x}.ndim - 1))")  # fmt: skip

    def view(self) -> str | None:
        x = self.name()
        t = self.get(x)
        made = self.pick(*VIEWS)(self, x, t)
        return None if made is None else f"{self.new()} = {x}{made}"

    def edit(self) -> str | None:
        x = self.name(self._may_be_written)
        if x is None:
            return None
        t, y = self.get(x), self.operand()
        if self.chance(3):
            return f"{x} {self.pick('+', '-', '*', '/', '+', '*', '//', '%', '&', '|')}= {y}"
        op = self.pick(*EDITS)
        if op == "cumsum_" and t.dtype is torch.bool or op[:5] in ("index", "scatt") and not t.numel():
            return None  # where PyTorch's errors follow no rule
        return f"{x}.{op}({self._edit_arguments(op, t, y)})"

    def _edit_arguments(self, op: str, t: torch.Tensor, y: str) -> str:
        if op in ("add_", "sub_") and self.chance(3):
            return f"{y}, alpha={self.pick(2, 0.5, -1)}"
        if op in ("add_", "sub_", "mul_", "div_"):
            return y
        if op == "copy_":
            return self.apart(t)
        if op == "fill_":
            return y if self.chance(4) else repr(self.number())
        if op == "clamp_":
            return f"{self.pick(-1, 0, -0.5)}, {self.pick(1, 2, 0.5, None)}"
        if op == "masked_fill_":
            return f"{self.name()} > {self.pick(0, 1)}, {self.number()}"
        if op == "masked_scatter_":
            return f"{self.name()} > 1, {self.apart(t)}"
        if op == "index_put_":
            return f"({self.places(t.shape[0] if t.ndim else 1)},), {self.apart(t)}, accumulate={self.pick(True, False)}"
        if op in ("index_add_", "index_copy_"):
            return f"{self.dim(t)}, {self.places(t.shape[0] if t.ndim else 1)}, {self.apart(t)}"
        if op == "index_fill_":
            return f"{self.dim(t)}, {self.places(t.shape[0] if t.ndim else 1)}, {self.number()}"
        if op == "scatter_":
            return f"{self.dim(t)}, torch.zeros({tuple(t.shape)}, dtype=torch.int64), {self.number()}"
        if op == "addcmul_":
            return f"{self.name()}, {self.name()}, value={self.pick(1, 2, 0.5)}"
        if op == "lerp_":
            return f"{self.name()}, 0.5"
        if op in ("squeeze_", "unsqueeze_", "cumsum_"):
            return f"{self.dim(t)}"
        if op in ("transpose_", "swapaxes_"):
            return f"{self.dim(t)}, {self.dim(t)}"
        if op == "fill_diagonal_":
            return f"{self.number()}"
        return ""

    def _may_be_written(self, t: torch.Tensor) -> bool:
        """Not memory of which some tensor reads an element twice: PyTorch writes there what the order of a loop leaves."""
        memory = t.untyped_storage().data_ptr()
        return not any(overlaps(o) for o in self.machine.tensors().values() if o.untyped_storage().data_ptr() == memory)

    def places(self, n: int) -> str:
        low = -n if n else 0
        return f"torch.tensor({[self.dice.randrange(low, max(n, 1)) for _ in range(1 + self.dice.randrange(3))]})"

    def index(self, t: torch.Tensor) -> str:
        items = []
        if not t.numel():
            return self.pick("...", "None", ":", "0", "True", ":1")
        for n in t.shape[: 1 + self.dice.randrange(max(t.ndim, 1))]:
            kind = self.dice.randrange(12)
            slack = 1 if self.chance(20) else 0
            if kind < 3:
                items.append(str(self.dice.randrange(-n - slack, n + slack) if n else 0))
            elif kind < 6:
                start, stop = (self.pick("", *range(-n - 1, n + 2)) for _ in range(2))
                items.append(f"{start}:{stop}:{self.pick('', '', 1, 2, 3)}")
            elif kind == 6:
                items.append("None")
                items.append(":")
            elif kind == 7:
                items.append(str([self.dice.randrange(-n, n) for _ in range(1 + self.dice.randrange(2))] if n else ":"))
            elif kind == 8:
                items.append(self.places(n))
            elif kind == 9:
                items.append(f"torch.tensor([[{self.dice.randrange(max(n, 1))}], [{self.dice.randrange(max(n, 1))}]])")
            elif kind == 10:
                items.append(f"torch.tensor({[self.pick(True, False) for _ in range(n)]}, dtype=torch.bool)")
            else:
                items.append(self.pick(":", "torch.tensor(0)", "True", "np.int64(0)", "np.array([0])"))
        if self.chance(4):
            items.insert(self.dice.randrange(len(items) + 1), "...")
        return ", ".join(items) or self.pick("...", "None", "()", "True")

    def read_index(self) -> str:
        x = self.name()
        index = self.index(self.get(x)) if not self.chance(6) else f"{x} > 0"
        copies = ".contiguous()" if "(" in index or "[" in index or ">" in index else ""  # a view keeps its strides
        return f"{self.new()} = {x}[{index}]{copies}"

    def write_index(self) -> str | None:
        x = self.name(lambda t: self._may_be_written(t) and not of_leaf(t))
        if x is None:
            return None
        index = self.index(self.get(x)) if not self.chance(6) else f"{x} > 0"
        value = self.apart(self.get(x)) if self.chance(2) else repr(self.number())
        return f"{x}[{index}] {self.pick('=', '=', '+=', '*=', '-=')} {value}"

    def sharing(self) -> str:
        x, alone, writable = self.name(), self.alone(), self.name(self._may_be_written)
        plain = f"{x}.detach().clone(memory_format=torch.contiguous_format)"  # as PyTorch's pickles keep strides
        whole = self.name(lambda t: not t.requires_grad) or x
        return self.pick(
            f"{self.new()} = {x}.detach()", f"{self.new()} = {x}.data", f"b = {writable}.detach().numpy(); b[...] = {self.pick(1, 2)}",
            f"b = {x}.numpy()", "b += 1", "a[...] = 7", f"{self.new()} = copy.deepcopy({x})", f"{self.new()} = copy.copy({x})",
            f"{self.new()} = pickle.loads(pickle.dumps({plain}))", f"{alone}.data = {self.name()}",
            f"{self.new()} = torch.as_tensor({x})", f"{self.new()}, {self.new()} = copy.deepcopy([{x}, {self.name()}])",
            f"{writable}.data.mul_(2)", f"{writable}.detach().fill_(3)", f"{alone}.detach_()", f"{self.new()} = torch.from_numpy(b)",
            f"{self.new()} = {alone}.requires_grad_().detach()", f"del {x}",
            f"{x}.set_({whole})",
        )  # fmt: skip

    def gradient(self) -> str:
        x = self.name(lambda t: t.requires_grad) or self.name()
        y = self.name()
        keep = self.pick("", "retain_graph=True", "create_graph=True", "retain_graph=True")
        number = f"({x} * {x}).sum()" if self.chance(2) else f"{x}.sum()"
        number = f"{number}.abs()" if self.get(x).is_complex() else number
        return self.pick(
            f"{number}.backward({keep})", f"{number}.backward({keep})", f"{x}.backward(torch.ones_like({x}))",
            f"{self.alone()}.requires_grad_({self.pick(True, False)})", f"{self.alone()}.requires_grad = {self.pick(True, False)}",
            f"g = torch.autograd.grad({number}, [{y}, {self.name()}], allow_unused={self.pick(True, False)}, {keep})",
            f"{self.new()} = torch.autograd.grad({number}, {y}, create_graph=True)[0].contiguous()",
            f"{x}.retain_grad()", f"{x}.register_hook(lambda g: g * 2)", f"{x}.register_hook(lambda g: hooked.append(g.sum().item()))",
            f"{y}.grad = None", f"{self.new()} = {y}.grad", f"{y}.grad.zero_()", f"{y}.grad = torch.ones_like({y})",
            f"{y}.grad += 1",
        )  # fmt: skip

    def read(self) -> str:
        x = self.name()
        return self.pick(f"r = {x}.sum().item()", f"r = {x}.tolist()", f"r = bool({x}.any())", f"r = len({x})", f"r = {x}.item()",
                         f"r = [float(v) for v in {x}.detach().flatten()]", f"r = int({x}.sum())", f"r = bool({x})",
                         f"r = {x}.shape, {x}.dtype == torch.float32, {x}.is_leaf", f"r = range({x})[0:2]", f"r = str({x})[:0]",
                         f"r = torch.equal({x}, {self.name()})", f"r = {x}.numpy().sum()", f"r = list({x})[:0]")  # fmt: skip

    def flow(self) -> str:
        then, other = self.arithmetic(), self.edit() or "pass"
        return f"if ({self.name()} > 0).sum() > {self.pick(0, 1, 2)}:\n    {then}\nelse:\n    {other}"

    def mode(self) -> str:
        inner = self.pick(self.edit, self.arithmetic, self.write_index, self._constant_view)() or "pass"
        return f"with torch.{self.pick('no_grad()', 'no_grad()', 'enable_grad()', 'set_grad_enabled(False)')}:\n    {inner}"


    def _constant_view(self) -> str | None:
        """A view without gradient: one of a tensor with gradient says in PyTorch that it needs one, even if made without."""
        x = self.name(lambda t: not t.requires_grad)
        return x and f"{self.new()} = {x}[{self.index(self.get(x))}]"


def of_leaf(t: torch.Tensor) -> bool:
    """Whether PyTorch refuses to write to it, be it before or after it looks at the index."""
    return any(b is not None and b.is_leaf and b.requires_grad for b in (t._base, t if t._base is None else None))


def overlaps(t: torch.Tensor) -> bool:
    """Whether elements share memory, as an expanded tensor's do, or one's of overlapping windows."""
    if t.numel() < 2:
        return False
    places = torch.arange(t.untyped_storage().nbytes() // t.itemsize).as_strided(t.shape, t.stride(), t.storage_offset())
    return places.unique().numel() < t.numel()


def _shape(author: Author, t: torch.Tensor) -> tuple | list:
    """A shape with as many elements, or now and then not."""
    n, shape = t.numel(), []
    for f in (2, 3, 5):
        while n and n % f == 0:
            shape.append(f)
            n //= f
    author.dice.shuffle(shape)
    while len(shape) > 1 and author.chance(2):
        shape[:2] = [shape[0] * shape[1]]
    if author.chance(5):
        shape.append(1)
    if shape and author.chance(4):
        shape[author.dice.randrange(len(shape))] = -1
    return tuple(shape) if t.numel() else tuple(t.shape)


def _window(author: Author, x: str, t: torch.Tensor) -> str | None:
    if not t.ndim or not t.numel():
        return None
    dim = author.dim(t)
    size = author.dice.randrange(1, max(t.shape) + 1)
    return f".unfold({dim}, {size}, {author.dice.randrange(1, 3)})"


def _strided(author: Author, x: str, t: torch.Tensor) -> str | None:
    if not t.is_contiguous() or t.numel() < 2 or t.storage_offset():
        return None
    n = t.numel()
    rows = author.dice.randrange(1, n // 2 + 1)
    offset = f", {author.dice.randrange(0, n - 2 * rows + 1)}" if author.chance(2) else ""
    return f".as_strided(({rows}, 2), ({author.pick(1, 2)}, {author.pick(1, rows)}){offset})"


def _other_dtype(author: Author, x: str, t: torch.Tensor) -> str | None:
    """The bytes of whole numbers as another dtype; those of rounded ones are nobody's promise."""
    if not t.numel() or t.is_floating_point() or t.is_complex():
        return None
    return f".view(torch.{author.pick('int32', 'float32', 'float64', 'int64', 'uint8', 'float16', 'complex64', 'int16')})"


VIEWS: list[Callable] = [
    lambda a, x, t: f".transpose({a.dim(t)}, {a.dim(t)})",
    lambda a, x, t: f".permute({tuple(a.dice.sample(range(t.ndim), t.ndim))})",
    lambda a, x, t: f".movedim({a.dim(t)}, {a.dim(t)})",
    lambda a, x, t: f".unsqueeze({a.dim(t)})",
    lambda a, x, t: f".squeeze({a.dim(t)})" if a.chance(2) else ".squeeze()",
    lambda a, x, t: f".select({a.dim(t)}, {a.dice.randrange(-2, 2)})",
    lambda a, x, t: f".narrow({a.dim(t)}, {a.dice.randrange(0, 2)}, {a.dice.randrange(0, 3)})",
    lambda a, x, t: ".flatten()",
    lambda a, x, t: f".view({_shape(a, t)})",
    lambda a, x, t: f".reshape({_shape(a, t)})",
    lambda a, x, t: f".expand({(2,) if a.chance(3) else ()} + tuple({x}.shape))" if a.chance(2) else f".expand(2, *{x}.shape)",
    lambda a, x, t: f".diagonal({a.dice.randrange(-1, 2)}, {a.dim(t)}, {a.dim(t)})",
    _window,
    _strided,
    lambda a, x, t: ".contiguous()",
    lambda a, x, t: f".chunk(2, {a.dim(t)})[0]",
    lambda a, x, t: f".split({a.dice.randrange(1, 3)}, {a.dim(t)})[-1]",
    lambda a, x, t: f".unbind({a.dim(t)})[0]",
    lambda a, x, t: a.pick(".T", ".mT", ".t()", ".H", ".adjoint()") if t.ndim == 2 else None,
    lambda a, x, t: a.pick(".real", ".imag"),
    _other_dtype,
    lambda a, x, t: f".unflatten({a.dim(t)}, (-1, 1))",
    lambda a, x, t: f".view_as({x})",
    lambda a, x, t: f".swapaxes({a.dim(t)}, {a.dim(t)})",
    lambda a, x, t: f".tensor_split(2, {a.dim(t)})[0]",
    lambda a, x, t: "[:]",
]
