"""The pickle machine: reads opcodes, executes nothing.

Only opcodes that carry data are interpreted. What a global is, and what a call, an object's state or a persistent id
means, is asked of a host (`allowed.Host`, `report.Recorder`), which knows a fixed table. Nothing is ever imported.
Source of the opcodes' meaning: the table in the standard library's ``pickletools``.
"""

from __future__ import annotations

import codecs
import struct
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from decimal import Decimal
from pickle import decode_long
from typing import Any, BinaryIO, Protocol

from . import tensors
from .errors import FileError, RefusedError, TruncatedError

_MAX_KEY_NODES = 1000  # of a tuple used as a key: hashing one is recursive, and exponential where parts repeat
_MAX_WIDE_KEYS = 10_000  # complex numbers, and ints and Decimals past 64 bits, can be made to collide
_PLAIN_KEYS = frozenset((str, bytes, float, bool, type(None)))
_REFUSED = {
    b"i": "INST", b"o": "OBJ", b"P": "PERSID", b"\x82": "EXT1", b"\x83": "EXT2", b"\x84": "EXT4",
    b"\x92": "NEWOBJ_EX", b"\x97": "NEXT_BUFFER", b"\x98": "READONLY_BUFFER",
}  # fmt: skip


class Keys:
    """Guards the containers that a file asks for, and their keys."""

    wide_keys = 0

    def container(self, target: object, kinds: tuple[type, ...], opcode: str) -> Any:
        """The container that an opcode fills: the target itself, if it is of these kinds."""
        if type(target) not in kinds:
            names = ", ".join(kind.__name__ for kind in kinds)
            raise RefusedError(f"pickle opcode {opcode} on {type(target).__name__}: only {names}")
        return target

    def check_hash(self, cls: type) -> None:
        """Refuses keys of classes whose ``__hash__`` and ``__eq__`` are not for a file to run."""

    def finish(self) -> None:
        """Does what waits until the pickle is read."""

    def check_key(self, key: object) -> None:
        """Refuses keys whose hash would take for ever. What can't be hashed raises TypeError by itself."""
        if type(key) in _PLAIN_KEYS:
            return
        pending, seen = [key], 0
        while pending:
            part = pending.pop()
            seen += 1
            self.check_hash(type(part))
            if isinstance(part, (tuple, frozenset)):
                pending.extend(part)
            elif type(part) is slice:
                pending.extend((part.start, part.stop, part.step))
            elif _is_wide(part):
                self.wide_keys += 1
            elif type(part).__hash__ is not object.__hash__ and not isinstance(part, type) and not tensors.is_tensor(part):
                pending.extend(_hashed(part))
            if seen + len(pending) > _MAX_KEY_NODES or self.wide_keys > _MAX_WIDE_KEYS:
                raise RefusedError("a dictionary's key is built to take for ever to hash")


def _is_wide(part: object) -> bool:
    """Whether a number is one of those that can be made to collide."""
    if isinstance(part, Decimal):
        return part.adjusted() > 17
    return type(part) is complex or (isinstance(part, int) and part.bit_length() > 61)


def _hashed(part: object) -> list[object]:
    """What an object with a hash of its own may hash: its attributes, as a frozen dataclass does."""
    slots = [getattr(part, slot, None) for slot in getattr(type(part), "__slots__", ())]
    return [*getattr(part, "__dict__", {}).values(), *slots]


class Host(Protocol):
    """Gives meaning to what a pickle names."""

    def check_key(self, key: object) -> None: ...

    def finish(self) -> None: ...

    def container(self, target: object, kinds: tuple[type, ...], opcode: str) -> Any: ...

    def find_global(self, module: str, name: str) -> object: ...

    def call(self, function: object, args: tuple) -> object: ...

    def new(self, cls: object, args: tuple) -> object: ...

    def build(self, instance: object, state: object) -> None: ...

    def persistent(self, pid: object) -> object: ...


