"""The Python function of a graph (``torch.fx.graph.CodeGen``): a line for each node, which forgets what is not used any more."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..tensor import Tensor
from ..utils import _pytree
from .names import Namespace, custom_builtins, public_name, qualified_name, type_repr
from .node import Node

REFLECTABLE = {
    "add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "floordiv": "{} // {}", "truediv": "{} / {}", "div": "{} / {}",
    "mod": "{} % {}", "pow": "{} ** {}", "lshift": "{} << {}", "rshift": "{} >> {}", "and_": "{} & {}", "or_": "{} | {}",
    "xor": "{} ^ {}", "getitem": "{}[{}]", "matmul": "{} @ {}",
}  # fmt: skip
MAGIC = {
    "eq": "{} == {}", "ne": "{} != {}", "lt": "{} < {}", "gt": "{} > {}", "le": "{} <= {}", "ge": "{} >= {}", "pos": "+{}",
    "neg": "-{}", "invert": "~{}", **REFLECTABLE,
}  # fmt: skip
INPLACE = {
    "iadd": "{} += {}", "iand": "{} &= {}", "ifloordiv": "{} //= {}", "ilshift": "{} <<= {}", "imod": "{} %= {}", "imul": "{} *= {}",
    "imatmul": "{} @= {}", "ior": "{} |= {}", "ipow": "{} **= {}", "irshift": "{} >>= {}", "isub": "{} -= {}", "itruediv": "{} /= {}",
    "ixor": "{} ^= {}", "setitem": "{}[{}] = {}",
}  # fmt: skip
_GENERIC = {list: typing.List, dict: typing.Dict, set: typing.Set, frozenset: typing.FrozenSet, tuple: typing.Tuple}  # noqa: UP006


@dataclass
class PythonCode:
    """The text of a graph's function, and the globals that it names."""

    src: str
    globals: dict[str, Any]
    _lineno_map: dict[int, int | None] | None = None
    _prologue_start: int = 0


class PyTreeInfo(NamedTuple):
    """How a function's own arguments and result lie in the graph's flat ones."""

    orig_args: list[str]
    in_spec: _pytree.TreeSpec
    out_spec: _pytree.TreeSpec | None


def dotted(base: str, target: str) -> str:
    """An attribute by its path; ``getattr`` for parts that are no names."""
    for part in target.split("."):
        base = f"{base}.{part}" if part.isidentifier() else f'getattr({base}, "{part}")'
    return base


class CodeGen:
    """Writes a graph's function; to be derived from for another signature or another return."""

    def __init__(self) -> None:
        self._body_transformer: Callable[[list[str]], list[str]] | None = None
        self._func_name = "forward"

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The function's first line."""
        if not free_vars or free_vars[0] != "self":
            free_vars.insert(0, "self")
        return f"def {self._func_name}({', '.join(free_vars)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any, *, repr_fn: Callable[[Any], str] = repr) -> str:
        """The return statement."""
        return f"return {repr_fn(output_args)}"

    def process_inputs(self, *args: Any) -> Any:
        """The graph's inputs from the function's arguments."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """The function's result from the graph's outputs."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """More names for the function's globals, with what they mean."""
        return []

    def _gen_python_code(self, nodes: Iterable[Node], root_module: str, namespace: Namespace) -> PythonCode:
        return _Writer(self, list(nodes), root_module, namespace).written()


class PyTreeCodeGen(CodeGen):
    """A function whose arguments are flattened first, and whose results are put back into their shape."""

    def __init__(self, pytree_info: PyTreeInfo):
        super().__init__()
        self.pytree_info = pytree_info

    def process_inputs(self, *inputs: Any) -> Any:
        """The leaves of all arguments."""
        return _pytree.tree_leaves(inputs)

    def process_outputs(self, outputs: Any) -> Any:
        """The leaves in the result's own shape."""
        spec = self.pytree_info.out_spec
        if spec is None:
            return outputs
        return _pytree.tree_unflatten(outputs if isinstance(outputs, (list, tuple)) else [outputs], spec)

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The function's first line, and one that takes its arguments apart."""
        arguments = self.pytree_info.orig_args
        head = super().gen_fn_def(list(arguments), maybe_return_annotation)
        if not free_vars:
            return head
        given = [a for a in arguments if a != "self"]
        own = ["self"] if len(given) < len(arguments) else []
        names = [v.split(":")[0].split("=")[0].strip() for v in (*own, *free_vars)]
        return f"{head}\n    {', '.join(names)}, = pytree.tree_leaves(({', '.join([*own, *given])},))"

    def generate_output(self, output_args: Any, *, repr_fn: Callable[[Any], str] = repr) -> str:
        """The return statement, which puts the leaves back."""
        if self.pytree_info.out_spec is None:
            return super().generate_output(output_args, repr_fn=repr_fn)
        return f"return pytree.tree_unflatten({repr_fn(output_args)}, self._out_spec)"


