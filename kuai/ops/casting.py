"""What autocast does to the operands of ops, by their names: "low" runs in the half type, "high" in float32, and "widest"
in float32 if one operand is that. Ops that are not here run in the dtypes they are given.

The CPU has lists of its own, as in PyTorch: there sums, norms, softmax and powers run in the dtype they are given, and
transforms and factorizations, which have no half types, in float32.
"""

from ..engine.trace import current
from ..tensor import Tensor

LOW = """
    matmul dot einsum linear bilinear addmm addmv addr baddbmm addbmm convolution conv_transpose scaled_dot_product_attention
"""

HIGH = """
    acos asin cosh erfinv exp expm1 log log10 log1p log2 pow pow_plain reciprocal rsqrt sinh tan softplus
    softmax log_softmax logsumexp layer_norm group_norm rms_norm norm vector_norm cosine_similarity cdist pdist renorm
    prod sum cumprod cumsum cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss kl_div
    binary_cross_entropy binary_cross_entropy_with_logits poisson_nll_loss gaussian_nll_loss hinge_embedding_loss
    cosine_embedding_loss margin_ranking_loss multi_margin_loss multilabel_margin_loss soft_margin_loss triplet_margin_loss
    ctc_loss grid_sample
"""

WIDEST = "addcdiv addcmul atan2 cat stack cross index_put scatter_add tensordot"

CPU_LOW = """
    matmul dot einsum linear bilinear addmm baddbmm addbmm convolution conv_transpose scaled_dot_product_attention prelu_kernel
"""

CPU_HIGH = """
    prod cdist grid_sample view_as_complex fft_c2c fft_c2r fft_r2c geqrf cholesky_solve
    linalg.cholesky linalg.cholesky_ex linalg.eig linalg.eigh linalg.eigvalsh linalg.inv linalg.inv_ex linalg.lu_factor
    linalg.matrix_rank linalg.pinv linalg.qr linalg.solve linalg.solve_triangular linalg.svd linalg.svdvals
    cross_entropy cross_entropy_of_probabilities nll_loss mse_loss l1_loss smooth_l1_loss huber_loss kl_div kl_div_of_logs
    binary_cross_entropy binary_cross_entropy_with_logits poisson_nll_loss poisson_nll_loss_of_rate hinge_embedding_loss
    cosine_embedding_loss margin_ranking_loss multi_margin_loss multilabel_margin_loss soft_margin_loss triplet_margin_loss
    ctc_loss
"""

CPU_WIDEST = "cat stack"


def _table(low: str, high: str, widest: str) -> dict[str, str]:
    lists = (("low", low), ("high", high), ("widest", widest))
    return {name: policy for policy, names in lists for name in names.split()}


_TABLES = {"cpu": _table(CPU_LOW, CPU_HIGH, CPU_WIDEST), "cuda": _table(LOW, HIGH, WIDEST)}


def widened(x: Tensor) -> bool:
    """Whether autocast gives a tensor to delicate ops in float32 now, so that its own dtype is not what they get."""
    return x.device.type == "cpu" and current.autocast is not None and "cpu" in current.autocast.on


def policies(name: str) -> dict[str, str] | None:
    """An op's policy for each type of device; None if it has none."""
    return {device: table[name] for device, table in _TABLES.items() if name in table} or None
