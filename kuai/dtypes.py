"""Data types: PyTorch's names and promotion, NumPy's storage.

One table. Everything that has to know a dtype (printing, files, promotion, both executors) reads it here.
"""

from __future__ import annotations

import builtins
import math
from functools import cache

import numpy as np


class dtype:
    """A data type, with the meaning of ``torch.dtype``. There is one object for each.

    >>> import kuai as torch
    >>> torch.float32, torch.float32.itemsize, torch.int64.is_floating_point
    (torch.float32, 4, False)
    """

    __slots__ = ("name", "numpy", "itemsize", "is_floating_point", "is_complex", "is_signed", "rank")

    numpy: np.dtype
    itemsize: builtins.int

    def __init__(self, name: str, numpy: object, kind: str, rank: int):
        self.name = name
        if isinstance(numpy, builtins.int):  # one of ml_dtypes', which is imported when one is used: the bytes that it takes
            self.itemsize = numpy
        else:
            self.numpy = np.dtype(numpy)
            self.itemsize = self.numpy.itemsize
        self.is_floating_point = kind == "float"
        self.is_complex = kind == "complex"
        self.is_signed = kind in ("float", "complex", "int")
        self.rank = rank

    def __getattr__(self, name: str) -> np.dtype:
        if name != "numpy":
            raise AttributeError(f"'torch.dtype' object has no attribute '{name}'")
        import ml_dtypes

        self.numpy = np.dtype(getattr(ml_dtypes, self.name))
        return self.numpy

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str | tuple:
        return (by_name, (self.name,))

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: dict) -> dtype:
        return self

    @property
    def category(self) -> int:
        """0 for bool, 1 for integers, 2 for floats, 3 for complex numbers: PyTorch promotes by category first."""
        return self.rank // 100

    def to_complex(self) -> dtype:
        """The complex type whose parts have this type."""
        return {"float16": complex32, "float64": complex128, "complex128": complex128}.get(self.name, complex64)

    def to_real(self) -> dtype:
        """The type of the real part."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)


# The rank orders a category; float16 and bfloat16 stand beside each other, and together give float32.
bool = bool_ = dtype("bool", np.bool_, "bool", 0)
uint8 = dtype("uint8", np.uint8, "uint", 100)
int8 = dtype("int8", np.int8, "int", 101)
int16 = dtype("int16", np.int16, "int", 102)
int32 = dtype("int32", np.int32, "int", 103)
int64 = dtype("int64", np.int64, "int", 104)
uint16 = dtype("uint16", np.uint16, "uint", 110)
uint32 = dtype("uint32", np.uint32, "uint", 111)
uint64 = dtype("uint64", np.uint64, "uint", 112)
float8_e4m3fn = dtype("float8_e4m3fn", 1, "float", 200)
float8_e5m2 = dtype("float8_e5m2", 1, "float", 200)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", 1, "float", 200)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", 1, "float", 200)
bfloat16 = dtype("bfloat16", 2, "float", 202)
float16 = dtype("float16", np.float16, "float", 202)
float32 = dtype("float32", np.float32, "float", 203)
float64 = dtype("float64", np.float64, "float", 204)
complex64 = dtype("complex64", np.complex64, "complex", 301)
complex128 = dtype("complex128", np.complex128, "complex", 302)
complex32 = complex64  # no executor has a 32-bit complex; its results are complex64

half, double, short, long = float16, float64, int16, int64
float, int = float32, int32
cfloat, cdouble = complex64, complex128

ALL = {d.name: d for d in list(globals().values()) if isinstance(d, dtype)}
ALIASES = {"half": half, "float": float, "double": double, "short": short, "int": int, "long": long,
           "cfloat": cfloat, "cdouble": cdouble, "bool": bool_}  # fmt: skip
_SMALL = (float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, bfloat16)
_OF_NUMPY = {d.numpy: d for d in ALL.values() if d not in _SMALL}
_OF_PYTHON = {builtins.bool: bool_, builtins.int: int64, builtins.float: float32, complex: complex64}
_default = float32


class Absent(dtype):
    """A dtype by name only: it can be asked for and compared, and no tensor has it. Its use is a NotImplementedError."""

    __slots__ = ()

    def __init__(self, name: str):
        self.name = name

    def __reduce__(self) -> str | tuple:
        return (Absent, (self.name,))

    def __eq__(self, other: object) -> builtins.bool:
        return isinstance(other, Absent) and other.name == self.name

    def __hash__(self) -> builtins.int:
        return hash(self.name)

    def __getattr__(self, attribute: str) -> object:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise NotImplementedError(f"torch.{self.name}: neither NumPy nor XLA computes with this dtype here; use one of {', '.join(ALL)}")


ABSENT = {name: Absent(name) for name in (
    "complex32 quint8 qint8 qint32 quint4x2 quint2x4 float8_e8m0fnu float4_e2m1fn_x2 bits1x8 bits2x4 bits4x2 bits8 bits16 "
    "uint1 uint2 uint3 uint4 uint5 uint6 uint7 int1 int2 int3 int4 int5 int6 int7").split()}  # fmt: skip
ABSENT["chalf"] = ABSENT["complex32"]


def by_name(name: str) -> dtype:
    return ALL[name]


def from_numpy(numpy_dtype: object) -> dtype:
    """The dtype of a NumPy dtype; TypeError if there is none."""
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype in _OF_NUMPY:
        return _OF_NUMPY[numpy_dtype]
    given = np.dtype(numpy_dtype).newbyteorder("=")
    found = _OF_NUMPY.get(given) or next((d for d in _SMALL if given.name == d.name and given == d.numpy), None)
    if found is None:
        names = ", ".join(d.name for d in ALL.values())
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{np.dtype(numpy_dtype)}. The only supported types are: {names}."
        )
    return found


def as_dtype(given: object) -> dtype:
    """A dtype from itself or from Python's bool, int, float, complex."""
    if isinstance(given, dtype):
        return given
    if isinstance(given, type) and given in _OF_PYTHON:
        return {builtins.float: float64, complex: complex128}.get(given, _OF_PYTHON[given])
    raise TypeError(f"dtype must be a torch.dtype, not {type(given).__name__} ({given!r})")


