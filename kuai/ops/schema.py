"""Schemas of operators: ``mine::scale(Tensor x, float by=1.0, *, bool fast=False) -> Tensor``, and their arguments."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from ..tensor import Tensor

_HEAD = re.compile(r"^\s*(?:(\w+)::)?(\w+)(?:\.(\w+))?\s*\((.*)\)\s*->\s*(.+?)\s*$", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")


class Argument(NamedTuple):
    """One argument: its type as written, its default (a string, or None for none), whether it has to be named."""

    type: str
    name: str
    default: str | None
    keyword: bool

    @property
    def mutated(self) -> bool:
        return "!" in self.type

    def accepts(self, value: object) -> bool:
        """Whether a value is of the type, as far as overloads tell types apart."""
        kind = re.sub(r"\([^)]*\)", "", self.type)
        if value is None:
            return "?" in kind
        if kind.startswith("Tensor"):
            return isinstance(value, (tuple, list)) if "[" in kind else isinstance(value, Tensor)
        if kind.rstrip("?") in _NUMBERS:
            return isinstance(value, _NUMBERS[kind.rstrip("?")])
        return not isinstance(value, Tensor)


_NUMBERS = {"int": int, "SymInt": int, "float": (int, float), "Scalar": (int, float, complex), "bool": bool, "str": str}


class Schema:
    """A parsed schema; ValueError says what cannot be read."""

    def __init__(self, text: str, namespace: str | None = None):
        found = _HEAD.match(text)
        if found is None:
            raise RuntimeError(f"schema {text!r}: expected 'name(Type argument, …) -> Type'")
        given, self.name, overload, arguments, self.returns = found.groups()
        if given and namespace and given != namespace:
            raise ValueError(f"schema {text!r} is for the library {given!r}, and was given to {namespace!r}")
        self.namespace, self.overload = given or namespace or "", overload or ""
        self.qualname = f"{self.namespace}::{self.name}"
        self.arguments = _parse_arguments(arguments, text)

    def __str__(self) -> str:
        overload = f".{self.overload}" if self.overload else ""
        shown = [f"{a.type} {a.name}" + (f"={a.default}" if a.default is not None else "") for a in self.arguments]
        keywords = next((i for i, a in enumerate(self.arguments) if a.keyword), None)
        if keywords is not None:
            shown.insert(keywords, "*")
        return f"{self.qualname}{overload}({', '.join(shown)}) -> {self.returns}"

    __repr__ = __str__

    def bind(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """All arguments in the schema's order, defaults filled in; RuntimeError says which is missing or unknown."""
        positional = [a for a in self.arguments if not a.keyword]
        if len(args) > len(positional):
            raise RuntimeError(f"{self.qualname}() expected at most {len(positional)} argument(s) but received {len(args)}. "
                               f"Declaration: {self}")  # fmt: skip
        values = dict(zip((a.name for a in positional), args))
        for name, value in kwargs.items():
            if name in values or name not in {a.name for a in self.arguments}:
                raise RuntimeError(f"{self.qualname}() got an unknown or repeated argument '{name}'. Declaration: {self}")
            values[name] = value
        for a in self.arguments:
            self._fill(a, values)
        return tuple(values[a.name] for a in positional), {a.name: values[a.name] for a in self.arguments if a.keyword}

    def _fill(self, a: Argument, values: dict) -> None:
        if a.name not in values:
            if a.default is None:
                raise RuntimeError(f"{self.qualname}() is missing value for argument '{a.name}'. Declaration: {self}")
            values[a.name] = default(a.default)
        elif not a.accepts(values[a.name]):
            raise RuntimeError(f"{self.qualname}() Expected a value of type '{a.type}' for argument '{a.name}' but instead found "
                               f"type '{type(values[a.name]).__name__}'. Declaration: {self}")  # fmt: skip

    def fits(self, args: tuple, kwargs: dict) -> bool:
        """Whether the arguments are of this schema's types: how an overload is chosen."""
        try:
            self.bind(args, kwargs)
        except RuntimeError:
            return False
        return True


def default(text: str) -> object:
    """A default's value: None, numbers, strings and lists; other words stay as they are."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)


def _parse_arguments(text: str, schema: str) -> tuple[Argument, ...]:
    found, keyword = [], False
    for part in _split(text):
        if part == "*":
            keyword = True
            continue
        declared, equals, value = part.partition("=")
        kind, _, name = declared.strip().rpartition(" ")
        if not kind or not _NAME.fullmatch(name):
            raise RuntimeError(f"schema {schema!r}: cannot read the argument {part!r}, expected 'Type name' or 'Type name=default'")
        found.append(Argument(kind, name, value.strip() if equals else None, keyword))
    return tuple(found)


def _split(text: str) -> list[str]:
    """The parts between commas that stand outside brackets and quotes."""
    parts, depth, start, quote = [], 0, 0, ""
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts
