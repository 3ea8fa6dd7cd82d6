"""Plain Python objects in checkpoints: PyTorch and kuai read what the other wrote, and a file stays data."""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import io
import pathlib
import pickle
import random
import subprocess
import sys
import tempfile
import threading
import types
import uuid

import numpy as np
import pytest

import kuai
from kuai.files.errors import FileError, RefusedError
from tests import oracle
from tests.test_files_attacks import P2, archive, text
from tests.test_files_modules import saved

torch = oracle.torch


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Flags(enum.Flag):
    A = 1
    B = 2


class Strategy(str, enum.Enum):  # noqa: UP042 (as packages have it)
    NO = "no"


@dataclasses.dataclass
class Config:
    width: int = 3
    color: Color = Color.RED
    names: list = dataclasses.field(default_factory=list)

    class Inner:
        """A class inside of a class."""

        def __eq__(self, other):
            return type(other) is type(self) and vars(self) == vars(other)


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: object


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int
    y: str = "y"


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    x: object


class Slots:
    __slots__ = ("__dict__", "a")

    def __eq__(self, other):
        return self.a == other.a and vars(self) == vars(other)


class Stateful:
    def __init__(self, x):
        self.x = x

    def __getstate__(self):
        return ("state", self.x)

    def __setstate__(self, state):
        self.x = state[1]

    def __eq__(self, other):
        return self.x == other.x


class Reduced(Stateful):
    def __reduce__(self):
        return Reduced, (self.x,)


class Point(collections.namedtuple("Point", "x y")):  # noqa: SLOT002
    pass


Pair = collections.namedtuple("Pair", "a b")


