"""Bad input raises what PyTorch raises, at the call, and changes nothing.

A case is a call of both libraries. In ``<kind>`` each value stands that is none of the kind.
"""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
import traceback
import warnings

import pytest

import kuai

torch = pytest.importorskip("torch")

WRONG = {
    "tensor": ("None", "'a'", "[1.0]", "object()"),
    "tensors": ("None", "'a'", "x", "[x, None]", "[x, 'a']"),
    "bool": ("None", "'a'", "2"),
    "int": ("'a'", "1.5", "torch.ones(2)", "[None]"),
    "ints": ("'a'", "1.5", "['a']", "[1.5, 1.5]"),
    "float": ("'a'", "[1.0]", "torch.ones(2)"),
    "str": ("1", "x"),
    "dtype": ("'float32'", "1"),
    "shape": ("torch.ones(3)", "torch.ones(2, 3)", "torch.ones(0)"),
    "index": (
        "5", "1.5", "'a'", "object()", "torch.tensor([7])", "torch.tensor([1.5])", "torch.ones(3, dtype=torch.bool)", "[7]", "['a']",
        "(0, 0, 0)", "(0, 5)", "slice(0, 2, -1)", "slice('a')", "(torch.tensor([0, 1]), torch.tensor([0, 1, 0]))", "torch.tensor(1.5)",
        "{}", "1j", "[True, False, True]", "i.to(torch.int16)",
    ),
}  # fmt: skip

