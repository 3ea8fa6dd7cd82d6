"""PyTorch's own operators by name and overload: ``torch.ops.aten.add.Tensor``.

A name stands for the function or the method of that name: ``add``, ``add_``, ``view``; names of PyTorch's alone are in `ops.inner`
and its neighbours. An overload takes the arguments of its function and gives what that gives.

>>> import kuai as torch
>>> torch.ops.aten.add.Tensor(torch.ones(2), torch.ones(2), alpha=2), torch.ops.aten.relu(torch.tensor([-1.]))
(tensor([3., 3.]), tensor([0.]))
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from ..arguments import checked
from .absent import ABSENT

# Operators that are no public functions, by the module of `ops` that has them.
INNER = {
    **dict.fromkeys(
        "native_dropout_backward max_pool2d_with_indices_backward _upsample_bilinear2d_aa _upsample_bicubic2d_aa index index_put "
        "index_put_ alias".split(),
        "inner",
    ),
    **dict.fromkeys(
        "_flash_attention_forward _efficient_attention_forward _scaled_dot_product_flash_attention_for_cpu".split(),
        "fused_attention",
    ),
    "slice": "copies.slice_",
}

# Functions of torch.nn.functional that take what the operator of their name takes, in its order.
FUNCTIONAL = frozenset(
    "adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d avg_pool2d avg_pool3d elu elu_ gelu glu hardsigmoid "
    "hardswish hardtanh hardtanh_ leaky_relu leaky_relu_ linear max_pool2d_with_indices max_pool3d_with_indices mish one_hot pad "
    "relu6 scaled_dot_product_attention silu softplus softshrink".split()
)
RENAMED = {"im2col": "unfold", "col2im": "fold", "log_sigmoid": "logsigmoid"}

# Modules whose functions are operators of a longer name: fft_rfft, linalg_inv, special_erfcx.
PREFIXES = ("fft", "linalg", "special")

# What the package has under names that no operator has.
NO_OPERATORS = frozenset("as_tensor asarray from_dlpack from_numpy frombuffer is_storage is_tensor tensor typename storage".split())

# The names that PyTorch's schemas have for overloads, but for those that end in out.
OVERLOADS = frozenset(
    "IntList Scalar ScalarList ScalarOpt_dim ScalarOpt_dim_dtype ScalarOpt_dtype Scalar_Scalar Scalar_Tensor Scalar_mode Tensor "
    "TensorList TensorList_bins Tensor_Scalar Tensor_Tensor Tensor_mode array bins_tensor bool correction decimals default deprecated "
    "device dim dim_IntList dim_int dim_max dim_min dims dtype float float_Tensor float_float generator grad_input indices input "
    "int int_Scalar int_Tensor int_bins int_int intlist list low low_dtype low_generator low_generator_dtype memory_format names "
    "no_stats other other_scalar padding padding_idx periodic periodic_alpha periodic_alpha_beta reduce scalar self self_Tensor "
    "self_int sections size sizes source_Storage source_Storage_storage_offset source_Tensor source_Tensor_storage_offset "
    "ScalarAndTensor Scalar_Self stable start start_step str_ord src step tensor_indices_or_sections to_int unique_by_key using_ints "
    "value value_reduce values values_stable vec x x_scalar".split()
)


class Overload:
    """One overload of an operator (``torch._ops.OpOverload``): a call is a call of the function that its name stands for."""

    def __init__(self, packet: Packet, name: str):
        self.overloadpacket, self._overload, self.namespace = packet, name, "aten"
        self.__name__ = f"{packet.__name__}.{name}"
        self.__qualname__, self._overloadname = f"aten::{self.__name__}", name

    def __deepcopy__(self, memo: dict) -> Overload:
        return self

    def decompose(self, *args: object, **kwargs: object) -> object:
        """The operator of other operators: here it is the function itself."""
        return self(*args, **kwargs)

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.overloadpacket(*args, **kwargs)

    def name(self) -> str:
        """The qualified name: ``aten::add.Tensor``; ``aten::relu`` for the default overload."""
        plain = f"aten::{self.overloadpacket.__name__}"
        return plain if self._overload == "default" else f"{plain}.{self._overload}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='aten.{self.overloadpacket.__name__}', overload='{self._overload}')>"

    def __str__(self) -> str:
        return f"aten.{self.__name__}"


class Packet:
    """An operator, with its overloads as attributes (``torch._ops.OpOverloadPacket``)."""

    def __init__(self, name: str, function: Callable):
        self.__name__, self.function = name, function
        self._qualified_op_name = f"aten::{name}"
        self.__doc__, self.__qualname__ = function.__doc__, f"torch.ops.aten.{name}"

    def __deepcopy__(self, memo: dict) -> Packet:
        return self

    def __call__(self, *args: object, **kwargs: object) -> object:
        try:
            return self.function(*args, **kwargs)
        except TypeError as error:  # arguments that are of no schema
            raise RuntimeError(f"aten::{self.__name__}() {error}") from None

    def __getattr__(self, overload: str) -> Overload:
        if overload[:2] == "__" or overload not in OVERLOADS and not overload.endswith("out"):
            raise AttributeError(f"The underlying op of 'aten.{self.__name__}' has no overload name '{overload}'")
        found = Overload(self, overload)
        setattr(self, overload, found)
        return found

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self.__name__}')>"

    def __str__(self) -> str:
        return f"aten.{self.__name__}"


def _from_families(found: object) -> bool:
    """Whether a function is one of the families; in their shells they are the package's."""
    place = getattr(found, "__module__", None) or ""
    return place == "kuai" or place.startswith(("kuai.ops", "kuai.nn.functions"))


def _function(name: str) -> Callable | None:
    """The function that an operator's name stands for, or None."""
    import kuai

    if name in INNER:
        place, _, there = INNER[name].partition(".")
        return checked(getattr(import_module(f"kuai.ops.{place}"), there or name))
    for place in ("kernels", "backward")[name.endswith("_backward") :]:
        found = vars(import_module(f"{__name__}.{place}")).get(name)
        if found is not None and found.__module__.startswith("kuai.aten"):
            return found
    if name in FUNCTIONAL or name in RENAMED:
        return getattr(kuai.nn.functional, RENAMED.get(name, name))
    prefix, _, rest = name.partition("_")
    if prefix in PREFIXES and rest:
        return getattr(getattr(kuai, prefix), rest, None)
    found = None if name in NO_OPERATORS else getattr(kuai, name, None)
    if not callable(found) or not _from_families(found):
        found = getattr(kuai.Tensor, name, None)
    return found if callable(found) else None


def _missing(name: str) -> Callable:
    def call(*args: object, **kwargs: object) -> object:
        raise NotImplementedError(f"torch.ops.aten.{name}: kuai has no such operator; call the public function that uses it in PyTorch")

    call.__doc__ = f"PyTorch's operator {name}, which kuai has not."
    return call


@cache
def _packet(name: str) -> Packet:
    found = None if name.startswith("__") else _function(name)
    if found is None and name in ABSENT:
        found = _missing(name)
    if found is None:
        raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute {name!r}: kuai has no operator of this name")
    return Packet(name, found)


def __getattr__(name: str) -> Packet:
    """An operator by its name."""
    return _packet(name)
