"""XLA runs plans: the only file that imports JAX, and only its public names.

64-bit types are on inside our own contexts, so a user's JAX settings stay as they are.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from struct import Struct
from struct import error as StructError

# If nobody used JAX before us, results are waited for at once: small steps are a third faster so.
_FIRST = "jax" not in sys.modules
if _FIRST:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or a process takes most of a GPU's memory

import numpy as np  # noqa: E402

_DRAWN = np.random.get_state()  # importing JAX draws from NumPy's global generator, which is the program's own
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jax.experimental import serialize_executable  # noqa: E402
from jax.experimental.layout import Layout as Order  # noqa: E402
from jax.experimental.layout import with_layout_constraint  # noqa: E402

np.random.set_state(_DRAWN)

from .. import config  # noqa: E402
from ..devices import device  # noqa: E402
from ..dtypes import dtype  # noqa: E402
from . import diskcache, loops, memory  # noqa: E402
from .bundle import Bundle, Form, put, whole  # noqa: E402
from .interpret import compute_dtypes  # noqa: E402
from .plan import Layout, Plan  # noqa: E402
from .program import State  # noqa: E402
from .report import report, stats  # noqa: E402
from .rooms import Values  # noqa: E402
from .trace import Value, array_of  # noqa: E402

if _FIRST:
    jax.config.update("jax_cpu_enable_async_dispatch", False)

CPU = device("cpu")
LARGE = 1 << 16  # bytes from which a NumPy input is moved once and kept as XLA's


class _Namespace:
    """What an op's body gets as ``xp``: jax.numpy, and jax.lax, jax.nn, jax.scipy and jax.vmap beside it."""

    lax, nn, scipy, random, vmap = jax.lax, jax.nn, jax.scipy, jax.random, staticmethod(jax.vmap)

    def __getattr__(self, name: str) -> object:
        found = getattr(jnp, name)
        setattr(self, name, found)
        return found

    @staticmethod
    def channels_last(x: jax.Array) -> jax.Array:
        """The same images, which XLA is to keep with their channels last."""
        return with_layout_constraint(x, Order((0, *range(2, x.ndim), 1)))


XP = _Namespace()


@cache
def jax_device(where: device) -> jax.Device:
    """JAX's device for one of ours; RuntimeError if the machine has none."""
    if where.type == "cpu":
        return jax.local_devices(backend="cpu")[0]
    found = accelerators(where.type)
    index = where.index or 0
    if index >= len(found):
        raise RuntimeError(f"device '{where}': this machine has {len(found)} {where.type} devices that JAX can use")
    return found[index]


@cache
def accelerators(kind: str) -> tuple[jax.Device, ...]:
    """JAX's devices of a type ("cuda", "tpu" …); none if JAX has no such platform."""
    try:
        return tuple(jax.local_devices(backend=kind))
    except RuntimeError:
        return ()


def transfer(data: object, where: device) -> object:
    """An array on another device."""
    if where.type == "cpu":
        return np.asarray(data)
    with jax.enable_x64(True):
        return jax.device_put(data, jax_device(where))


_last: dict[device, weakref.ref] = {}  # the newest result on each device, which is done when all before it are


def wait() -> None:
    """Block until the devices have done what they were given."""
    for reference in _last.values():
        result = reference()
        if result is not None and not result.is_deleted():
            result.block_until_ready()


def _apply(state: State, operands: Sequence) -> tuple:
    """An instruction on XLA's arrays: convert, compute, convert back."""
    targets = compute_dtypes(state)
    converted = [_convert(x, d) for x, d in zip(operands, targets)]
    result = (state.op.xla)(XP, *converted, **state.static_dict())
    results = (result,) if state.aval is not None else tuple(result)
    return tuple(_convert(r, a.dtype) for r, a in zip(results, state.outs))


def _convert(x: object, target: dtype | None) -> object:
    if x is None or target is None or x.dtype == target.numpy:
        return x
    if not target.is_complex and np.issubdtype(x.dtype, np.complexfloating):
        x = x.real  # type: ignore[attr-defined]
    if _truncates() and target.numpy.kind in "iu" and jnp.issubdtype(x.dtype, jnp.floating):
        return _truncate(x, target.numpy)
    return x.astype(target.numpy)  # type: ignore[attr-defined]


@cache
def _truncates() -> bool:
    """Whether this machine's conversion makes the least number of what does not fit, as x86 does, or the nearest, as XLA does."""
    with np.errstate(invalid="ignore"):
        return bool(np.array([3e9], np.float32).astype(np.int32)[0] < 0)


def _truncate(x: object, target: np.dtype) -> object:
    """Floating-point numbers to integers as NumPy and PyTorch have it from an x86, where XLA would stop at the nearest limit.

    What does not fit becomes the least signed number, narrow integers take its low bits, and wide unsigned ones the upper half too.
    """
    signed = np.dtype(np.int64 if target.itemsize == 8 else np.int32)
    half = -float(np.iinfo(signed).min)
    x = x if x.dtype.itemsize >= 4 else x.astype(np.float32)  # type: ignore[attr-defined]

    def fitting(y: object) -> object:
        return jnp.where(abs(y) < half, y, -half).astype(signed)  # type: ignore[arg-type]

    if target.kind == "u" and target.itemsize >= 4:
        return jnp.where(x >= half, fitting(x - half) ^ np.iinfo(signed).min, fitting(x)).astype(target)  # type: ignore[operator]
    return fitting(x).astype(target)  # type: ignore[attr-defined]