TYPES = """
torch.sum(<tensor>)
torch.sum(x, <ints>)
torch.sum(x, 0, keepdim=<bool>)
torch.mean(x, dtype=<dtype>)
x.sum(<ints>)
torch.std(x, dim=<ints>)
torch.cumsum(x, <int>)
torch.cumprod(<tensor>, 0)
torch.logsumexp(x, <ints>)
torch.softmax(x, <int>)
torch.log_softmax(<tensor>, 0)
torch.amax(x, 0, <bool>)
torch.argmax(x, keepdim=<bool>)
torch.sort(x, descending=<bool>)
torch.topk(x, <int>)
torch.topk(x, 1, largest=<bool>)
torch.kthvalue(x, <int>)
torch.median(<tensor>)
torch.quantile(x, 0.5, keepdim=<bool>)
torch.bincount(<tensor>)
torch.cat(<tensors>)
torch.cat([x, x], <int>)
torch.stack(<tensors>)
torch.hstack(<tensors>)
torch.meshgrid(<tensor>)
torch.block_diag(<tensor>)
torch.atleast_2d(<tensor>)
torch.broadcast_tensors(x, <tensor>)
torch.cartesian_prod(x[0], <tensor>)
torch.chunk(x, <int>)
torch.flatten(<tensor>)
torch.flatten(x, <int>)
torch.reshape(x, <ints>)
torch.permute(x, <ints>)
torch.transpose(x, <int>, 0)
torch.squeeze(<tensor>)
torch.unsqueeze(x, <int>)
torch.narrow(x, 0, <int>, 1)
torch.select(x, 0, <int>)
torch.roll(x, <ints>)
torch.flip(x, <ints>)
torch.tile(x, <ints>)
torch.rot90(<tensor>)
torch.tril(x, <int>)
torch.diagonal(x, <int>)
torch.diag_embed(<tensor>)
torch.repeat_interleave(x, <float>)
torch.gather(x, <int>, i)
torch.gather(x, 0, <tensor>)
torch.index_select(x, 0, <tensor>)
torch.index_add(x, 0, i[0], x[:1], alpha=<float>)
torch.masked_select(x, <tensor>)
torch.take_along_dim(x, <tensor>, 0)
torch.scatter_add(x, 0, i, <tensor>)
torch.where(x > 0, x, <tensor>)
torch.clamp(x, 'a', 'b')
torch.isclose(x, <tensor>)
torch.allclose(x, x, rtol=<float>)
torch.allclose(x, x, equal_nan=<bool>)
torch.matmul(x, <tensor>)
torch.mm(<tensor>, x)
torch.addmm(x, x, <tensor>)
torch.addmm(x, x, x, beta=<float>)
torch.addmv(x[0], <tensor>, x[0])
torch.baddbmm(b, b, <tensor>)
torch.addcmul(x, x, x, value=<float>)
torch.einsum('ij->i', <tensor>)
torch.outer(x[0], <tensor>)
torch.dot(x[0], <tensor>)
torch.tril_indices(<int>, 2)
torch.arange(<float>)
torch.linspace(0, <float>, 3)
torch.linspace(0, 1, <int>)
torch.eye(<int>)
torch.full((2,), 1.0, dtype=<dtype>)
torch.zeros(<ints>)
torch.ones(2, dtype=<dtype>)
torch.randperm(<int>)
torch.zeros_like(<tensor>)
torch.rand(2, generator=<float>)
torch.multinomial(x, <int>)
torch.linalg.norm(<tensor>)
torch.linalg.cholesky(<tensor>)
torch.linalg.cholesky(x, upper=<bool>)
torch.linalg.solve(x, <tensor>)
torch.linalg.svd(x, full_matrices=<bool>)
torch.linalg.matrix_power(x, <int>)
torch.linalg.solve_triangular(x, x, upper=<bool>)
torch.fft.fft(<tensor>)
torch.fft.fft(x, <int>)
torch.fft.fft2(x, <ints>)
torch.fft.fftshift(<tensor>)
torch.special.logit(<tensor>)
torch.special.multigammaln(x, <int>)
torch.special.polygamma(<int>, x)
torch.clamp(x, 'a')
F.linear(x, <tensor>)
F.conv1d(b, <tensor>)
F.conv2d(b, x.view(1, 1, 2, 2), groups=<int>)
F.conv2d(b[None], x.view(1, 1, 2, 2), stride=<ints>)
F.gelu(<tensor>)
F.gelu(x, approximate=<str>)
F.leaky_relu(<tensor>)
F.softplus(<tensor>)
F.softplus(x, <float>)
F.glu(x, <int>)
F.dropout(<tensor>)
F.dropout(<tensor>, training=False)
F.dropout(x, training=<bool>)
F.embedding(<tensor>, x)
F.layer_norm(x, <ints>)
F.layer_norm(<tensor>, [2])
F.group_norm(b, 1.5)
F.group_norm(b, 'a')
F.batch_norm(x, <tensor>, x[0])
F.mse_loss(x, <tensor>)
F.l1_loss(<tensor>, x)
F.cross_entropy(x, <tensor>)
F.nll_loss(<tensor>, i[0])
F.kl_div(x, <tensor>)
F.max_pool1d(<tensor>, 1)
F.max_pool2d(b, <ints>)
F.avg_pool2d(b, 1, ceil_mode=<bool>)
F.adaptive_avg_pool1d(b, <ints>)
F.interpolate(<tensor>, 2)
F.pad(x, <ints>)
F.one_hot(i, <int>)
F.cosine_similarity(x, <tensor>)
F.pixel_shuffle(<tensor>, 1)
F.normalize(<tensor>)
F.scaled_dot_product_attention(b, b, <tensor>)
x.add_(<tensor>)
x.mul_(<tensor>)
x.cumsum_(<int>)
x.copy_(<tensor>)
x.fill_(<tensors>)
x.masked_fill_(x > 0, <tensors>)
x.index_add_(0, i[0], <tensor>)
x.scatter_(0, i, <tensor>)
x.uniform_(<float>)
x.normal_(0.0, <float>)
x.squeeze_(<float>)
x.transpose_(<int>, 1)
x.view(<ints>)
x.expand(<ints>)
x.repeat(<ints>)
x.to('nonsense')
x.type(<float>)
"""