class Attributes(dict):
    """As programs have it: items that are attributes too."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.__dict__ = self


class Meters(collections.OrderedDict):
    pass


class Counts(collections.Counter):
    pass


class Defaults(collections.defaultdict):
    pass


class Items(list):
    pass


class Name(str):
    pass


class Number(float):
    pass


def function(x, y=2):
    return x + y


def attributes(cls, **values):
    made = cls()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def defaults(cls=collections.defaultdict):
    made = cls(list)
    made["a"].append(1)
    return made


def itself():
    made = Config()
    made.names.append(made)
    return made


UTC = datetime.timezone.utc  # noqa: UP017
VALUES = {
    "namespace": argparse.Namespace(lr=0.1, layers=[1, 2], name="x"), "simple namespace": types.SimpleNamespace(a=1),
    "dataclass": Config(4, Color.BLUE, ["a"]), "frozen": {Frozen((1, 2)): Frozen("a")}, "slots of a dataclass": [Slotted(1), FrozenSlots(2)],
    "slots": attributes(Slots, a=1, b=2), "nested class": attributes(Config.Inner, a=1), "state": Stateful([1]),
    "enums": [Color.RED, Color.BLUE, Level.LOW, Flags.A | Flags.B, Strategy.NO, {Color.RED: 1}],
    "named tuples": [Point(1, 2), Pair(3, [4])],
    "dicts": [Attributes(a=1, b=Attributes(c=2)), Meters(b=1, a=2), attributes(Meters, extra=1), Counts("aab"), defaults(), defaults(Defaults)],
    "nested defaultdict": collections.defaultdict(functools.partial(collections.defaultdict, int), a=collections.defaultdict(int, b=1)),
    "lists": [Items([1, 2]), collections.deque([1, 2], 3), collections.deque("ab"), collections.UserList([1]), collections.UserDict(a=1)],
    "derived values": [Name("n"), Number(1.5)], "sets": [frozenset([1, "a"]), frozenset(), {frozenset([2])}],
    "dates": [datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 2, 3, 4, 5, 6), datetime.datetime(2024, 1, 2, tzinfo=UTC),
              datetime.time(1, 2, 3), datetime.timedelta(1, 2, 3), datetime.timezone(datetime.timedelta(hours=2), "X")],
    "paths": [pathlib.Path("/tmp/x"), pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("c:\\x")],
    "decimals": [decimal.Decimal("1.10"), decimal.Decimal("-Infinity")],
    "built in": [range(0, 10, 3), slice(1, None, 2), slice(None), 1 + 2j, b"ab", bytearray(b"c"), ..., NotImplemented],
    "types": [int, str, dict, list, type(None), type(...), object, Config, Color, Config.Inner, collections.OrderedDict, np.float32, np.ndarray,
              collections.defaultdict, datetime.datetime, decimal.Decimal, pathlib.PurePath],
    "numpy objects": [np.array([{"a": Color.RED}, None], dtype=object), np.array([["2020-01-01"], ["1960-02-03"]], dtype="M8[D]"), np.timedelta64(25, "s"),
                      np.datetime64("2020-01-01T00:00", "ns"), np.dtype("m8[25s]"), np.dtype(object)],
    "numbers": [fractions.Fraction(-1, 3), uuid.UUID(int=5)],
    "dtype classes": [type(np.dtype("f4"))], "functions": [function], "numpy": [np.arange(3), np.float64(2), np.dtype("i4")],
    "random": [random.Random(0).getstate(), np.random.RandomState(0).get_state(), np.random.default_rng(0).bit_generator.state],
}  # fmt: skip


def equal(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        same = list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
        return same and getattr(a, "default_factory", None) is getattr(b, "default_factory", None) or _partials(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b)) and (not isinstance(a, Meters) or vars(a) == vars(b))
    return a == b


def _partials(a, b):
    first, second = (x.default_factory for x in (a, b))
    return isinstance(first, functools.partial) and first.__reduce__()[2] == second.__reduce__()[2]


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_objects_go_both_ways(value, new):
    kept = {"value": value, "again": value}
    for writer in (kuai, torch):
        for reader in (kuai, torch):
            file = saved(functools.partial(writer.save, _use_new_zipfile_serialization=new), kept)
            found = reader.load(file, weights_only=False)
            assert equal(found["value"], value), (writer.__name__, reader.__name__)
            assert found["again"] is found["value"]


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_other_protocols_of_pytorchs_are_read(value, protocol):
    file = saved(functools.partial(torch.save, pickle_protocol=protocol), value)
    assert equal(kuai.load(file, weights_only=False), value)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
def test_tensors_inside_of_objects(new):
    config = Config(names=[kuai.ones(2)])
    config.names.append(config.names[0][1:])
    save = functools.partial(kuai.save, _use_new_zipfile_serialization=new)
    for reader in (kuai, torch):
        found = reader.load(saved(save, {"args": argparse.Namespace(c=config)}), weights_only=False)["args"].c
        found.names[0].fill_(5)
        assert found.names[1].tolist() == [5.0]


def test_generators():
    for writer in (kuai, torch):
        for reader in (kuai, torch):
            made = writer.Generator().manual_seed(5)
            writer.rand(3, generator=made)
            found = reader.load(saved(writer.save, made), weights_only=False)
            assert found.initial_seed() == 5
            assert reader.rand(3, generator=found).tolist() == writer.rand(3, generator=made).tolist()


def test_partial_functions():
    functions = [kuai.nn.functional.relu, kuai.nn.init.zeros_]
    assert kuai.load(saved(kuai.save, functions), weights_only=False) == functions
    assert torch.load(saved(kuai.save, functions), weights_only=False) == [torch.nn.functional.relu, torch.nn.init.zeros_]
    value = [functools.partial(function, 1, y=5), functools.partial(kuai.nn.LayerNorm, eps=1e-3), functools.partial(functools.partial(function, 2))]
    for reader in (kuai, torch):
        ours, norm, nested = reader.load(saved(kuai.save, value), weights_only=False)
        assert ours() == 6 and nested() == 4 and ours.func is function
        assert norm(2).eps == 1e-3 and isinstance(norm(2), reader.nn.LayerNorm)
    assert kuai.load(saved(torch.save, functools.partial(function, 3)), weights_only=False)() == 5


def test_objects_that_hold_themselves():
    for writer in (kuai, torch):
        for reader in (kuai, torch):
            found = reader.load(saved(writer.save, itself()), weights_only=False)
            assert found.names[0] is found


READER = """
import io, sys, torch
file = io.BytesIO(sys.stdin.buffer.read())
value = torch.load(file, weights_only=False)
assert 'kuai' not in sys.modules
print(repr(value))
"""


def test_a_process_of_pytorchs_alone_reads_them():
    names = ("namespace", "dates", "paths", "decimals", "built in")
    value = {name: VALUES[name] for name in names}
    for new in (True, False):
        given = saved(functools.partial(kuai.save, _use_new_zipfile_serialization=new), value).getvalue()
        done = subprocess.run([sys.executable, "-c", READER], input=given, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.decode().strip() == repr(value)


# ---- weights_only ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["namespace", "dataclass", "enums", "nested class", "dicts", "dates", "paths", "built in", "types", "functions"])
def test_objects_are_refused_by_default_as_pytorch_refuses_them(name):
    for writer in (kuai, torch):
        for reader in (kuai, torch):
            with pytest.raises(pickle.UnpicklingError, match="add_safe_globals"):
                reader.load(saved(writer.save, VALUES[name]))


@pytest.mark.parametrize(
    ("value", "trusted"),
    [(VALUES["namespace"], [argparse.Namespace]), (VALUES["dataclass"], [Config, Color]), (Frozen(1), [Frozen]), (Slotted(1), [Slotted]),
     (Reduced(3), [Reduced]), (Stateful(3), [Stateful]), (Color.BLUE, [Color]), (datetime.timedelta(3), [datetime.timedelta]),
     (attributes(Slots, a=1, b=2), [Slots])],
)  # fmt: skip
def test_safe_globals_let_them_in(value, trusted):
    for reader in (kuai, torch):
        file = saved(kuai.save, value)
        with reader.serialization.safe_globals(trusted):
            assert reader.load(file) == value


def test_elements_of_other_lists_stay_refused_as_pytorch_refuses_them():
    for reader in (kuai, torch):
        with reader.serialization.safe_globals([collections.defaultdict, list]), pytest.raises(pickle.UnpicklingError, match="SETITEM"):
            reader.load(saved(kuai.save, defaults()))


# ---- what stays refused ------------------------------------------------------------------------------------------------


class Derived(tempfile._TemporaryFileCloser):
    """A class of the program's whose end is the standard library's: it removes a file."""


def call(module, name, *args):
    return f"c{module}\n{name}\n(".encode() + b"".join(args) + b"tR"


def make(module, name, state=b"}"):
    return f"c{module}\n{name}\n".encode() + b")\x81" + state + b"b"


HERE = __name__
BYTES = call("_codecs", "encode", text("12345678"), text("latin1"))
GADGETS = {
    "a class of the standard library's that removes files": (make("tempfile", "_TemporaryFileCloser"), "tempfile"),
    "a class of the program's that ends as it does": (make(HERE, "Derived"), "Derived"),
    "a module that the program imports": (f"c{HERE}\nsubprocess\n".encode(), "subprocess"),
    "a class by way of the program's module": (f"c{HERE}\nsubprocess.Popen\n".encode(), "Popen"),
    "a class's attribute by way of getattr": (call("builtins", "getattr", f"c{HERE}\nConfig\n".encode(), text("__init__")), "__init__"),
    "a module by way of getattr": (call("builtins", "getattr", f"c{HERE}\nConfig\n".encode(), text("__module__")), "__module__"),
    "an attribute of an object": (call("builtins", "getattr", make(HERE, "Stateful", text("ab")), text("x")), "getattr|attribute"),
    "a constructor of the program's": (call(HERE, "Stateful", b"K\x01"), "constructor"),
    "a function of the program's": (call(HERE, "function", b"K\x01"), "calls"),
    "a class of three arguments": (call("builtins", "type", text("x"), b")", b"}"), "type|argument"),
    "a partial of a function of Python's": (call("functools", "partial", b"cbuiltins\neval\n"), "eval"),
    "a partial of a value": (call("functools", "partial", text("x")), "partial"),
    "a partial that changes": (call("functools", "partial", f"c{HERE}\nfunction\n".encode()) + b"(" + text("x") + b")}Ntb", "partial"),
    "a call of a partial": (call("functools", "partial", f"c{HERE}\nfunction\n".encode()) + b")R", "calls"),
    "a factory of Python's": (call("collections", "defaultdict", b"cbuiltins\ninput\n"), "input"),
    "a factory that is a value": (call("collections", "defaultdict", text("x")), "defaultdict"),
    "a factory of the standard library's": (call("collections", "defaultdict", b"csubprocess\nPopen\n"), "Popen"),
    "state of a class": (f"c{HERE}\nConfig\n".encode() + b"}" + text("width") + b"K\x05sb", "BUILD"),
    "state of a member": (call(HERE, "Color", text("red")) + b"}" + text("x") + b"K\x05sb", "BUILD"),
    "state of a function": (f"c{HERE}\nfunction\n".encode() + b"}" + text("__code__") + b"Nsb", "BUILD"),
    "another class in place of a slot": (make(HERE, "Slots", b"N}" + text("__class__") + f"c{HERE}\nStateful\n".encode() + b"s\x86"), "slot"),
    "attributes that are no text": (make(HERE, "Config", b"}K\x01K\x01s"), "attributes"),
    "arguments of a maker": (f"c{HERE}\nConfig\n".encode() + b"K\x01\x85\x81", "arguments"),
    "a huge range of text": (call("builtins", "range", text("1"), text("2")), "range"),
    "a number of text": (f"c{HERE}\nNumber\n".encode() + text("1") + b"\x85\x81", "float"),
    "bytes that are no date": (call("datetime", "date", text("abcd")), "date"),
    "a pattern that takes for ever": (call("re", "_compile", text("(a+)+$"), b"K\x00"), "re._compile"),
    "a logger": (call("logging", "getLogger", text("x")), "getLogger"),
    "an import": (call("importlib", "import_module", text("this")), "importlib"),
    "a generator of code": (call("types", "FunctionType", b"N", b"}"), "FunctionType"),
    "no member of an Enum": (call(HERE, "Color", text("green")), "no value"),
    "a constructor in the clothes of a container": (call(HERE, "Meters", b"]"), "constructor"),
    "a Decimal of words": (call("decimal", "Decimal", text("ab")), "Decimal"),
    "a Fraction of nothing": (call("fractions", "Fraction", b"K\x01", b"K\x00"), "Fraction"),
    "an object in memory": (
        call("numpy._core.multiarray", "scalar", call("numpy", "dtype", text("O8"), b"\x89", b"\x88"), BYTES), "OBJECT|object"),
    "an array of objects in memory": (
        call("numpy._core.numeric", "_frombuffer", BYTES, call("numpy", "dtype", text("O8"), b"\x89", b"\x88"), b"K\x01\x85", text("C")), "OBJECT|object"),
    "an array of objects from bytes": (
        call("numpy._core.multiarray", "_reconstruct", b"cnumpy\nndarray\n", b"K\x00\x85", BYTES) + b"(K\x01K\x01\x85"
        + call("numpy", "dtype", text("O8"), b"\x89", b"\x88") + b"\x89" + BYTES + b"tb", "state of a NumPy array"),
    "dates of no unit": (
        call("numpy", "dtype", text("M8"), b"\x89", b"\x88") + b"(K\x04" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00N("
        + text("D") + b"K\x01K\x00K\x01t\x86tb", "unit"),
    "a state that is no generator's": (call("torch", "Generator", text("cpu")) + b"(K\x01NN" + b"tb", "Byte"),
    "keys that collide": (
        b"}(" + b"".join(call("decimal", "Decimal", text(str(k * (2**61 - 1)))) + b"N" for k in range(9, 11_000)) + b"u", "hash"),
    "keys that hash for ever": (
        b"}" + make(HERE, "Frozen", b"}" + text("x") + b")" + b"q\x00h\x00\x86" * 60 + b"s") + b"K\x01s", "hash"),
}  # fmt: skip


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("name", GADGETS)
def test_files_execute_nothing(name, new):
    data, word = GADGETS[name]
    data = P2 + data + b"."
    header = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    file = archive(data) if new else io.BytesIO(header + data + pickle.dumps([], 2))
    with pytest.raises(FileError, match=word):
        kuai.load(file, weights_only=False)
    assert "this" not in sys.modules


def test_nothing_is_imported_not_even_by_lazy_modules(monkeypatch):
    lazy = types.ModuleType("lazy_package")
    asked = []
    lazy.__getattr__ = asked.append
    monkeypatch.setitem(sys.modules, "lazy_package", lazy)
    with pytest.raises(RefusedError, match=r"lazy_package\.Thing"):
        kuai.load(archive(P2 + make("lazy_package", "Thing") + b"."), weights_only=False)
    assert asked == []
    with pytest.raises(RefusedError, match="import absent_package first"):
        kuai.load(archive(P2 + make("absent_package", "Thing") + b"."), weights_only=False)


PACKAGE = """
import collections, dataclasses, enum
from kuai import nn

