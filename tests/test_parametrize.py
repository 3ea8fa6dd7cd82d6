"""Parametrizations and the norms of weights, against PyTorch."""

import copy
import pickle

import pytest

import kuai
from kuai import nn
from kuai.nn.utils import parametrizations, parametrize
from tests import twins

START = """
    P, Z = nn.utils.parametrize, nn.utils.parametrizations
    class Sym(nn.Module):
        def forward(self, X):
            return X.triu() + X.triu(1).T
        def right_inverse(self, A):
            return A.triu()
    class Fixed(nn.Module):
        def __init__(self, forward, inverse=None):
            super().__init__()
            self.made = forward
            if inverse is not None:
                self.right_inverse = inverse
        def forward(self, X):
            return self.made(X)
    class Rank(nn.Module):
        def forward(self, a, b):
            return a @ b
        def right_inverse(self, X):
            return X[:, :1], X[:1]
"""

PROGRAMS = {
    "one": """
    L = nn.Linear(3, 3)
    print(P.register_parametrization(L, 'weight', Sym()) is L, L, type(L).__name__, isinstance(L, nn.Linear))
    print(L.weight, L.parametrizations, L.parametrizations.weight, L.parametrizations.weight.original)
    print([n for n, _ in L.named_parameters()], list(L.state_dict()), P.type_before_parametrizations(L).__name__)
    print(P.is_parametrized(L), P.is_parametrized(L, 'weight'), P.is_parametrized(L, 'bias'))
    original = L.parametrizations.weight.original
    L.weight = torch.arange(9.).view(3, 3)
    print(L.weight, L.parametrizations.weight.original is original, L(torch.ones(3)))
    L(torch.ones(3)).sum().backward()
    print(original.grad)
    P.register_parametrization(L, 'weight', Fixed(lambda X: 2 * X, lambda X: X / 2))
    L.weight = torch.ones(3, 3)
    print(L, L.weight, original)
    P.register_parametrization(L, 'bias', Fixed(lambda X: X + 1))
    print(L.bias - L.parametrizations.bias.original, list(L.state_dict()))
    attempt(setattr, L, 'bias', torch.ones(3))
    P.remove_parametrizations(L, 'bias'); print(L, type(L.bias).__name__)
    print(P.remove_parametrizations(L, 'weight', leave_parametrized=False).weight, L.weight is original, type(L).__name__)
    """,
    "errors": """
    L = nn.Linear(3, 3)
    bad = [lambda X: X[0], lambda X: 3, lambda X: X.double()]
    for f in bad:
        attempt(P.register_parametrization, L, 'weight', Fixed(f))
        print(type(L).__name__)
    for f in bad:
        attempt(P.register_parametrization, L, 'bias', Fixed(lambda X: X, f))
    P.register_parametrization(L, 'weight', Sym())
    for f in bad:
        attempt(P.register_parametrization, L, 'weight', Fixed(f))
        attempt(P.register_parametrization, L, 'weight', Fixed(lambda X: X, f))
    attempt(P.register_parametrization, L, 'foo', Sym())
    attempt(P.remove_parametrizations, L, 'bias')
    L.parametrizations.weight[0].right_inverse = lambda X: 3
    attempt(setattr, L, 'weight', torch.ones(3, 3))
    L.parametrizations.weight[0].right_inverse = lambda X: X.double()
    attempt(setattr, L, 'weight', torch.ones(3, 3))
    def refuse(X):
        raise NotImplementedError
    K = nn.Linear(2, 2); before = K.weight.detach().clone()
    P.register_parametrization(K, 'weight', Fixed(lambda X: X * 2, refuse)); print((K.weight == before * 2).all())
    print(P.register_parametrization(nn.Linear(2, 2), 'bias', Fixed(lambda X: X[0]), unsafe=True).bias.shape)
    """,
    "many": """
    R = P.register_parametrization(nn.Linear(3, 3), 'weight', Rank())
    held = R.parametrizations.weight
    print(R, list(R.state_dict()), held.ntensors, held.is_tensor, R.weight.shape)
    attempt(P.remove_parametrizations, R, 'weight', False)
    R.weight = torch.ones(3, 3)
    print(R.weight, held.original0, held.original1)
    print(P.remove_parametrizations(R, 'weight'), R.weight, type(R.weight).__name__)
    B = nn.BatchNorm1d(2)
    P.register_parametrization(B, 'running_mean', Fixed(lambda X: X + 1))
    print(B.running_mean, list(B.state_dict()), [n for n, _ in B.named_buffers()])
    P.remove_parametrizations(B, 'running_mean'); print(B.running_mean, list(dict(B.named_buffers())))
    with P.cached():
        M = P.register_parametrization(nn.Linear(2, 2), 'weight', Sym())
        print(M.weight is M.weight)
    print(M.weight is M.weight)
    F1 = nn.Linear(2, 2).requires_grad_(False)
    P.register_parametrization(F1, 'weight', Rank()); print([p.requires_grad for p in F1.parameters()])
    """,
    "weight_norm": """
    for dim in (0, 1, None):
        L = Z.weight_norm(nn.Linear(3, 5), dim=dim)
        print(L, [(k, v.shape) for k, v in L.state_dict().items()], L.weight, L(torch.ones(3)))
        L(torch.ones(3)).sum().backward()
        print(L.parametrizations.weight.original0.grad, L.parametrizations.weight.original1.grad)
    C = Z.weight_norm(nn.Conv2d(2, 3, 2)); print(C.parametrizations.weight.original0.shape, C(torch.ones(1, 2, 3, 3)))
    old = nn.Linear(3, 5)
    with_hooks = {'bias': torch.ones(5), 'weight_g': torch.ones(5, 1), 'weight_v': torch.ones(5, 3)}
    L = Z.weight_norm(old); print(L.load_state_dict(with_hooks), L.weight)
    attempt(nn.utils.weight_norm, nn.Linear(2, 2))
    O = nn.utils.weight_norm(nn.Linear(3, 2)); print(O, list(O.state_dict()), [n for n, _ in O.named_parameters()])
    print(O(torch.ones(3)), type(O.weight).__name__)
    O.weight_g.data.mul_(2); print(O(torch.ones(3)))
    O(torch.ones(3)).sum().backward(); print(O.weight_g.grad, O.weight_v.grad)
    attempt(nn.utils.weight_norm, O)
    print(nn.utils.remove_weight_norm(O), type(O.weight).__name__, list(O.state_dict()), O(torch.ones(3)))
    attempt(nn.utils.remove_weight_norm, O)
    attempt(nn.utils.weight_norm, O, 'wei')
    """,
    "spectral_norm": """
    for make in (lambda: nn.Linear(3, 5), lambda: nn.Conv2d(2, 3, 2), lambda: nn.ConvTranspose2d(2, 3, 2)):
        L = Z.spectral_norm(make())
        print([(k, v.shape) for k, v in L.state_dict().items()], L.weight)
        L.weight.sum().backward(); print(L.parametrizations.weight.original.grad)
        L.eval(); print(L.weight - L.weight)
        L = nn.utils.spectral_norm(make())
        x = torch.ones(1, 2, 3, 3) if hasattr(L, 'kernel_size') else torch.ones(3)
        print([(k, v.shape) for k, v in L.state_dict().items()], L(x), L(x), L.eval()(x))
        L(x).sum().backward(); print(L.weight_orig.grad)
        print(nn.utils.remove_spectral_norm(L), L.weight)
    print(Z.spectral_norm(nn.Linear(3, 5), 'bias').bias.norm())
    attempt(lambda: Z.spectral_norm(nn.Linear(3, 5), n_power_iterations=0))
    attempt(lambda: nn.utils.spectral_norm(nn.Linear(3, 5), n_power_iterations=0))
    attempt(lambda: Z.spectral_norm(nn.Linear(3, 5), dim=3))
    attempt(lambda: Z.spectral_norm(nn.Linear(3, 5), 'wei'))
    attempt(lambda: nn.utils.spectral_norm(nn.utils.spectral_norm(nn.Linear(3, 5))))
    attempt(lambda: nn.utils.spectral_norm(nn.Linear(3, 5), 'wei'))
    attempt(nn.utils.remove_spectral_norm, nn.Linear(1, 1))
    """,
}

