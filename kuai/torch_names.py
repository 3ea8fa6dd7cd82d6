"""The names that PyTorch gives to kuai's classes: programs print them, and pickles and checkpoints find classes by them."""

from __future__ import annotations

# kuai's file: PyTorch's, for all the classes in it.
FILES = {
    "errors": "",
    "files.registry": "serialization",
    "multiprocessing": "multiprocessing.spawn",
    "nn.activations": "nn.modules.activation",
    "nn.multihead": "nn.modules.activation",
    "nn.containers": "nn.modules.container",
    "nn.embedding": "nn.modules.sparse",
    "nn.folding": "nn.modules.fold",
    "nn.losses": "nn.modules.loss",
    "nn.recurrent": "nn.modules.rnn",
    "utils.data.loader": "utils.data.dataloader",
    **{f"nn.{n}": f"nn.modules.{n}" for n in (
        "adaptive conv distance dropout lazy linear module normalization padding pooling transformer upsampling").split()},
    **{f"optim.lr_scheduler.{n}": "optim.lr_scheduler" for n in "base composed cosine cycles decay plateau".split()},
    **{f"distributions.{n}": "distributions.transforms" for n in "transform transform_elements transform_vectors".split()},
}  # fmt: skip

# Classes that share a file with others here, and have one of their own there.
_APART = {
    **{f"nn.{lazy}BatchNorm{n}d": "nn.modules.batchnorm" for lazy in ("", "Lazy") for n in (1, 2, 3)},
    "nn.SyncBatchNorm": "nn.modules.batchnorm",
    **{f"nn.{lazy}InstanceNorm{n}d": "nn.modules.instancenorm" for lazy in ("", "Lazy") for n in (1, 2, 3)},
    **dict.fromkeys(("nn.Flatten", "nn.Unflatten"), "nn.modules.flatten"),
    **dict.fromkeys(("nn.PixelShuffle", "nn.PixelUnshuffle"), "nn.modules.pixelshuffle"),
    "nn.LinearCrossEntropyOptions": "nn.modules.linear_cross_entropy_options",
    "nn.ChannelShuffle": "nn.modules.channelshuffle",
    **{f"optim.{n}": f"optim.{n.lower()}" for n in "ASGD Adadelta Adagrad AdamW Adamax NAdam RAdam RMSprop Rprop".split()},
    **dict.fromkeys(("optim.Adafactor", "optim.Muon"), "optim"),
    "optim.SparseAdam": "optim.sparse_adam",
    **{f"autograd.{n}": "autograd.grad_mode"
       for n in "enable_grad no_grad inference_mode set_grad_enabled set_multithreading_enabled".split()},
    "amp.autocast": "amp.autocast_mode",
    "cuda.GradScaler": "cuda.amp.grad_scaler",
    "cuda.autocast": "cuda.amp.autocast_mode",
    **{f"distributions.{n}": f"distributions.{n.lower()}" for n in (
        "Bernoulli Beta Binomial Categorical Cauchy Chi2 Dirichlet Exponential FisherSnedecor Geometric Gumbel Independent "
        "Kumaraswamy Laplace Multinomial Normal Pareto Poisson Uniform Weibull Wishart").split()},
    **{f"distributions.{''.join(w.capitalize() for w in n.split('_'))}": f"distributions.{n}" for n in (
        "continuous_bernoulli generalized_pareto half_cauchy half_normal inverse_gamma log_normal logistic_normal "
        "mixture_same_family negative_binomial one_hot_categorical relaxed_bernoulli transformed_distribution von_mises").split()},
    "distributions.ExponentialFamily": "distributions.exp_family",
    "distributions.LKJCholesky": "distributions.lkj_cholesky",
    "distributions.LowRankMultivariateNormal": "distributions.lowrank_multivariate_normal",
    "distributions.OneHotCategoricalStraightThrough": "distributions.one_hot_categorical",
    "distributions.RelaxedOneHotCategorical": "distributions.relaxed_categorical",
    "distributions.StudentT": "distributions.studentT",
}  # fmt: skip


def module_of(cls: type) -> str | None:
    """The module that PyTorch says one of kuai's classes is from, or None if nothing is known but its own place.

    >>> from kuai import nn
    >>> module_of(nn.BatchNorm1d)
    'torch.nn.modules.batchnorm'
    """
    place = cls.__module__.removeprefix("kuai.")
    found = _APART.get(f"{place.partition('.')[0]}.{cls.__name__}", FILES.get(place))
    return f"torch.{found}".rstrip(".") if found is not None else None