class Unpickler:
    """Interprets one pickle of ``file``; ``size`` bounds every length that the pickle claims."""

    def __init__(self, file: BinaryIO, host: Host, size: int, encoding: str = "utf-8"):
        self.file, self.host, self.size, self.encoding = file, host, size, encoding
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The pickled value. RefusedError for what would be executed, FileError for what can't be read."""
        try:
            value = self._run()
            self.host.finish()
            return value
        except FileError:
            raise
        except (IndexError, struct.error) as error:
            raise TruncatedError(f"damaged pickle: {error or 'the stack is empty'}") from None
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise FileError(f"damaged pickle: {type(error).__name__}: {str(error)[:300]}") from error

    def _run(self) -> Any:
        read, table = self.file.read, _TABLE
        while True:
            code = read(1)
            if code == b".":
                return self.stack.pop()
            step = table.get(code)
            if step is None:
                self._unknown(code)
            step(self)  # type: ignore[misc]

    def _unknown(self, code: bytes) -> None:
        if not code:
            raise TruncatedError("the pickle has no end (Ran out of input)")
        if code in _REFUSED:
            named = b" " + b".".join((self.line(), self.line())) if code == b"i" else b""
            opcode = _REFUSED[code] + named.decode("utf-8", "replace")
            raise RefusedError(f"pickle opcode {opcode} is refused: it imports or calls, and no checkpoint needs it")
        raise FileError(f"unknown pickle opcode {code!r}")

    def take(self, n: int) -> bytes:
        if n < 0 or n > self.size:
            raise TruncatedError(f"the pickle claims {n} bytes in a file of {self.size}")
        data = self.file.read(n)
        if len(data) != n:
            raise TruncatedError("the pickle ends too early (Ran out of input)")
        return data

    def line(self) -> bytes:
        text = self.file.readline(self.size + 1)
        if not text.endswith(b"\n"):
            raise TruncatedError("the pickle ends inside a line")
        return text[:-1]

    def unpack(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items


def _target(machine: Unpickler, kinds: tuple[type, ...], opcode: str) -> Any:
    return machine.host.container(machine.stack[-1], kinds, opcode)


def _mark(machine: Unpickler) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _pop(machine: Unpickler) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _append(machine: Unpickler) -> None:
    item = machine.stack.pop()
    _extend(_target(machine, (list,), "APPEND"), [item])


def _appends(machine: Unpickler) -> None:
    items = machine.pop_mark()
    _extend(_target(machine, (list,), "APPENDS"), items)


def _extend(target: Any, items: list[Any]) -> None:
    """By Python's own method, whatever a class puts in its place."""
    (deque if isinstance(target, deque) else list).extend(target, items)


def _add_items(machine: Unpickler) -> None:
    items = machine.pop_mark()
    target = _target(machine, (set,), "ADDITEMS")
    for item in items:
        machine.host.check_key(item)
        target.add(item)


def _frozen_set(machine: Unpickler) -> None:
    items = machine.pop_mark()
    for item in items:
        machine.host.check_key(item)
    machine.stack.append(frozenset(items))


def _set_pairs(machine: Unpickler, items: list[Any], opcode: str) -> None:
    if len(items) % 2:
        raise FileError(f"damaged pickle: {opcode} with a key that has no value")
    target = _target(machine, (dict, OrderedDict, Counter), opcode)
    put = OrderedDict.__setitem__ if isinstance(target, OrderedDict) else dict.__setitem__
    for key, value in zip(items[::2], items[1::2]):
        machine.host.check_key(key)
        put(target, key, value)


def _set_item(machine: Unpickler) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set_pairs(machine, [key, value], "SETITEM")


def _set_items(machine: Unpickler) -> None:
    _set_pairs(machine, machine.pop_mark(), "SETITEMS")


def _dict(machine: Unpickler) -> None:
    items = machine.pop_mark()
    machine.stack.append({})
    _set_pairs(machine, items, "DICT")


def _list(machine: Unpickler) -> None:
    items = machine.pop_mark()
    machine.stack.append(items)


def _tuple(machine: Unpickler) -> None:
    items = machine.pop_mark()
    machine.stack.append(tuple(items))


def _tuple_of(n: int) -> Callable[[Unpickler], None]:
    def make(machine: Unpickler) -> None:
        if len(machine.stack) < n:
            raise IndexError(f"a tuple of {n} from a stack of {len(machine.stack)}")
        machine.stack[-n:] = [tuple(machine.stack[-n:])]

    return make


def _get(index: Callable[[Unpickler], int]) -> Callable[[Unpickler], None]:
    def get(machine: Unpickler) -> None:
        where = index(machine)
        if where not in machine.memo:
            raise FileError(f"damaged pickle: memo {where} is read before it is written")
        machine.stack.append(machine.memo[where])

    return get


def _put(index: Callable[[Unpickler], int]) -> Callable[[Unpickler], None]:
    def put(machine: Unpickler) -> None:
        machine.memo[index(machine)] = machine.stack[-1]

    return put


def _global(machine: Unpickler) -> None:
    module, name = machine.line().decode(), machine.line().decode()
    machine.stack.append(machine.host.find_global(module, name))


def _stack_global(machine: Unpickler) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise RefusedError("pickle opcode STACK_GLOBAL needs two strings")
    machine.stack.append(machine.host.find_global(module, name))


def _args(machine: Unpickler, opcode: str) -> tuple:
    args = machine.stack.pop()
    if type(args) is not tuple:
        raise RefusedError(f"pickle opcode {opcode} needs a tuple of arguments, got {type(args).__name__}")
    return args


def _reduce(machine: Unpickler) -> None:
    args = _args(machine, "REDUCE")
    machine.stack[-1] = machine.host.call(machine.stack[-1], args)


def _new_object(machine: Unpickler) -> None:
    args = _args(machine, "NEWOBJ")
    machine.stack[-1] = machine.host.new(machine.stack[-1], args)


def _build(machine: Unpickler) -> None:
    state = machine.stack.pop()
    machine.host.build(machine.stack[-1], state)


def _persistent(machine: Unpickler) -> None:
    machine.stack[-1] = machine.host.persistent(machine.stack[-1])


def _string(machine: Unpickler, data: bytes) -> str | bytes:
    return data if machine.encoding == "bytes" else data.decode(machine.encoding)


def _quoted(machine: Unpickler) -> str | bytes:
    text = machine.line()
    if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b'"', b"'"):
        raise FileError("damaged pickle: a string without its quotes")
    return _string(machine, codecs.escape_decode(text[1:-1])[0])