class Plain: pass
@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int = 0
class Proxy:
    @property
    def __class__(self): raise SystemExit
class Looking:
    def __getattribute__(self, name): raise SystemExit
class Shown:
    def __repr__(self): raise SystemExit
class Hashed:
    def __hash__(self): raise SystemExit
class Equal:
    __hash__ = object.__hash__
    def __eq__(self, other): raise SystemExit
class Started:
    def __init__(self, command): raise SystemExit
class Added(dict):
    def add(self, item): raise SystemExit
class Net(nn.Module): pass
class Restoring(nn.Module):
    def __setstate__(self, state): raise SystemExit
class Meta(type):
    def __new__(meta, name, bases, members): raise SystemExit
class Worded(str):
    def __eq__(self, other): raise SystemExit
    __hash__ = str.__hash__
class Setting:
    def __setstate__(self, state): raise SystemExit
class Making:
    def __new__(cls): raise SystemExit
class Ending:
    def __del__(self): pass
class Ordered(collections.OrderedDict):
    def __del__(self): pass
class Kind(enum.Enum):
    A = 1
    @classmethod
    def _missing_(cls, value): raise SystemExit
"""


@pytest.fixture
def package(monkeypatch, tmp_path):
    """An installed package."""
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "a_package_for_files.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    yield importlib.import_module("a_package_for_files")
    del sys.modules["a_package_for_files"]


def test_methods_of_packages_do_not_run(package):
    """An installed package's plain class is filled with its attributes; its ``__setstate__`` and its end are not for a file."""
    made = kuai.load(archive(P2 + make("a_package_for_files", "Plain", b"}" + text("x") + b"K\x01s") + b"."), weights_only=False)
    assert type(made) is package.Plain and made.x == 1
    assert kuai.load(archive(P2 + call("a_package_for_files", "Kind", b"K\x01") + b"."), weights_only=False) is package.Kind.A
    refused = {name: make("a_package_for_files", name) for name in ("Setting", "Making", "Ending", "Ordered")}
    refused |= {"Ordered": call("a_package_for_files", "Ordered"), "Kind": call("a_package_for_files", "Kind", b"K\x02")}
    for name, data in refused.items():
        with pytest.raises(FileError, match=name):
            kuai.load(archive(P2 + data + b"."), weights_only=False)


