"""What stands around modules: clipping, packed sequences, other tensors in a module's place, PyTorch's file names."""

import importlib

import pytest

import kuai
from kuai import nn
from tests import twins

PROGRAMS = {
    "clip": """
    u = nn.utils
    def P(*v, g=None, dt=None):
        p = nn.Parameter(torch.tensor(v, dtype=dt))
        p.grad = torch.tensor(v if g is None else g, dtype=dt)
        return p
    a, b, n = P(3., 4.), P(12.), nn.Parameter(torch.ones(2))
    print(u.clip_grad_norm_([a, b, n], 1.0), a.grad, b.grad)
    print(u.clip_grad_norm_([a, b], 100), a.grad, u.clip_grad_norm_([n], 1), u.clip_grad_norm_([], 1), u.clip_grad_norm_(a, 1.))
    for kind in (float('inf'), 1, 0, 'inf', -1, 3, 2.5, float('-inf')):
        print(kind, u.clip_grad_norm_([a, b], 0.5, kind), a.grad, b.grad)
    print(u.clip_grad_norm_([P(1., g=[float('nan')])], 1.))
    attempt(u.clip_grad_norm_, [P(1., g=[float('inf')])], 1., 2, True)
    print(u.clip_grad_norm_(iter([a]), 1.), u.clip_grad_norm_(nn.Linear(2, 2).parameters(), 1.))
    attempt(u.clip_grad_norm_, (x for x in []), 1)
    u.clip_grad_value_([a, b, n], 0.01); print(a.grad, b.grad)
    print(u.get_total_norm([a.grad, b.grad]), u.get_total_norm([]), u.get_total_norm(a.grad))
    u.clip_grads_with_norm_([a], 1., torch.tensor(2.)); print(a.grad)
    attempt(u.clip_grad_norm, [a], 1.)
    print(u.clip_grad_norm_([P(1., 2., dt=torch.float64), P(1.)], 1.))
    h = P(1., 2., dt=torch.float16); print(u.clip_grad_norm_([h, P(1.)], 1.).dtype, h.grad.dtype)
    print(u.clip_grad_norm_([P(0., 0.)], 1.), u.clip_grad_norm_([a], torch.tensor(1.), foreach=True))
    c = P(3+4j, dt=torch.complex64); print(u.clip_grad_norm_([c], 1.), c.grad)
    held = a.grad; u.clip_grad_norm_([a], 1e-3); print(held is a.grad)
    """,
    "vector": """
    u = nn.utils
    a, n = nn.Parameter(torch.tensor([3., 4.])), nn.Parameter(torch.ones(1, 2))
    attempt(u.parameters_to_vector, [])
    print(u.parameters_to_vector([a, n]))
    v = torch.arange(4.)
    u.vector_to_parameters(v, [a, n]); print(a, n)
    v[0] = 9; print(a)
    attempt(u.vector_to_parameters, [1], [a])
    attempt(u.vector_to_parameters, torch.ones(3), [a, n])
    """,
    "packed": """
    R, T = nn.utils.rnn, torch.tensor
    x = torch.arange(12.).view(4, 3, 1)
    pk = R.pack_padded_sequence(x, [4, 2, 1])
    print(pk)
    attempt(R.pack_padded_sequence, x, [2, 4, 1])
    s = R.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
    print(s, R.pad_packed_sequence(s), R.unpack_sequence(s))
    for lengths in ([4, 2], [4, 2, 0], []):
        attempt(R.pack_padded_sequence, x, lengths)
    attempt(R.pack_padded_sequence, x[:, :0], [])
    print(R.pack_padded_sequence(x, T([4, 2, 1])).data.shape, R.pack_padded_sequence(x, T([4., 2, 1])).data.shape)
    print(R.pack_padded_sequence(x.transpose(0, 1), [4, 2, 1], True).data, R.pack_padded_sequence(x[..., 0], [4, 2, 1]).data)
    print(R.pad_packed_sequence(pk), R.pad_packed_sequence(pk, True), R.pad_packed_sequence(pk, True, -1., 6))
    attempt(lambda: R.pad_packed_sequence(pk, total_length=3))
    print(R.pad_sequence([T([1, 2]), T([3])]), R.pad_sequence([T([1, 2]), T([3])], True))
    print(R.pad_sequence([T([1, 2]), T([3])], True, 7, 'left'), R.pad_sequence(T([[1, 2], [3, 4]])))
    attempt(R.pad_sequence, [T([1, 2])], True, 7, 'foo'); attempt(R.pad_sequence, []); attempt(R.pad_sequence, 3)
    print(R.pad_sequence([T([1, 2]), T([3.])])); attempt(R.pad_sequence, [T([1, 2]), T([[3]])])
    print(R.unpad_sequence(R.pad_sequence([T([1, 2]), T([3])]), T([2, 1])))
    print(R.pack_sequence([T([1, 2]), T([3])])); attempt(R.pack_sequence, [T([1]), T([3, 4])])
    print(R.unpack_sequence(R.pack_sequence([T([1]), T([3, 4])], enforce_sorted=False)))
    print(R.invert_permutation(T([2, 0, 1])), R.invert_permutation(None))
    print(R.PackedSequence(T([1, 2]), T([1, 1])), R.PackedSequence(T([1, 2]), T([1, 1]), T([1, 0])))
    attempt(R.PackedSequence, T([1, 2])); print(R.PackedSequence((T([1, 2]), T([1, 1]))))
    print(pk.double().data.dtype, pk.long().data.dtype, pk.is_cuda, pk.is_pinned(), pk.cpu() is pk, pk.to('cpu') is pk)
    print(pk.to(torch.float64).batch_sizes, isinstance(pk, tuple), pk._fields, pk[0].shape)
    w = torch.ones(4, 3, 1, requires_grad=True)
    out, n = R.pad_packed_sequence(R.pack_padded_sequence(w * 2, [2, 4, 1], enforce_sorted=False))
    out.sum().backward(); print(w.grad.squeeze())
    a, b = torch.ones(2, 2, requires_grad=True), torch.ones(1, 2, requires_grad=True)
    (R.pad_sequence([a, b]) * 3).sum().backward(); print(a.grad, b.grad)
    """,
    "stateless": """
    call = nn.utils.stateless._functional_call
    l = nn.Linear(2, 2); one = torch.ones(2)
    W, V = torch.full((1, 1), 2.), torch.full((1, 1), 3.)
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
            self.b.weight = self.a.weight
            self.register_buffer('n', torch.zeros(1))
        def forward(self, x):
            self.n = self.n + 1
            return self.b(self.a(x))
    m, d = Tied(), {'n': torch.zeros(1)}
    before = l.weight
    print(call(l, {'weight': torch.ones(2, 2)}, one), l.weight is before)
    print(call(l, {'weight': torch.ones(2, 2), 'foo': one}, one))
    attempt(lambda: call(l, {'weight': torch.ones(2, 2)}, one, strict=True))
    attempt(lambda: call(l, {'weight': torch.ones(2, 2), 'bias': one, 'q': one}, one, strict=True))
    x = torch.ones(1)
    print(call(m, {'a.weight': W}, x), call(m, {'a.weight': W, 'b.weight': V}, x, tie_weights=False))
    attempt(lambda: call(m, {'a.weight': W, 'b.weight': V}, x))
    print(call(m, {'a.weight': W, 'b.weight': W}, x), call(m, {'a.weight': W}, x, tie_weights=False).requires_grad)
    call(m, d, x); print(d, m.n)
    print(call(l, {'weight': torch.ones(2, 2)}, (one,), {}), call(l, {'weight': torch.ones(2, 2)}, kwargs={'input': one}))
    attempt(call, l, {'weight': 3}, one); attempt(call, l, {'x.weight': W}, one)
    attempt(nn.utils.stateless.functional_call, l, {'weight': torch.ones(2, 2)}, one)
    w = torch.ones(2, 2, requires_grad=True)
    call(l, {'weight': w}, one).sum().backward(); print(w.grad, l.weight.grad)
    """,
    "fusion": """
    u = nn.utils
    def used(norm):
        norm.running_mean.normal_(); norm.running_var.uniform_(1, 2)
        if norm.affine:
            nn.init.normal_(norm.weight); nn.init.normal_(norm.bias)
        return norm.eval()
    x = torch.rand(1, 2, 4, 4)
    for conv, norm, t in ((nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), False),
                          (nn.Conv2d(2, 3, 2, bias=False), nn.BatchNorm2d(3, affine=False), False),
                          (nn.ConvTranspose2d(2, 3, 2), nn.BatchNorm2d(3), True)):
        conv, norm = conv.eval(), used(norm)
        fused = u.fuse_conv_bn_eval(conv, norm, t)
        print(fused, (fused(x) - norm(conv(x))).abs().max() < 1e-5, fused.weight, fused.bias)
    l, n = nn.Linear(4, 3).eval(), used(nn.BatchNorm1d(3))
    print(u.fuse_linear_bn_eval(l, n)(x[0, 0]), n(l(x[0, 0])))
    attempt(u.fuse_linear_bn_eval, l.train(), n)
    attempt(u.fuse_linear_bn_eval, nn.Linear(4, 5).eval(), n)
    """,
    "skip_init": """
    print(nn.utils.skip_init(nn.Linear, 2, 3), nn.utils.skip_init(nn.Linear, 2, 3).weight.device)
    attempt(nn.utils.skip_init, nn.ReLU); attempt(nn.utils.skip_init, int)
    torch.manual_seed(1); nn.utils.skip_init(nn.Linear, 2, 3); print(torch.rand(1))
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_pytorch_prints(name):
    twins.check(PROGRAMS[name])


def test_a_length_beyond_the_input_is_refused():
    with pytest.raises(RuntimeError, match="a length of 5 is more than the 4 steps"):
        nn.utils.rnn.pack_padded_sequence(kuai.ones(4, 2), [5, 1])


def test_clipping_is_two_instructions():
    net = nn.Sequential(*(nn.Linear(3, 3) for _ in range(10)))
    net(kuai.ones(3)).sum().backward()
    kuai.synchronize()
    before = kuai.engine.trace.current.trace.state.depth
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    operations = [s.op.name for s in kuai.engine.trace.current.trace.state.path()[before:] if s.op]
    assert operations == ["total_norm", "clip_by_norm"]


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_both_executors(engine):
    kuai.set_engine(engine)
    try:
        weight = nn.Parameter(kuai.tensor([3.0, 4.0]))
        (weight * weight).sum().backward()
        assert nn.utils.clip_grad_norm_([weight], 5.0).item() == pytest.approx(10)
        assert weight.grad.tolist() == pytest.approx([3, 4])
        nn.utils.clip_grad_value_([weight], 1.0)
        assert weight.grad.tolist() == [1, 1]
        padded = nn.utils.rnn.pad_sequence([kuai.tensor([1.0, 2.0]), kuai.tensor([3.0])])
        assert padded.tolist() == [[1, 3], [2, 0]]
    finally:
        kuai.set_engine("auto")


NAMES = """
    activation: ReLU MultiheadAttention | batchnorm: _BatchNorm BatchNorm2d | container: Sequential ModuleList _addindent
    conv: _ConvNd Conv2d ConvTranspose2d | distance: CosineSimilarity | dropout: Dropout | flatten: Flatten | fold: Fold
    instancenorm: _InstanceNorm InstanceNorm2d | lazy: LazyModuleMixin | linear: Linear Identity NonDynamicallyQuantizableLinear
    loss: _Loss CrossEntropyLoss | module: Module register_module_forward_hook _IncompatibleKeys | normalization: LayerNorm
    padding: ZeroPad2d | pixelshuffle: PixelShuffle | pooling: MaxPool2d | rnn: RNN LSTM GRU | sparse: Embedding
    transformer: TransformerEncoderLayer _get_activation_fn | upsampling: Upsample | utils: _pair _triple _ntuple
"""


@pytest.mark.parametrize("line", [part.strip() for part in NAMES.replace("\n", "|").split("|") if part.strip()])
def test_pytorchs_file_names(line):
    name, _, wanted = line.partition(":")
    module = importlib.import_module(f"kuai.nn.modules.{name}")
    missing = [n for n in wanted.split() if not hasattr(module, n)]
    assert not missing
    assert getattr(nn.modules, name) is module