OTHERS = """
torch.sum()
torch.sum(x, nonsense=1)
torch.sum(x, 0, False, 1, 2)
torch.cumsum(x)
torch.cat()
torch.zeros()
torch.empty()
torch.randn()
torch.rand(-1)
torch.add(x)
torch.add(x, x, beta=2)
x.add_(x, nonsense=1)
x.sum(0, axis='a')
torch.nn.Linear(2)
torch.nn.Linear(2, 2, nonsense=True)
torch.nn.Conv2d(1, 2)
torch.nn.Conv2d(3, 4, 1, groups=2)
torch.nn.Linear(2, 2)(None)
torch.nn.Linear(2, 2)('a')
torch.nn.Linear(2, 2)(x, x)
torch.nn.Linear(3, 2)(x)
torch.nn.Linear(2, 2)(x.double())
torch.nn.Embedding(2, 2)(i + 2)
torch.nn.Embedding(2, 2)(x)
torch.nn.MultiheadAttention(3, 2)
torch.nn.Dropout(2)
torch.nn.Sequential(1)
torch.nn.ModuleList([1])
torch.nn.Module().register_buffer('a', 1)
torch.nn.Module().register_parameter('a', x)
torch.nn.Module().load_state_dict(None)
torch.optim.SGD(None, lr=0.1)
torch.optim.SGD([], lr=0.1)
torch.optim.SGD([1], lr=0.1)
torch.optim.SGD(x, lr=0.1)
torch.optim.SGD([x.clone().requires_grad_()], lr=-1)
torch.optim.SGD([x.clone().requires_grad_()], lr=0.1, nesterov=True)
torch.optim.Adam([x.clone().requires_grad_()], betas=(2, 0))
torch.optim.Adam([x.clone().requires_grad_()], nonsense=1)
x @ torch.ones(3)
x + torch.ones(3)
x + 'a'
'a' * x
x[5]
x[0, 0, 0]
x['a']
x[1.5]
x[i + 7]
x[torch.ones(3, dtype=torch.bool)]
x.__setitem__(5, 1)
x.__setitem__(0, torch.ones(3))
x.add_(torch.ones(3))
x.add_(torch.ones(2, 2, dtype=torch.complex64))
x.copy_(torch.ones(3))
x.index_add_(0, i[0] + 7, x)
x.scatter_(0, i + 7, x)
x.index_copy_(0, i[0], torch.ones(2, 3))
x.view(3)
x.reshape(3)
x.expand(3, 3)
x.t().view(4)
x.unfold(0, 5, 1)
x.split(0)
x.item()
int(x)
bool(x)
float(torch.ones(0))
len(x.sum())
x.sum(5)
x.sum((0, 0))
x.transpose(0, 5)
x.permute(0, 0)
x.squeeze(7)
x.diagonal(0, 0, 0)
x.type('nonsense')
x.backward()
x.clone().requires_grad_().backward()
i.requires_grad_()
torch.cat([x, b])
torch.cat([])
torch.stack([x, x[0]])
torch.stack([])
torch.mm(x, b)
torch.mm(x, x.double())
torch.bmm(x, x)
torch.dot(x, x)
torch.addmm(x, x, x, alpha=1j)
torch.addmm(x > 0, x > 0, x > 0)
torch.linalg.inv(torch.zeros(2, 2))
torch.linalg.inv(i)
torch.linalg.cholesky(-torch.eye(2))
torch.linalg.solve(x, torch.ones(3))
torch.fft.fft(x, 0)
torch.fft.fft(x, -1)
torch.gather(x, 5, i)
torch.gather(x, 0, i[0])
torch.gather(x, 0, x)
torch.topk(x, 7)
torch.kthvalue(x, 7)
torch.quantile(x, 2.0)
torch.linspace(torch.ones(2), 1, 3)
torch.full((2,), 'a')
torch.tensor('a')
torch.tensor([1, 'a'])
torch.tensor([[1], [1, 2]])
torch.as_tensor(object())
torch.arange(0, 5, 0)
torch.arange(5, 0)
torch.randint(5, 2, (2,))
torch.multinomial(-x, 1)
torch.einsum('ij', x, x)
torch.einsum('i', x)
torch.broadcast_to(x, (3, 3))
torch.where(x, x, x)
torch.bitwise_and(x, x)
torch.manual_seed('a')
torch.set_default_dtype(torch.int64)
F.linear(x, torch.ones(3, 3))
F.conv2d(x, x)
F.conv2d(b[None], torch.ones(1, 3, 1, 1))
F.max_pool2d(x, 3)
F.cross_entropy(x, i[0] + 5)
F.cross_entropy(x, torch.ones(3, dtype=torch.int64))
F.nll_loss(x, x)
F.mse_loss(x, x, reduction='nonsense')
F.mse_loss(x, x, reduction=1)
F.binary_cross_entropy(x + 5, x)
F.layer_norm(x, [3])
F.group_norm(b, 5)
F.batch_norm(x, None, None)
F.embedding(i + 7, x)
F.one_hot(i, 1)
F.one_hot(x)
F.pad(x, (1,))
F.pad(x, (1, 1), mode='nonsense')
F.interpolate(b, 2, mode='nonsense')
F.interpolate(b, -1)
F.interpolate(b, -1, mode='nearest')
F.interpolate(b)
F.dropout(x, 2)
F.ctc_loss(x, i, [1], ['a'])
F.grid_sample(b, b)
torch.ops.aten.relu(None)
torch.ops.aten.add.Tensor(x)
torch.median(x, None)
x.squeeze(None)
torch.var(x, unbiased=None)
torch.max(x, None)
torch.logsumexp(x, None)
torch.trapz(x, None)
torch.fft.fft2(x, dim=None)
torch.squeeze_copy(x, 'a')
torch.narrow_copy(x, torch.ones(2), 0, 1)
F.softshrink(x, 1j)
F.threshold(x, 1j, 0)
torch.lerp(x, x, 1j)
torch.einsum(1, x)
torch.einsum('ij,jk')
torch.einsum('i1', x)
torch.tensordot(x, x, 5)
torch.tensordot(x, x, 'a')
torch.baddbmm(x, x, x)
torch.mv(x.sum(), x[0])
x.scatter_(0, i, torch.ones(3))
torch.histogramdd(x, 'a')
torch.repeat_interleave(x, 2, 0, output_size=3)
F.rms_norm(x[0], [2, 2])
F.unfold(b[None], [1])
F.max_unpool2d(x[0], x[0].long(), 2)
F.multilabel_soft_margin_loss(x.sum(), x.sum())
F.huber_loss(x, x, reduction=1)
F.cross_entropy(x.sum(), i[0, 0])
F.nll_loss(x.sum(), i[0, 0])
F.cross_entropy(torch.ones(3, 2), i[0] + 5)
F.embedding_bag(i, b)
F.embedding_bag(i, x, padding_idx=5)
F.linear(x, x[0], torch.ones(1))
F.pad(x[:0], (1, 1), mode='reflect')
F.avg_pool3d(b[None].half(), 1)
F.multi_margin_loss(x.half(), i[0])
torch.pdist(x.bfloat16())
torch.nn.GRUCell(2, 2)(x, b)
torch.nn.Bilinear(-1, 1, 1)
torch.nn.Parameter(1)
torch.nn.Parameter(x, requires_grad=1)
torch.nn.init.sparse_(x, 'a')
torch.nn.utils.rnn.pad_sequence([x, 1])
torch.optim.lr_scheduler.MultiplicativeLR(torch.optim.SGD([x.clone().requires_grad_()], lr=1), 1)
torch.optim.lr_scheduler.StepLR(None, 1)
torch.optim.lr_scheduler.OneCycleLR(torch.optim.SGD([x.clone().requires_grad_()], lr=1), 1, total_steps=5, pct_start='a')
"""