def test_what_looks_at_objects_of_packages_runs_nothing_of_theirs(package):
    """Not even what a proxy does when isinstance asks for its class, or an error message for its repr, or a dictionary for a hash."""

    def of(name):
        return make("a_package_for_files", name)

    word = b"ca_package_for_files\nWorded\n" + text("latin1") + b"\x85\x81"
    partial = call("functools", "partial", b"ca_package_for_files\nStarted\n")
    refused = {
        "Proxy": of("Proxy"), "Looking": of("Looking"), "Restoring": of("Restoring"), "Hashed": b"}" + of("Hashed") + b"Ns",
        "Equal": b"}" + of("Equal") + b"Ns", "Shown": call("functools", "partial", of("Shown")),
        "Shown object": of("Shown") + b")R", "Started": partial, "defaultdict": call("collections", "defaultdict", b"ca_package_for_files\nStarted\n"),
        "ADDITEMS|add": b"\x80\x04" + of("Added") + b"(K\x01\x90", "Meta": b"ca_package_for_files\nMeta\n" + text("X") + b")}\x87\x81",
        "latin1": call("_codecs", "encode", text("x"), word), "NumPy dtype": call("numpy", "dtype", word), "persistent": b"(" + word + b"NNNNtQ",
    }  # fmt: skip
    for name, data in refused.items():
        with pytest.raises(FileError, match=name):
            kuai.load(archive(P2 + data + b"."), weights_only=False)
    for value in (package.Net(), {package.Frozen(3): 1}, functools.partial(package.Net)):
        found = kuai.load(saved(kuai.save, value), weights_only=False)
        assert type(found) is type(value) and (not isinstance(value, dict) or found == value)
    for trusted in (functools.partial(package.Started), collections.defaultdict(package.Started)):
        with kuai.serialization.safe_globals([package.Started]):
            assert type(kuai.load(saved(kuai.save, trusted), weights_only=False)) is type(trusted)


