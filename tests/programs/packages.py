"""Packages written for PyTorch, used as their own introductions use them: `packages.py vit_pytorch einops …`."""

import sys

import standins
import torch
from reporting import report
from torch import nn


def einops():
    from einops import pack, rearrange, reduce, repeat, unpack
    from einops.layers.torch import Rearrange, Reduce

    x = torch.arange(24.0, requires_grad=True).reshape(2, 3, 4)
    report("einops", rearrange(x, "a b c -> (a c) b"), reduce(x, "a b c -> b", "max"), repeat(x, "a b c -> a (b 2) c"))
    net = nn.Sequential(Rearrange("a b c -> (a b) c"), nn.Linear(4, 2), Reduce("(a b) c -> a c", "mean", b=3))
    report("einops layers", net(x))
    packed, shapes = pack([x, 2 * x], "a * c")
    report("einops pack", packed, *unpack(packed, shapes, "a * c"))


def vit_pytorch():
    from vit_pytorch import ViT
    from vit_pytorch.cct import CCT
    from vit_pytorch.max_vit import MaxViT

    size = {"num_classes": 5, "dim": 16, "depth": 2, "heads": 2, "mlp_dim": 32}
    fit("vit", ViT(image_size=16, patch_size=8, dropout=0.1, emb_dropout=0.1, **size), torch.randn(3, 3, 16, 16))
    fit("cct", CCT(img_size=(16, 16), embedding_dim=16, num_layers=1, num_heads=2, mlp_ratio=2.0, num_classes=5),
        torch.randn(3, 3, 16, 16))  # fmt: skip
    fit("maxvit", MaxViT(num_classes=5, dim_conv_stem=8, dim=8, dim_head=4, depth=(1, 1), window_size=4, dropout=0.1),
        torch.randn(2, 3, 32, 32))  # fmt: skip


def fit(name, net, images, steps=2):
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(images), torch.arange(len(images)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        report(name, loss)


def torchdiffeq():
    from torchdiffeq import odeint, odeint_adjoint

    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))

    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, t, y):
            return self.net(y**3)

    start, times = torch.tensor([[2.0, 0.0]], requires_grad=True), torch.linspace(0, 1, 4)
    for method in ("dopri5", "rk4", "euler", "midpoint", "explicit_adams"):
        report(f"ode {method}", odeint(Field(), start, times, method=method))
    odeint_adjoint(Field(), start, times).sum().backward()
    report("ode adjoint", start.grad, *(p.grad for p in net.parameters()))


def torch_optimizer():
    import torch_optimizer

    names = "AccSGD AdaBelief AdaBound AdaMod AdamP AggMo DiffGrad LARS Lamb NovoGrad PID QHAdam QHM RAdam Ranger SGDP SWATS Yogi"
    for name in names.split():
        descend(name, getattr(torch_optimizer, name))


def lion_pytorch():
    from lion_pytorch import Lion

    descend("lion", Lion)


def descend(name, cls, steps=3):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = cls(net.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.ones(2, 3)).pow(2).sum().backward()
        optimizer.step()
    report(name, *net.parameters())


def ema_pytorch():
    from ema_pytorch import EMA

    net = nn.Linear(3, 3)
    average = EMA(net, beta=0.9, update_after_step=1, update_every=1)
    for _ in range(5):
        with torch.no_grad():
            net.weight.add_(torch.randn_like(net.weight))
        average.update()
    report("ema", average(torch.ones(1, 3)), net(torch.ones(1, 3)))


def pytorch_metric_learning():
    from pytorch_metric_learning import losses, miners

    x, y = torch.randn(8, 4, requires_grad=True), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    for name in "TripletMarginLoss ContrastiveLoss NTXentLoss MultiSimilarityLoss CircleLoss SupConLoss NPairsLoss".split():
        loss = getattr(losses, name)()(x, y)
        loss.backward()
        report(name, loss, x.grad)
    for name in "ArcFaceLoss CosFaceLoss NormalizedSoftmaxLoss ProxyAnchorLoss SoftTripleLoss".split():
        report(name, getattr(losses, name)(num_classes=4, embedding_size=4)(x, y))
    report("miner", *miners.MultiSimilarityMiner()(x, y))


def transformers():
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        ViTConfig,
        ViTForImageClassification,
    )

    size = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 37}
    text = {"vocab_size": 99, "max_position_embeddings": 64, **size}
    words, images = torch.randint(0, 99, (2, 10)), torch.randn(2, 3, 32, 32)
    writers = [GPT2LMHeadModel(GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64)),
               LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, **text))]  # fmt: skip
    for net in (*writers, BertForMaskedLM(BertConfig(**text))):
        learn(type(net).__name__, net, lambda net: net(input_ids=words, labels=words).loss)
    net = ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, num_labels=3, **size))
    learn("ViTForImageClassification", net, lambda net: net(pixel_values=images, labels=torch.tensor([0, 2])).loss)
    for net in writers:
        options = {"max_new_tokens": 6, "pad_token_id": 0}
        report(f"{type(net).__name__} writes", net.eval().generate(words, num_beams=2, do_sample=False, **options),
               net.generate(words, do_sample=True, top_k=20, **options))  # fmt: skip


def learn(name, net, loss_of, steps=3, lr=1e-3):
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr)
    for _ in range(steps):
        loss = loss_of(net)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        report(name, loss)


def gpytorch():
    import gpytorch
    from gpytorch import distributions, kernels, likelihoods, means, mlls

    x = torch.linspace(0, 1, 20)
    y = torch.sin(6 * x) + 0.1 * torch.randn(20)

    class Process(gpytorch.models.ExactGP):
        def __init__(self, likelihood):
            super().__init__(x, y, likelihood)
            self.mean, self.kernel = means.ConstantMean(), kernels.ScaleKernel(kernels.MaternKernel(nu=2.5))

        def forward(self, x):
            return distributions.MultivariateNormal(self.mean(x), self.kernel(x))

    likelihood = likelihoods.GaussianLikelihood()
    process = Process(likelihood)
    evidence = mlls.ExactMarginalLogLikelihood(likelihood, process)
    learn("gaussian process", process.train(), lambda net: -evidence(net(x), y), lr=0.1)
    with torch.no_grad():
        found = likelihood.eval()(process.eval()(torch.linspace(0, 1, 5)))
    report("gaussian process foretells", found.mean, found.variance)


def pyro():
    import pyro
    import pyro.distributions as dist
    from pyro.infer import MCMC, NUTS, SVI, Trace_ELBO
    from pyro.infer.autoguide import AutoMultivariateNormal

    data = torch.randn(10) + 1

    def model(data):
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        width = pyro.sample("width", dist.LogNormal(0.0, 1.0))
        with pyro.plate("data", len(data)):
            pyro.sample("seen", dist.Normal(mean, width), obs=data)

    inference = SVI(model, AutoMultivariateNormal(model), pyro.optim.Adam({"lr": 0.05}), Trace_ELBO())
    report("variational", [inference.step(data) for _ in range(4)])
    chain = MCMC(NUTS(model), num_samples=4, warmup_steps=2, disable_progbar=True)
    chain.run(data)
    report("nuts", *chain.get_samples().values())


WHOLE = ("transformers", "gpytorch", "pyro")  # what they need is installed with them


if __name__ == "__main__":
    for package in sys.argv[1:]:
        torch.manual_seed(0)
        with standins.without_torchvision() if package in WHOLE else standins.installed():
            globals()[package]()