def get_default_dtype() -> dtype:
    """The floating-point dtype of new tensors (``torch.get_default_dtype``).

    >>> import kuai as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the floating-point dtype of new tensors (``torch.set_default_dtype``); TypeError for others.

    >>> import kuai as torch
    >>> torch.set_default_dtype(torch.float64)
    >>> torch.ones(1).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, not {d}")
    _default = d
    promote_scalar.cache_clear()


def default_for(kind: type) -> dtype:
    """The dtype of a tensor made from Python numbers of this type."""
    if kind is builtins.float:
        return _default
    if kind is complex:
        return _default.to_complex()
    return _OF_PYTHON[kind]


@cache
def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that both convert to (``torch.promote_types``).

    >>> import kuai as torch
    >>> torch.promote_types(torch.int32, torch.float16)
    torch.float16
    """
    if type1 is type2:
        return type1
    for i, given in enumerate((type1, type2), 1):
        if not isinstance(given, dtype):
            raise TypeError(f"promote_types(): argument 'type{i}' (position {i}) must be torch.dtype, not {type(given).__name__}")
    low, high = (type1, type2) if type1.rank <= type2.rank else (type2, type1)
    if low.category < high.category or low is bool_:
        return high if not (high.is_complex and low is float64) else complex128
    if low.category == 2 and 200 in (low.rank, high.rank):
        raise RuntimeError(f"Promotion for Float8 Types is not supported, attempted to promote {type1} and {type2}")
    if low.rank == high.rank:
        return float32
    if high.category == 1 and high.rank >= 110:
        raise RuntimeError(f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {type1} and {type2}")
    if low is uint8 and high is int8:
        return int16
    return high


@cache
def promote_scalar(d: dtype, kind: type) -> dtype:
    """The dtype of an operation between a tensor of ``d`` and a Python number: the number counts by category only."""
    category = {builtins.bool: 0, builtins.int: 1, builtins.float: 2, complex: 3}[kind]
    if d.category >= category:
        return d
    if category == 3:
        return d.to_complex() if d.is_floating_point else _default.to_complex()
    return default_for(kind)


def can_cast(from_: dtype, to: dtype) -> builtins.bool:
    """Whether a result of ``from_`` may be written into ``to`` (``torch.can_cast``).

    >>> import kuai as torch
    >>> torch.can_cast(torch.double, torch.float), torch.can_cast(torch.float, torch.int)
    (True, False)
    """
    from_, to = _of_kind("can_cast", from_), _of_kind("can_cast", to)
    if from_.category == 1 and not to.category and to is bool_:
        return False
    if from_.is_signed and not to.is_signed and from_.category == to.category == 1:
        return True
    return from_.category <= to.category


def _of_kind(name: str, given: object) -> dtype:
    if not isinstance(given, dtype):
        raise TypeError(f"{name}(): argument 'type' (position 1) must be torch.dtype, not {given.__class__.__name__}")
    return given


class finfo:
    """The limits of a floating-point dtype (``torch.finfo``): bits, eps, max, min, tiny, smallest_normal, resolution.

    >>> import kuai as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    bits: int
    eps: float
    max: float
    min: float
    tiny: float
    smallest_normal: float
    resolution: float

    def __init__(self, type: dtype | None = None):  # noqa: A002 (PyTorch's name)
        given = _of_kind("finfo", type if type is not None else _default)
        if not (given.is_floating_point or given.is_complex):
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{given}'")
        import ml_dtypes

        info = ml_dtypes.finfo(given.to_real().numpy)
        self.dtype = given.to_real().name
        self.bits = info.bits
        for name in ("eps", "max", "min", "tiny", "smallest_normal"):
            setattr(self, name, builtins.float(getattr(info, name)))
        self.resolution = builtins.float(f"1e{math.ceil(math.log10(self.eps))}")  # the last decimal digit that always holds

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{n}={getattr(self, n):g}' for n in names)}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """The limits of an integer dtype (``torch.iinfo``): bits, max, min.

    >>> import kuai as torch
    >>> torch.iinfo(torch.int8).max
    127
    """

    def __init__(self, type: dtype):  # noqa: A002 (PyTorch's name)
        if _of_kind("iinfo", type).category != 1:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
        info = np.iinfo(type.numpy)
        self.dtype, self.bits = type.name, info.bits
        self.max, self.min = builtins.int(info.max), builtins.int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
