"""What autocast does to the operands of ops, by their names: "low" runs in the half type, "high" in float32, and "widest"
in float32 if one operand is that. Ops that are not here run in the dtypes they are given.
"""

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

AUTOCAST = {
    name: policy
    for policy, names in (("low", LOW), ("high", HIGH), ("widest", WIDEST))
    for name in names.split()
}