class _Numbers:
    """Python numbers of a program, packed into one vector of 8-byte words, as XLA's cost is for each array.

    The vector of the last call is kept: a learning rate that stays the same is handed over once.
    """

    def __init__(self, plan: Plan):
        self.kinds = [a for state in plan.end.path() for a in state.args if isinstance(a, type)]
        self.pack = Struct("=" + "".join({float: "d", complex: "dd"}.get(k, "q") for k in self.kinds)).pack
        self.words = sum(2 if k is complex else 1 for k in self.kinds)
        self.last: tuple[bytes, object] = (b"", None)

    def avals(self) -> list[tuple]:
        return [((self.words,), np.dtype(np.int64))] if self.kinds else []

    def vectors(self, numbers: list) -> list:
        """The numbers as arguments of the executable; OverflowError for an int that 64 bits do not hold."""
        if not self.kinds:
            return []
        if complex in self.kinds:
            numbers = [x for n in numbers for x in ((n.real, n.imag) if type(n) is complex else (n,))]
        try:
            packed = self.pack(*numbers)
        except StructError as e:
            raise OverflowError(f"an int of {numbers} does not fit 64 bits") from e
        if packed != self.last[0]:
            self.last = packed, np.frombuffer(packed, np.int64)
        elif type(self.last[1]) is np.ndarray:
            self.last = packed, jax.device_put(self.last[1])
        return [self.last[1]]

    def unpack(self, vectors: Sequence) -> list:
        words = iter(vectors[0]) if self.kinds else iter(())
        return [self._number(kind, words) for kind in self.kinds]

    def _number(self, kind: type, words: Iterator) -> object:
        if kind is complex:
            return jax.lax.complex(self._number(float, words), self._number(float, words))
        word = next(words)
        return jax.lax.bitcast_convert_type(word, np.float64) if kind is float else word


def _function(plan: Plan, numbers: _Numbers, layout: Layout) -> Callable:
    """The plan as a function for jax.jit: number vectors first, then bundles, then the inputs."""
    vectors = len(numbers.avals())
    bundles = vectors + len(layout.taken)
    parts = loops.roll(plan) if plan.device.type == "cpu" else plan.steps
    columns = loops.columns(parts)

    def program(*args: object) -> tuple:
        values = Values(XP)
        values.update(zip(layout.inputs, args[bundles:]))
        values.update((~i, x) for i, x in enumerate(numbers.unpack(args[:vectors])))
        for (form, slots), array in zip(layout.taken, args[vectors:bundles]):
            values.take(form, slots, array)
        for form, slots in layout.given:
            values.prepare(form, slots, columns)
        for part in parts:
            if type(part) is loops.Loop:
                loops.run(part, values, _apply)
            else:
                values.set(range(part.slot, part.slots), _apply(part, [values.array(a) for a in loops.operands(part)]))
        return (*[values.join(slots) for _, slots in layout.given], *[values.array(slot) for slot in layout.outputs])

    return program


def compile_plan(plan: Plan) -> Callable:
    """An executable for a plan: from the disk if it was compiled before, else compiled now and kept there."""
    started = time.perf_counter()
    numbers, layout = _Numbers(plan), Layout(plan)
    place = jax_device(plan.device).device_kind
    key = diskcache.key(plan, layout, f"{jax.__version__} {place} {config.matmul_precision}")
    loaded = _from_disk(key)
    if loaded is None:
        loaded = _compile(plan, numbers, layout)
        _to_disk(key, loaded)
        stats.counts["compiled"] += 1
        report.compiled(plan, time.perf_counter() - started, cached=False)
    else:
        stats.counts["cached"] += 1
        report.compiled(plan, time.perf_counter() - started, cached=True)
    if plan.device.type == "cpu":
        memory.keep(_size(loaded))
    return _caller(plan, layout, numbers, loaded)


def _size(executable: Callable) -> int:
    """Bytes that a call allocates; 0 where XLA does not say."""
    found = executable.memory_analysis()
    return found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes if found else 0


def _from_disk(key: str) -> Callable | None:
    payload = diskcache.load(key)
    try:
        if payload is None:
            return None
        *parts, lapack = payload
        if lapack:
            _know_lapack()
        return serialize_executable.deserialize_and_load(*parts)
    except Exception:  # noqa: BLE001 (made by another JAX, or damaged: compile anew)
        return None


@cache
def _know_lapack() -> None:
    """Let JAX find LAPACK's functions, as it does when it compiles one: an executable from the disk that calls them crashes else."""
    jax.jit(jax.lax.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), np.float32))


def _to_disk(key: str, executable: Callable) -> None:
    try:
        payload = (*serialize_executable.serialize(executable), "lapack" in executable.as_text())
    except Exception:  # noqa: BLE001 (not every platform can serialize)
        return
    diskcache.store(key, payload)


