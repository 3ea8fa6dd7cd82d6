"""kuai: reads like PyTorch, starts like NumPy and ends like XLA.

>>> import kuai as torch
>>> from kuai import nn
>>> nn.Linear(20, 10)(torch.ones(2, 20)).shape
torch.Size([2, 10])
"""

from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING as _TYPE_CHECKING

import numpy as _numpy  # noqa: F401 (here, as imports from within other imports may take twice as long: CPython's frames lie in chunks)

__version__ = "0.1.0"

from . import autograd as autograd
from . import cuda as cuda
from . import methods as _methods
from . import ops as _families
from . import random as random
from . import return_types as return_types
from . import typed as _typed
from .arguments import check as _check
from .autograd import enable_grad as enable_grad
from .autograd import inference_mode as inference_mode
from .autograd import no_grad as no_grad
from .autograd import set_grad_enabled as set_grad_enabled
from .autograd.modes import is_grad_enabled as is_grad_enabled
from .autograd.modes import is_inference_mode_enabled as is_inference_mode_enabled
from .config import get_float32_matmul_precision as get_float32_matmul_precision
from .config import set_engine as set_engine
from .config import set_float32_matmul_precision as set_float32_matmul_precision
from .devices import device as device
from .devices import get_default_device as get_default_device
from .devices import set_default_device as set_default_device
from .dtypes import (
    bfloat16,
    bool_,
    can_cast,
    complex64,
    complex128,
    dtype,
    finfo,
    float8_e4m3fn,
    float8_e4m3fnuz,
    float8_e5m2,
    float8_e5m2fnuz,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .engine import Size as Size
from .engine import explain as explain
from .engine import synchronize as synchronize
from .errors import AcceleratorError as AcceleratorError
from .errors import OutOfMemoryError as OutOfMemoryError
from .layouts import layout, sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr, strided
from .ops import storages as _storages
from .ops.activation import sigmoid, tanh
from .ops.adaptive_pooling import adaptive_avg_pool1d
from .ops.added_products import addbmm, addmm, addmv, addr, baddbmm
from .ops.comparison import (
    allclose,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    clamp,
    clamp_max,
    clamp_min,
    clip,
    eq,
    equal,
    fmax,
    fmin,
    ge,
    greater,
    greater_equal,
    gt,
    isclose,
    isfinite,
    isin,
    isinf,
    isnan,
    isneginf,
    isposinf,
    le,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    ne,
    not_equal,
    where,
)
from .ops.complex_numbers import (
    angle,
    conj,
    conj_physical,
    imag,
    is_conj,
    is_neg,
    isreal,
    polar,
    real,
    resolve_conj,
    resolve_neg,
    sgn,
    view_as_complex,
    view_as_real,
)
from .ops.complex_numbers import complex_ as complex
from .ops.conversion import clone, detach
from .ops.convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from .ops.copies import (
    alias_copy,
    as_strided_copy,
    as_strided_scatter,
    detach_copy,
    diagonal_copy,
    diagonal_scatter,
    expand_copy,
    narrow_copy,
    permute_copy,
    select_copy,
    select_scatter,
    slice_copy,
    slice_scatter,
    split_copy,
    split_with_sizes_copy,
    squeeze_copy,
    t_copy,
    transpose_copy,
    unbind_copy,
    unfold_copy,
    unsqueeze_copy,
    view_as_complex_copy,
    view_as_real_copy,
    view_copy,
)
from .ops.creation import as_tensor, asarray, empty, from_dlpack, from_numpy, frombuffer, full, ones, scalar_tensor, tensor, zeros
from .ops.cumulative import (
    cummax,
    cummin,
    cumprod,
    cumsum,
    cumulative_trapezoid,
    diff,
    gradient,
    logcumsumexp,
    trapezoid,
    trapz,
)
from .ops.dense import bilinear as bilinear
from .ops.dropout import alpha_dropout, dropout, feature_alpha_dropout, feature_dropout
from .ops.elementwise import (
    abs,
    absolute,
    acos,
    acosh,
    add,
    addcdiv,
    addcmul,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    deg2rad,
    exp,
    exp2,
    expm1,
    float_power,
    hypot,
    lerp,
    log,
    log1p,
    log2,
    log10,
    mul,
    multiply,
    neg,
    negative,
    positive,
    pow,
    rad2deg,
    reciprocal,
    rsqrt,
    rsub,
    sin,
    sinh,
    sqrt,
    square,
    sub,
    subtract,
    tan,
    true_divide,
)
from .ops.geometry import channels_last, channels_last_3d, contiguous_format, memory_format, preserve_format
from .ops.householder import geqrf, orgqr, ormqr
from .ops.indexing import (
    argwhere,
    index_add,
    index_copy,
    index_fill,
    index_put,
    index_select,
    masked_fill,
    masked_scatter,
    masked_select,
    nonzero,
    put,
    take,
)
from .ops.joining import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    cat,
    chunk,
    column_stack,
    concat,
    concatenate,
    dsplit,
    dstack,
    hsplit,
    hstack,
    row_stack,
    split,
    split_with_sizes,
    stack,
    tensor_split,
    unbind,
    unsafe_chunk,
    unsafe_split,
    unsafe_split_with_sizes,
    vsplit,
    vstack,
)
from .ops.least_squares import pinverse
from .ops.likes import empty_like, full_like, ones_like, zeros_like
from .ops.linalg import (
    cholesky,
    cross,
    det,
    frobenius_norm,
    logdet,
    lu,
    lu_solve,
    matrix_exp,
    matrix_power,
    nuclear_norm,
    qr,
    slogdet,
    svd,
    trace,
)
from .ops.lu import lu_unpack
from .ops.matrix import (
    bmm,
    chain_matmul,
    dot,
    einsum,
    ger,
    inner,
    kron,
    matmul,
    mm,
    mv,
    outer,
    tensordot,
    vdot,
)
from .ops.normalization import rms_norm
from .ops.padding import constant_pad_nd as constant_pad_nd
from .ops.pooling import avg_pool1d, max_pool1d, max_pool1d_with_indices, max_pool2d, max_pool3d
from .ops.queries import (
    empty_permuted,
    empty_strided,
    get_device,
    is_complex,
    is_floating_point,
    is_inference,
    is_nonzero,
    is_same_size,
    is_signed,
    is_storage,
    is_tensor,
    numel,
    range,
    result_type,
    typename,
)
from .ops.random import (
    bernoulli,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .ops.ranges import arange, eye, linspace, logspace
from .ops.rectifiers import celu, hardshrink, prelu, relu, rrelu, selu, threshold
from .ops.reduction import (
    all,
    any,
    cdist,
    cosine_similarity,
    count_nonzero,
    dist,
    mean,
    nanmean,
    nansum,
    norm,
    pairwise_distance,
    pdist,
    prod,
    renorm,
    sum,
)
from .ops.rounding import (
    ceil,
    copysign,
    div,
    divide,
    fix,
    floor,
    floor_divide,
    fmod,
    frac,
    frexp,
    gcd,
    heaviside,
    lcm,
    ldexp,
    nan_to_num,
    nextafter,
    remainder,
    round,
    sign,
    signbit,
    trunc,
)
from .ops.scatter import gather, index_reduce, scatter, scatter_add, scatter_reduce, take_along_dim
from .ops.searching import amax, amin, aminmax, argmax, argmin, bucketize, max, min, searchsorted
from .ops.shape import (
    block_diag,
    broadcast_shapes,
    broadcast_tensors,
    cartesian_prod,
    combinations,
    diag,
    diag_embed,
    diagflat,
    flip,
    fliplr,
    flipud,
    meshgrid,
    repeat_interleave,
    roll,
    rot90,
    tile,
    tril,
    tril_indices,
    triu,
    triu_indices,
    vander,
)
from .ops.shuffling import channel_shuffle, pixel_shuffle, pixel_unshuffle
from .ops.softmax import log_softmax, logsumexp, softmax
from .ops.solvers import inverse
from .ops.sorting import argsort, kthvalue, median, mode, msort, nanmedian, sort, topk, unique, unique_consecutive
from .ops.special import (
    digamma,
    erf,
    erfc,
    erfinv,
    i0,
    igamma,
    igammac,
    lgamma,
    logaddexp,
    logaddexp2,
    logit,
    mvlgamma,
    polygamma,
    sinc,
    xlogy,
)
from .ops.statistics import (
    bincount,
    corrcoef,
    cov,
    histc,
    histogram,
    histogramdd,
    nanquantile,
    quantile,
    std,
    std_mean,
    var,
    var_mean,
)
from .ops.storages import TypedStorage as TypedStorage
from .ops.storages import UntypedStorage as UntypedStorage
from .ops.strided_views import as_strided, diagonal
from .ops.triangular import cholesky_inverse, cholesky_solve, triangular_solve
from .ops.views import (
    adjoint,
    broadcast_to,
    flatten,
    moveaxis,
    movedim,
    narrow,
    permute,
    ravel,
    reshape,
    select,
    squeeze,
    swapaxes,
    swapdims,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from .printing import set_printoptions as set_printoptions
from .random import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .settings import (
    are_deterministic_algorithms_enabled,
    get_deterministic_debug_mode,
    get_num_interop_threads,
    get_num_threads,
    is_deterministic_algorithms_warn_only_enabled,
    is_warn_always_enabled,
    set_default_tensor_type,
    set_deterministic_debug_mode,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    set_warn_always,
    use_deterministic_algorithms,
)
from .tensor import Tensor as Tensor

# Names that Python has too: dtypes here, as in PyTorch.
bool, float, int = bool_, float32, int32
half, double, cfloat, cdouble = float16, float64, complex64, complex128
short, long = int16, int64
newaxis = None

_methods.install_methods(_families.families(), globals())
_check(globals())
globals().update(_typed.make() | _storages.LEGACY, Storage=_storages.LEGACY["FloatStorage"])
for _name, _type in (_typed.make("cuda") | _storages.legacy("cuda")).items():
    setattr(cuda, _name, _type)

from .exports import attribute as _attribute  # noqa: E402

if _TYPE_CHECKING:
    from . import nn as nn


def __getattr__(name: str) -> object:
    """Modules that are imported when they are asked for, in-place functions, and errors that name the nearest name."""
    return _attribute(name)


def __dir__() -> list[str]:
    """All names, those that are imported when they are asked for too."""
    from .exports import FUNCTIONS, INPLACE, MODULES

    return sorted({*globals(), *MODULES, *FUNCTIONS, *INPLACE})