NEW = """
torch.zeros(2**63)
torch.zeros(torch.ones(2))
torch.zeros(2, out='a')
torch.empty(2, memory_format='a')
torch.empty(2, memory_format=torch.channels_last)
torch.empty(2, 2, memory_format=torch.preserve_format)
torch.full(2, 1)
torch.arange(0, None)
torch.arange(1j)
torch.arange(2**70)
torch.arange(0, 5, dtype=torch.complex64)
torch.linspace(0, 1j, 3, dtype=torch.float32)
torch.linspace(0, 1, 3, dtype=torch.bool)
torch.eye(2, None)
torch.tensor([1, None])
torch.asarray(x, copy='a')
torch.from_dlpack(x.clone().requires_grad_())
torch.from_numpy(<tensor>)
torch.Tensor(None)
torch.LongTensor(x)
torch.randint(5, 2)
torch.randint(0, 5, 2)
torch.randint(low=0, size=(2,))
torch.randint(2**65, (2,))
torch.normal(0, 1)
torch.normal(x, 1j)
torch.scalar_tensor(x)
torch.device('cpu', 'a')
torch.device()
torch.iinfo('a')
torch.Size([1.5])
torch.can_cast(1, 2)
torch.result_type('a', x)
torch.set_grad_enabled('a')
torch.fft.fftfreq(-1)
"""