class Asking:
    """Asks its state for what may not be there."""

    def __setstate__(self, state):
        self.found = state["absent"]


def fail():
    raise SystemExit


def test_factories_are_called_by_nobody_while_a_file_is_read():
    state = call("collections", "defaultdict", f"c{HERE}\nfail\n".encode())
    with pytest.raises(FileError, match="absent"):
        kuai.load(archive(P2 + make(HERE, "Asking", state) + b"."), weights_only=False)
    assert kuai.load(archive(P2 + state + b"."), weights_only=False).default_factory is fail


def test_a_partial_keeps_the_function_that_was_looked_at():
    data = call("functools", "partial", b"cbuiltins\nint\n") + b"(" + f"c{HERE}\nfail\n".encode() + b")}Ntb"
    with pytest.raises(FileError, match="partial"):
        kuai.load(archive(P2 + data + b"."), weights_only=False)


# ---- what can't be saved -----------------------------------------------------------------------------------------------


def unsavable():
    class Local:
        pass

    return {"lambda": lambda x: x, "local class": Local, "object of a local class": Local(), "file": sys.stdout.buffer, "lock": threading.Lock(),
            "generator": (x for x in ()), "module": io, "bound": threading.Lock().acquire}  # fmt: skip


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("name", unsavable())
def test_what_no_file_can_hold_is_named_with_its_place(tmp_path, name, new):
    value = {"args": argparse.Namespace(held=[0, unsavable()[name]])}
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as theirs:
        torch.save(value, tmp_path / "theirs.pt")
    (tmp_path / "theirs.pt").unlink()
    (tmp_path / "ours.pt").write_bytes(b"before")
    with pytest.raises(theirs.type, match=r"obj\['args'\]\['held'\]\[1\].* is a "):
        kuai.save(value, tmp_path / "ours.pt", _use_new_zipfile_serialization=new)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("ours.pt", b"before")]
    out = io.BytesIO()
    with pytest.raises(theirs.type):
        kuai.save(value, out, _use_new_zipfile_serialization=new)
    assert out.getvalue() == b""


def test_objects_that_are_built_by_a_constructor_of_their_own():
    """PyTorch calls it. Here the class has to be trusted."""
    file = saved(kuai.save, Reduced(3))
    assert torch.load(file, weights_only=False).x == 3
    file.seek(0)
    with pytest.raises(RefusedError, match=r"constructor.*add_safe_globals"):
        kuai.load(file, weights_only=False)
    file.seek(0)
    with kuai.serialization.safe_globals([Reduced]):
        assert kuai.load(file, weights_only=False).x == 3