def _compile(plan: Plan, numbers: _Numbers, layout: Layout) -> Callable:
    vectors = numbers.avals()
    where = jax.sharding.SingleDeviceSharding(jax_device(plan.device))
    bundles = [((form.size,), form.avals[0].dtype.numpy) for form, _ in layout.taken]
    avals = [layout.avals[slot] for slot in layout.inputs]
    forms = [*vectors, *bundles, *((a.shape, a.dtype.numpy) for a in avals)]
    with jax.enable_x64(True), _precision():
        specs = [jax.ShapeDtypeStruct(shape, d, sharding=where) for shape, d in forms]
        donated = range(len(vectors), len(vectors) + layout.donated)
        jitted = jax.jit(_function(plan, numbers, layout), donate_argnums=tuple(donated))
        return _with_options(jitted.lower(*specs), plan)


# Convolutions by Eigen and not by YNNPACK, which takes two to four times as long for most of them; and barriers that hold:
# XLA removes them before it fuses. The options are XLA's own affair: a version without them compiles as it does.
_CONVOLUTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    "xla_disable_hlo_passes": "cse_barrier_expander",
}


def _with_options(lowered, plan: Plan) -> Callable:
    if plan.device.type == "cpu" and any(s.op.name.startswith("conv") for s in plan.steps):
        try:
            return lowered.compile(compiler_options=_CONVOLUTIONS)
        except RuntimeError:
            pass
    return lowered.compile()


def _caller(plan: Plan, layout: Layout, numbers: _Numbers, executable: Callable) -> Callable:
    inputs, outputs, vectors = layout.inputs, layout.outputs, numbers.vectors
    taken, given, bundles = layout.taken, layout.given, len(layout.given)
    at_home = plan.device.type == "cpu"
    enable_x64 = jax.enable_x64

    def call(values: list[Value], scalars: list) -> None:
        arrays = [_gathered(form, [values[slot] for slot in slots]) for form, slots in taken]
        arrays += [_array(values[slot], plan.device, at_home) for slot in inputs]
        with enable_x64(True):
            results = executable(*vectors(scalars), *arrays)
        for (form, slots), array in zip(given, results):
            put([values[slot] for slot in slots], Bundle(form, array))
        for slot, result in zip(outputs, results[bundles:]):
            values[slot].data = result
        if not at_home:
            _last[plan.device] = weakref.ref(results[-1])

    return call


def _gathered(form: Form, values: list[Value]) -> object:
    """The array of a bundle: the one in which the values lie already, or a new one."""
    found = whole(values, form)
    if found is None:
        found = transfer_in(form.join(np, [np.asarray(array_of(v)) for v in values]), CPU).block_until_ready()
    return found


def _array(value: Value, where: device, at_home: bool) -> object:
    """A value's data as the executable takes it; what is large is moved once."""
    data = array_of(value)
    if type(data) is np.ndarray:
        if data.nbytes < LARGE and at_home and _is_new(value):
            return data
        moved = transfer_in(data, where).block_until_ready()  # or what runs on it would run behind our back
        if value.aval.device is where:
            value.data = moved
        return moved
    if value.aval.device is not where:  # a number on the CPU in a program of an accelerator
        return transfer_in(data, where)
    return data


def _is_new(value: Value) -> bool:
    """Whether a value is met for the first few times: moving it costs as much as five calls that take it as it is."""
    value.uses = getattr(value, "uses", 0) + 1
    return value.uses < 4


def transfer_in(data: object, where: device) -> jax.Array:
    with jax.enable_x64(True):
        return jax.device_put(data, jax_device(where))


def _precision():
    names = {"high": "tensorfloat32", "medium": "bfloat16"}
    return jax.default_matmul_precision(names.get(config.matmul_precision, "highest"))


class _ByInstruction:
    """Compiled single instructions, shared by all programs that have them."""

    def __init__(self) -> None:
        self.made: dict[tuple, Callable] = {}

    def get(self, state: State) -> Callable:
        key = (state.op, state.static, state.avals, state.outs, state.casts)
        found = self.made.get(key)
        if found is None:
            if len(self.made) > 4096:
                self.made.clear()
            found = self.made[key] = jax.jit(lambda *operands: _apply(state, operands))
        return found


_steppers = _ByInstruction()


def run_stepwise(plan: Plan, values: list[Value], numbers: list) -> None:
    """Run a cold plan on an accelerator, one compiled op after the other."""
    env = {slot: _array(values[slot], plan.device, False) for slot in plan.inputs}
    with jax.enable_x64(True), jax.default_device(jax_device(plan.device)), _precision():
        for state in plan.steps:
            number = iter(numbers[state.number : state.numbers])
            operands = [env[a] if type(a) is int else None if a is None else _scalar(next(number)) for a in state.args]
            env.update(zip(range(state.slot, state.slots), _steppers.get(state)(*operands)))
    for slot in plan.outputs:
        values[slot].data = env[slot]
        _last[plan.device] = weakref.ref(env[slot])


def _scalar(x: object) -> np.generic:
    return {float: np.float64, complex: np.complex128}.get(type(x), np.int64)(x)