def _int_line(machine: Unpickler) -> int | bool:
    text = machine.line()
    return {b"00": False, b"01": True}[text] if text in (b"00", b"01") else int(text)


def _protocol(machine: Unpickler) -> None:
    version = machine.take(1)[0]
    if version > 5:
        raise FileError(f"pickle protocol {version}: 5 is the newest that is read")


def _frame(machine: Unpickler) -> None:
    length = machine.unpack("<Q")
    if length > machine.size:
        raise TruncatedError(f"the pickle claims a frame of {length} bytes in a file of {machine.size}")


def _memoize(machine: Unpickler) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _pushing(value: Callable[[Unpickler], Any]) -> Callable[[Unpickler], None]:
    return lambda machine: machine.stack.append(value(machine))


def _text(length: str) -> Callable[[Unpickler], None]:
    return _pushing(lambda m: str(m.take(m.unpack(length)), "utf-8", "surrogatepass"))


_byte: Callable[[Unpickler], int] = lambda m: m.take(1)[0]  # noqa: E731
_word: Callable[[Unpickler], int] = lambda m: m.unpack("<I")  # noqa: E731
_decimal: Callable[[Unpickler], int] = lambda m: int(m.line())  # noqa: E731

_TABLE: dict[bytes, Callable[[Unpickler], None]] = {
    b"\x80": _protocol, b"\x95": _frame,
    b"(": _mark, b"0": _pop, b"1": lambda m: m.pop_mark() and None, b"2": _pushing(lambda m: m.stack[-1]),  # type: ignore[dict-item]
    b"N": _pushing(lambda m: None), b"\x88": _pushing(lambda m: True), b"\x89": _pushing(lambda m: False),
    b"J": _pushing(lambda m: m.unpack("<i")), b"K": _pushing(_byte), b"M": _pushing(lambda m: m.unpack("<H")),
    b"\x8a": _pushing(lambda m: decode_long(m.take(_byte(m)))), b"\x8b": _pushing(lambda m: decode_long(m.take(m.unpack("<i")))),
    b"I": _pushing(_int_line), b"L": _pushing(lambda m: int(m.line().rstrip(b"L"))),
    b"G": _pushing(lambda m: m.unpack(">d")), b"F": _pushing(lambda m: float(m.line())),
    b"X": _text("<I"), b"\x8c": _text("<B"), b"\x8d": _text("<Q"),
    b"V": _pushing(lambda m: str(m.line(), "raw-unicode-escape")), b"S": _pushing(_quoted),
    b"U": _pushing(lambda m: _string(m, m.take(_byte(m)))), b"T": _pushing(lambda m: _string(m, m.take(m.unpack("<i")))),
    b"B": _pushing(lambda m: m.take(_word(m))), b"C": _pushing(lambda m: m.take(_byte(m))),
    b"\x8e": _pushing(lambda m: m.take(m.unpack("<Q"))), b"\x96": _pushing(lambda m: bytearray(m.take(m.unpack("<Q")))),
    b")": _pushing(lambda m: ()), b"]": _pushing(lambda m: []), b"}": _pushing(lambda m: {}), b"\x8f": _pushing(lambda m: set()),
    b"t": _tuple, b"\x85": _tuple_of(1), b"\x86": _tuple_of(2), b"\x87": _tuple_of(3),
    b"l": _list, b"d": _dict, b"\x91": _frozen_set,
    b"a": _append, b"e": _appends, b"s": _set_item, b"u": _set_items, b"\x90": _add_items,
    b"h": _get(_byte), b"j": _get(_word), b"g": _get(_decimal),
    b"q": _put(_byte), b"r": _put(_word), b"p": _put(_decimal), b"\x94": _memoize,
    b"c": _global, b"\x93": _stack_global, b"R": _reduce, b"\x81": _new_object, b"b": _build, b"Q": _persistent,
}  # fmt: skip