class _Writer:
    """One writing of a graph: the lines so far, and the globals that they name."""

    def __init__(self, codegen: CodeGen, nodes: list[Node], root: str, namespace: Namespace):
        self.codegen, self.nodes, self.root, self.namespace = codegen, nodes, root, namespace
        self.globals: dict[str, Any] = {}
        self.free: list[str] = []
        self.wrapped: dict[str, None] = {}
        self.returns = ""
        self.dying = _last_uses(nodes)

    def written(self) -> PythonCode:
        for name, (_, obj) in custom_builtins().items():
            self.globals[self.namespace.create_name(name, obj)] = obj
        body = [line for node in self.nodes for line in (self._line(node), self._forget(node)) if line] or ["pass\n"]
        wraps = "".join(f'{self._global("wrap", _wrap())}("{name}")\n' for name in self.wrapped)
        if self.codegen._body_transformer:
            body = self.codegen._body_transformer(body)
        for name, value in self.codegen.additional_globals():
            self._global(name, value)
        head = self.codegen.gen_fn_def(self.free, self.returns)
        text = "\n".join("    " + line for line in "".join(body).lstrip("\n").split("\n"))
        return PythonCode(f"\n{wraps.rstrip()}\n\n{head}\n{text}", self.globals)

    def _global(self, hint: str, obj: Any) -> str:
        """The name by which the function calls something from outside."""
        known = public_name(obj) if callable(obj) else None
        if known is not None and known != "torch.device":
            return known
        name = self.namespace.create_name(hint, obj)
        self.globals.setdefault(name, obj)
        return name

    def _type(self, o: Any) -> str:
        if o == ():
            return "()"
        if isinstance(o, types.UnionType):
            return "|".join(map(self._type, typing.get_args(o)))
        origin = getattr(o, "__origin__", None)
        if origin is None:
            return self._global(type_repr(o), o)
        if isinstance(o, typing._GenericAlias):  # type: ignore[attr-defined]
            origin = _GENERIC.get(origin, origin)
        name, inner = self._global(type_repr(origin), origin), typing.get_args(o)
        return f"{name}[{','.join(map(self._type, inner))}]" if inner else name

    def _repr(self, arg: Any) -> str:
        if isinstance(arg, Node):
            return repr(arg)
        if isinstance(arg, tuple):
            if hasattr(arg, "_fields"):
                return f"{self._global(qualified_name(type(arg)), type(arg))}({', '.join(map(self._repr, arg))})"
            return f"({self._repr(arg[0])},)" if len(arg) == 1 else f"({', '.join(map(self._repr, arg))})"
        if isinstance(arg, list):
            return f"[{', '.join(map(self._repr, arg))}]"
        if isinstance(arg, dict):
            return "{" + ", ".join(f"{self._repr(k)}: {self._repr(v)}" for k, v in arg.items()) + "}"
        if isinstance(arg, slice):
            return f"slice({self._repr(arg.start)}, {self._repr(arg.stop)}, {self._repr(arg.step)})"
        if isinstance(arg, enum.Enum):
            return f"{self._global(type(arg).__name__, type(arg))}.{arg.name}"
        if isinstance(arg, Tensor):
            return f"torch.Tensor(size={list(arg.shape)}, dtype={str(arg.dtype).split('.')[-1]})"
        if callable(arg) and hasattr(arg, "__name__"):
            return self._global(qualified_name(arg), arg)
        return repr(arg)

    def _call(self, args: Sequence, kwargs: dict) -> str:
        return ", ".join([*map(self._repr, args), *(f"{k} = {self._repr(v)}" for k, v in kwargs.items())])

    def _line(self, node: Node) -> str:
        kind = "" if node.type is None else f" : {self._type(node.type)}"
        return str(getattr(self, f"_write_{node.op}")(node, f"{node!r}{kind} = "))

    def _write_placeholder(self, node: Node, _: str) -> str:
        kind = "" if node.type is None else f" : {self._type(node.type)}"
        default = f" = {self._repr(node.args[0])}" if node.args else ""
        self.free.append(f"{node.target}{kind}{default}")
        name = str(node.target).replace("*", "")
        return "" if name == repr(node) else f"{node!r} = {name}\n"

    def _write_get_attr(self, node: Node, head: str) -> str:
        return head + dotted(self.root, str(node.target))

    def _write_call_module(self, node: Node, head: str) -> str:
        return f"{head}{dotted(self.root, str(node.target))}({self._call(node.args, node.kwargs)})"

    def _write_call_method(self, node: Node, head: str) -> str:
        return f"{head}{dotted(self._repr(node.args[0]), str(node.target))}({self._call(node.args[1:], node.kwargs)})"

    def _write_call_function(self, node: Node, head: str) -> str:
        target: Any = node.target
        name = getattr(target, "__name__", "")
        if getattr(target, "__module__", "") == "_operator" and name in MAGIC:
            return head + MAGIC[name].format(*map(self._repr, node.args))
        if getattr(target, "__module__", "") == "_operator" and name in INPLACE:
            return f"{INPLACE[name].format(*map(self._repr, node.args))};  {head}{self._repr(node.args[0])}"
        if target is getattr and len(node.args) == 2 and str(node.args[1]).isidentifier():
            return head + dotted(self._repr(node.args[0]), node.args[1])
        called = self._global(qualified_name(target), target)
        if node.meta.get("is_wrapped"):
            self.wrapped.setdefault(called)
        return f"{head}{called}({self._call(node.args, node.kwargs)})"

    def _write_output(self, node: Node, _: str) -> str:
        if node.type is not None:
            self.returns = f" -> {self._type(node.type)}"
        return self.codegen.generate_output(node.args[0], repr_fn=self._repr)

    def _forget(self, node: Node) -> str:
        """What follows a line: the names that die there."""
        if node.op == "placeholder":
            return ""
        dead = [] if node.op == "output" else [*self.dying.get(node, ()), *([] if node.users else [node])]
        return f";  {' = '.join(map(repr, dead))} = None\n" if dead else "\n"


def _last_uses(nodes: list[Node]) -> dict[Node, list[Node]]:
    """For each node, those whose results nobody takes after it."""
    seen: set[Node] = set()
    dying: dict[Node, list[Node]] = {}
    for node in reversed(nodes):
        for given in node.all_input_nodes:
            if given not in seen:
                seen.add(given)
                dying.setdefault(node, []).append(given)
    return dying


def _wrap() -> Callable:
    from .tracer import wrap

    return wrap