WRITES = """
x[<index>]
x[<index>] = 1.0
x[0] = <shape>
x[i] = x.double()
x[torch.tensor([0])] = x[0]
x[0] = None
x[0] = 1j
i[0] = 10**30
i[0] = 1j
x += <shape>
x @= torch.ones(3)
x += 1j
i += 1.5
i /= 2
i **= -1
i //= 0
x &= x
x.set_(None)
x.lerp_(x, None)
i.addcdiv_(i, i)
x.real = 1j
x.index_copy_(0, i[0], torch.ones(2, 2, device='meta'))
torch.add(x, x, out=x[:1].expand(2, 2))
torch.mm(x, x, out=x.double())
torch.linalg.inv(x, out=x.double())
torch.where(x > 0, x, x, out=x.double())
torch.tril(x, out=x.double())
torch.nonzero(x, out=x)
torch.max(x, 0, out=(x,))
torch.max(x, 0, out=[x, None])
torch.max(x, 0, out=x)
torch.sort(x, out=(x, x))
torch.linalg.qr(x, out=(x, i))
torch.split_copy(x, 1, out=(x, i))
torch.stack([x, x], out=i)
g += 1
g[0] = 1
g.view(4).mul_(2)
y = g * 1; y.unbind()[0].add_(1)
y = g * 1; y.split(1)[0].mul_(2)
y = x.unbind()[0]; y.mul_(g[0])
g.sum().backward(<shape>)
g.backward()
y = (g * g).sum(); y.backward(); y.backward()
torch.autograd.grad(g.sum(), x)
torch.autograd.grad(g.sum(), 'a')
torch.autograd.grad('a', g)
torch.autograd.grad(None, g)
torch.autograd.grad(g, g, 'a')
torch.autograd.grad(g.sum(), g, allow_unused='a')
torch.autograd.grad([g.sum(), g.sum()], g, [None])
torch.autograd.backward(g.sum(), inputs=[1])
g.grad = torch.ones(3)
g.data = i
l.load_state_dict({'weight': x, 'bias': torch.ones(3)})
l.load_state_dict({'weight': x + 1})
l.load_state_dict({'weight': x + 1, 'bias': 'a'})
l(torch.ones(2, 3))
l.to(torch.int64)
l.weight = x
l.register_parameter('weight.a', None)
torch.nn.utils.prune.l1_unstructured(l, 'weight', 50)
torch.nn.utils.weight_norm(l, 'nonsense')
"""


def cases() -> list[str]:
    """All calls, ``<kind>`` replaced by each of its values."""
    return expanded(OTHERS + NEW + TYPES)


def expanded(text: str) -> list[str]:
    found: list[str] = []
    for line in text.split("\n"):
        kind = re.search(r"<(\w+)>", line)
        found += [line.replace(kind[0], wrong) for wrong in WRONG[kind[1]]] if kind else [line]
    return [line for line in found if line]


def outcome(library, call: str) -> BaseException | None:  # type: ignore[no-untyped-def]
    """What a call raises; its operands have to be what they were."""
    made = {
        "x": library.tensor([[1.0, 2.0], [3.0, 4.0]]),
        "b": library.arange(8.0).reshape(2, 2, 2),
        "i": library.tensor([[0, 1], [1, 0]]),
    }
    before = {name: (t.tolist(), t.shape, t.dtype, t._version) for name, t in made.items()}
    given = dict(made)
    try:
        eval(call, {"torch": library, "F": library.nn.functional}, given)
    except Exception as error:  # noqa: BLE001 (whatever it is)
        assert {name: (t.tolist(), t.shape, t.dtype, t._version) for name, t in made.items()} == before, call
        return error
    return None


@pytest.fixture(params=["numpy", "xla"])
def engine(request):
    if request.param == "xla":
        pytest.importorskip("jax")
    kuai.set_engine(request.param)
    yield request.param
    kuai.set_engine("auto")


def test_classes(engine: str) -> None:
    wrong = []
    for call in cases():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs, ours = outcome(torch, call), outcome(kuai, call)
        assert theirs is not None, f"PyTorch takes {call}"
        expected = next(c for c in type(theirs).__mro__ if c.__module__ == "builtins")
        if not isinstance(ours, expected):
            wrong.append(f"{call}: {ours!r}, PyTorch's {theirs!r}"[:300])
    assert not wrong, "\n".join(wrong)


def state(library, x: object) -> object:  # type: ignore[no-untyped-def]
    """What a failed call leaves alone of a tensor or a module."""
    if isinstance(x, library.nn.Module):
        return {k: state(library, t) for k, t in x.state_dict(keep_vars=True).items()}, x.training
    grad = x.grad if x.is_leaf else None  # type: ignore[attr-defined]
    return x.tolist(), x.shape, x.dtype, x._version, x.requires_grad, None if grad is None else grad.tolist()  # type: ignore[attr-defined]