ORTHOGONAL = """
    for shape in ((3, 3), (3, 5), (5, 3)):
        for map_ in (None, 'matrix_exp', 'cayley', 'householder'):
            for use in (True, False):
                L = Z.orthogonal(nn.Linear(*shape), orthogonal_map=map_, use_trivialization=use)
                print(list(L.state_dict()), L.weight)
                L.weight.sum().backward(); print(L.parametrizations.weight.original.grad)
    attempt(lambda: Z.orthogonal(nn.Linear(3, 3), orthogonal_map='foo'))
    attempt(lambda: Z.orthogonal(nn.Linear(3, 3), 'bias'))
    attempt(lambda: Z.orthogonal(nn.Linear(3, 3), 'biasd'))
    L = Z.orthogonal(nn.Linear(3, 3)); L.weight = torch.eye(3); print(L.weight)
    L = Z.orthogonal(nn.Linear(3, 3), orthogonal_map='cayley', use_trivialization=False)
    attempt(setattr, L, 'weight', torch.eye(3))
    attempt(lambda: setattr(Z.orthogonal(nn.Linear(3, 3)), 'weight', torch.eye(4)))
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_pytorch_prints(name):
    twins.check(START + PROGRAMS[name])


def test_orthogonal():
    pytest.importorskip("kuai.linalg")
    twins.check(START + ORTHOGONAL, tolerance=1e-3)


def test_copies_are_independent():
    module = parametrizations.weight_norm(nn.Linear(2, 2))
    made = copy.deepcopy(module)
    assert type(made) is not type(module)
    assert kuai.equal(made.weight, module.weight)
    parametrize.remove_parametrizations(made, "weight")
    assert parametrize.is_parametrized(module, "weight")
    assert module.weight.shape == (2, 2)


def test_only_the_state_is_saved():
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(parametrizations.weight_norm(nn.Linear(2, 2)))


def test_transfer():
    source = parametrizations.weight_norm(nn.Linear(2, 2))
    target = parametrize.transfer_parametrizations_and_params(source, nn.Linear(2, 2))
    assert kuai.equal(target.weight, source.weight)
    assert parametrize.is_parametrized(target, "weight")
