"""Where what PyTorch has in a file of its own lies here."""

from __future__ import annotations

# PyTorch's files whose content lies in another one.
ELSEWHERE = {
    "amp.autocast_mode": "amp.autocast",
    "ao.nn.quantized": "nn.quantized",
    "quantization": "ao.quantization",
    "_C._functorch": "func.levels",
    "_functorch.vmap": "func.levels",
    "_functorch.deprecated": "functorch",
    "_functorch.make_functional": "functorch",
    "nn.parallel.replicate": "nn.parallel.apply",
    "nn.parallel.parallel_apply": "nn.parallel.apply",
    "nn.parallel.scatter_gather": "nn.parallel.scattering",
    **{f"optim.{n}": "optim" for n in "asgd adadelta adagrad adamax adamw nadam radam rmsprop rprop sparse_adam".split()},
    "multiprocessing.spawn": "multiprocessing",
    "autograd.grad_mode": "autograd",
    "autograd.variable": "autograd",
    "cuda.amp.grad_scaler": "cuda.amp",
    "cuda.amp.autocast_mode": "cuda.amp",
    "utils.hooks": "autograd.hooks",
    "utils.data.dataloader": "utils.data.loader",
    "utils.data._utils": "utils.data._utils",
    "utils.data._utils.collate": "utils.data.collate",
    "utils.data._utils.fetch": "utils.data.fetch",
    "utils.data._utils.pin_memory": "utils.data.pinning",
    "utils.data._utils.worker": "utils.data.workers",
    "distributed.distributed_c10d": "distributed",
    "distributed.constants": "distributed.groups",
    "profiler.profiler": "profiler",
    "_dynamo.eval_frame": "_dynamo",
    "_C._nn": "_nn",
    "utils.model_zoo": "hub",
    **{f"distributions.{n}": "distributions" for n in (
        "bernoulli beta binomial categorical cauchy chi2 continuous_bernoulli dirichlet exp_family exponential fishersnedecor "
        "generalized_pareto geometric gumbel half_cauchy half_normal independent inverse_gamma kumaraswamy laplace lkj_cholesky "
        "log_normal logistic_normal lowrank_multivariate_normal mixture_same_family multinomial negative_binomial normal "
        "one_hot_categorical pareto poisson relaxed_bernoulli relaxed_categorical studentT transformed_distribution uniform "
        "von_mises weibull wishart").split()},
}