def statement(library, text: str) -> BaseException | None:  # type: ignore[no-untyped-def]
    """What statements raise that write to tensors; none of these may be changed, but by what came before."""
    library.manual_seed(0)
    made = {
        "x": library.tensor([[1.0, 2.0], [3.0, 4.0]]), "i": library.tensor([[0, 1], [1, 0]]),
        "g": library.tensor([[1.0, 2.0], [3.0, 4.0]]).requires_grad_(), "l": library.nn.Linear(2, 2),
    }  # fmt: skip
    before = {name: state(library, t) for name, t in made.items()}
    try:
        exec(text, {"torch": library, "F": library.nn.functional, **made})
    except Exception as error:  # noqa: BLE001 (whatever it is)
        at = traceback.extract_tb(error.__traceback__)
        assert sum(frame.filename == "<string>" for frame in at) == 1, text  # at the program's line
        if library is kuai and "backward(); y" not in text:  # PyTorch's own load_state_dict and out= are not so careful
            assert {name: state(library, t) for name, t in made.items()} == before, text
        return error
    return None


def test_writes_that_fail_change_nothing(engine: str) -> None:
    importlib.import_module("torch.nn.utils.prune")
    wrong = []
    for text in expanded(WRITES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs, ours = statement(torch, text), statement(kuai, text)
        assert theirs is not None, f"PyTorch takes {text}"
        expected = next(c for c in type(theirs).__mro__ if c.__module__ == "builtins")
        if not isinstance(ours, expected):
            wrong.append(f"{text}: {ours!r}, PyTorch's {theirs!r}"[:300])
    assert not wrong, "\n".join(wrong)


def test_messages_name_the_argument() -> None:
    x = kuai.ones(2, 2)
    for call, said in (
        (lambda: kuai.cumsum(x, "a"), "cumsum(): argument 'dim' (position 2) must be int, not str"),
        (lambda: x.cumsum("a"), "cumsum(): argument 'dim' (position 1) must be int, not str"),
        (lambda: kuai.cumsum(x, axis="a"), "cumsum(): argument 'dim' (position 2) must be int, not str"),
        (lambda: kuai.cat([x, None]), "argument 'tensors' (position 1) must be tuple of Tensors, not list with NoneType at position 1"),
        (lambda: kuai.linalg.cholesky(x, upper=1), "argument 'upper' must be bool, not int"),
    ):
        with pytest.raises(TypeError) as raised:
            call()
        assert said in str(raised.value)
        assert raised.value.__suppress_context__
        assert traceback.extract_tb(raised.value.__traceback__)[1].filename == __file__


def test_what_fits_in_another_way_is_taken() -> None:
    import numpy as np

    x = kuai.arange(6.0).reshape(2, 3)
    assert x.topk(np.int32(1)).values.shape == (2, 1)
    assert x.cumsum(kuai.tensor(1)).tolist() == x.cumsum(1).tolist()
    assert kuai.allclose(x, x + 0.5, atol=np.float32(1)) and kuai.allclose(x, x + 1, atol=True)


def test_shells_are_the_functions() -> None:
    """They pickle by their names, have the function's signature before and after the first call, and take other names."""
    fresh = kuai.linalg.matrix_power
    assert list(inspect.signature(fresh).parameters) == ["A", "n", "out"]
    fresh(kuai.eye(2), n=2)
    assert list(inspect.signature(fresh).parameters) == ["A", "n", "out"]
    for fn in (kuai.sum, kuai.Tensor.sum, kuai.nn.functional.gelu, kuai.fft.fft, fresh):
        assert pickle.loads(pickle.dumps(fn)) is fn
    assert fresh(input=kuai.eye(2), n=2).tolist() == [[1, 0], [0, 1]]
    for wrong in ({}, {"n": 2}, {"input": kuai.eye(2), "n": 2, "nonsense": 1}):
        with pytest.raises(TypeError, match="matrix_power"):
            fresh(**wrong)


def test_warnings_say_the_programs_line() -> None:
    with pytest.warns(UserWarning, match="target size") as seen:
        kuai.nn.functional.mse_loss(kuai.ones(2), kuai.ones(1))
    with pytest.warns(UserWarning, match="target size") as inside:
        kuai.nn.MSELoss()(kuai.ones(2), kuai.ones(1))
    assert seen[0].filename == inside[0].filename == __file__
