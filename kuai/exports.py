"""What ``kuai.name`` finds beyond the names that `import kuai` brings: modules imported late, and functions from them."""

from __future__ import annotations

from importlib import import_module

from .arguments import late
from .dtypes import ABSENT
from .places import ELSEWHERE
from .subclasses import watched
from .wont import Absent, elsewhere

# Modules that few programs need: their import waits until they are asked for.
MODULES = frozenset(
    "accelerator amp ao backends optim compiler distributed distributions fft func fx hub jit library linalg masked multiprocessing "
    "nn onnx serialization signal sparse special storage testing types utils version _C _custom_ops _dynamo "
    "_higher_order_ops _ops _subclasses _utils "
    "cpu functional futures overrides profiler quasirandom __config__ __future__".split()
)

# Functions and classes by the module that has them.
FUNCTIONS = {
    **dict.fromkeys(("save", "load"), "files"),
    **dict.fromkeys(("from_file", "StorageBase"), "ops.storages"),
    **dict.fromkeys(("compile",), "compiler"),
    **dict.fromkeys(("sparse_coo_tensor",), "sparse.coo"),
    **dict.fromkeys(
        "sparse_compressed_tensor sparse_csr_tensor sparse_csc_tensor sparse_bsr_tensor sparse_bsc_tensor".split(),
        "sparse.compressing",
    ),
    **dict.fromkeys(("smm", "sspaddmm", "hspmm", "hsmm"), "sparse.functions"),
    **dict.fromkeys("indices_copy values_copy crow_indices_copy col_indices_copy ccol_indices_copy row_indices_copy".split(), "ops.copies"),
    **dict.fromkeys(("spmm", "dsmm"), "ops.matrix"),
    **dict.fromkeys(("vmap",), "func"),
    **dict.fromkeys(("cond", "while_loop"), "control"),
    **dict.fromkeys(
        "SymInt SymFloat SymBool TensorType DeviceObjType sym_int sym_float sym_not sym_max sym_min sym_sum sym_ite sym_sqrt".split(),
        "symbolic",
    ),
    "Future": "futures",
    **dict.fromkeys(("Stream", "Event"), "cuda.streams"),
    "GradScaler": "amp",
    **dict.fromkeys(("ScriptModule", "ScriptFunction"), "jit"),
    "get_device_module": "accelerator",
    "PyTorchFileReader": "files.archive",
    **dict.fromkeys(("stft", "istft"), "ops.spectra"),
    **dict.fromkeys(("svd_lowrank", "pca_lowrank", "lobpcg"), "ops.lowrank"),
    "binomial": "ops.gammas",
    **dict.fromkeys("is_anomaly_enabled is_anomaly_check_nan_enabled set_anomaly_enabled".split(), "autograd.anomaly_mode"),
    **dict.fromkeys("hann_window hamming_window blackman_window bartlett_window kaiser_window".split(), "ops.tapers"),
    **dict.fromkeys(
        "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell".split(),
        "ops.rnn",
    ),
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), "ops.sampling"),
    **dict.fromkeys(
        "batch_norm instance_norm layer_norm group_norm native_batch_norm native_layer_norm native_group_norm convolution "
        "conv_tbc adaptive_max_pool1d affine_grid_generator _native_batch_norm_legit _batch_norm_with_update".split(),
        "ops.native",
    ),
    **dict.fromkeys(
        "_softmax _log_softmax _safe_softmax _softmax_backward_data _log_softmax_backward_data _chunk_cat _unsafe_masked_index "
        "_unsafe_masked_index_put_accumulate".split(),
        "ops.inner",
    ),
    "hash_tensor": "ops.reduction",
    "segment_reduce": "ops.segments",
    **dict.fromkeys(("_scaled_mm", "_scaled_mm_v2"), "ops.scaled"),
    **dict.fromkeys(
        "_assert _assert_async _check _check_with _check_value _check_index _check_type _check_not_implemented".split(),
        "checks",
    ),
    **dict.fromkeys(("is_distributed", "is_vulkan_available", "_shape_as_tensor"), "ops.queries"),
    **dict.fromkeys(("native_dropout", "native_channel_shuffle", "norm_except_dim"), "ops.native"),
    **dict.fromkeys(("fill", "nonzero_static", "unravel_index"), "ops.elements"),
    **dict.fromkeys(("pdist", "celu_", "rrelu_", "selu_", "threshold_"), "nn.functional"),
    **dict.fromkeys(
        "binary_cross_entropy_with_logits cosine_embedding_loss ctc_loss hinge_embedding_loss kl_div margin_ranking_loss "
        "poisson_nll_loss triplet_margin_loss embedding embedding_bag embedding_renorm_ dropout_ feature_dropout_ alpha_dropout_ "
        "feature_alpha_dropout_".split(),
        "nn.functions.numbered",
    ),
    **dict.fromkeys(
        "autocast is_autocast_enabled is_autocast_cpu_enabled get_autocast_dtype get_autocast_gpu_dtype get_autocast_cpu_dtype "
        "set_autocast_enabled set_autocast_dtype "
        "set_autocast_cpu_enabled set_autocast_cpu_dtype set_autocast_gpu_dtype is_autocast_cache_enabled set_autocast_cache_enabled "
        "clear_autocast_cache autocast_increment_nesting autocast_decrement_nesting".split(),
        "amp.autocast",
    ),
}

# Private functions of PyTorch's that its own programs call.
RENAMED = {
    "_segment_reduce": ("ops.segments", "segment_reduce"),
    "_standard_gamma": ("ops.gammas", "standard_gamma"),
    "_standard_gamma_grad": ("ops.gammas", "standard_gamma_grad"),
    "_grouped_mm": ("ops.grouped", "grouped_mm"),
    "_sample_dirichlet": ("ops.gammas", "sample_dirichlet"),
    "_dirichlet_grad": ("ops.gammas", "dirichlet_grad"),
    "_convert_indices_from_coo_to_csr": ("ops.rows", "begins_of_rows"),
    "_convert_indices_from_csr_to_coo": ("ops.rows", "coordinates_of_rows"),
}

# In-place methods that PyTorch has as functions too.
INPLACE = frozenset(
    "abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ atan_ atanh_ as_strided_ "
    "ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach_ erf_ erfc_ exp2_ exp_ expm1_ "
    "fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_ "
    "rad2deg_ reciprocal_ relu_ resize_as_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ "
    "zero_".split()
)


def attribute(name: str) -> object:
    """An attribute of the package that is not there yet; AttributeError naming the nearest one if there is none."""
    import kuai

    if name in MODULES:
        found: object = import_module(f"kuai.{name}")
    elif name in ELSEWHERE:
        found = elsewhere("kuai", name)
    elif name in FUNCTIONS:
        found = getattr(import_module(f"kuai.{FUNCTIONS[name]}"), name)
    elif name in RENAMED:
        place, there = RENAMED[name]
        found = getattr(import_module(f"kuai.{place}"), there)
    elif name in ("xpu", "mps"):
        found = import_module("kuai.absent").device(name)
    elif name in ABSENT:
        found = ABSENT[name]
    elif name in INPLACE:
        found = getattr(kuai.Tensor, name)
    elif name.startswith("_foreach_"):
        found = getattr(import_module("kuai.ops.foreach"), name)
    elif name.startswith("__"):
        raise Absent("kuai", name)
    else:
        raise Absent("kuai", name, (*MODULES, *FUNCTIONS))
    found = watched(late(found))
    setattr(kuai, name, found)
    return found
