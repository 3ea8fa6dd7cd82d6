"""Functions of functions, as programs that run under both libraries."""

import gc
import weakref

import pytest

import kuai
from tests import twins

PROGRAMS = {
    "what goes in and comes out": """
        vmap = torch.func.vmap
        x = torch.arange(24.).reshape(2, 3, 4)
        print(vmap(lambda t: t.sum(0))(x), vmap(lambda t: t, in_dims=-1, out_dims=1)(x).shape)
        print(vmap(lambda a, b: a + b, in_dims=(0, None))(x, torch.ones(4)).sum())
        print(vmap(lambda d: {'s': d['a'] * d['b'], 't': (d['a'],)}, in_dims=({'a': 0, 'b': None},))({'a': x, 'b': x[0]}))
        print(vmap(lambda a, k: a * k, in_dims=(1, None))(x, 3).shape, vmap(lambda a, *, y: a.mv(y))(x, y=torch.ones(4)))
        print(vmap(lambda t: (t, t.sum()), out_dims=(1, 0))(x)[0].shape, vmap(lambda t: (t, torch.ones(2)), out_dims=(0, None))(x)[1])
        print(vmap(lambda t: torch.ones(2))(x), vmap(torch.sum, chunk_size=1)(x), vmap(lambda t: t[0], chunk_size=3, in_dims=2)(x))
        print(vmap(lambda t: t * 2)(torch.ones(0, 4)).shape, vmap(lambda t: t.mean().expand(2))(torch.ones(3, 5)))
        print(vmap(vmap(lambda a, b: a * b, in_dims=(0, None)), in_dims=(None, 0))(x[0, 0], x[0, 1]))
        print(vmap(vmap(vmap(torch.sin)))(x).sum(), vmap(lambda t: vmap(lambda u: (t * u).sum())(x[0]))(x[1]).shape)
        i = torch.tensor([2, 0, 1])
        print(vmap(lambda t, k: t[k])(x[0], i), vmap(lambda t, k: t.index_select(0, k[None]))(x[0], i))
    """,
    "refused": """
        vmap, x = torch.func.vmap, torch.rand(3, 4)
        attempt(vmap(lambda t: t.sum().item()), x)
        attempt(vmap(lambda t: t if t.sum() > 0 else -t), x)
        attempt(vmap(lambda t: t * int(t[0])), x)
        attempt(vmap(lambda t: torch.from_numpy(t.numpy())), x)
        attempt(vmap(lambda t: torch.tensor(t.tolist())), x)
        attempt(vmap(lambda t: t.nonzero()), x)
        attempt(vmap(lambda t: t[t > 0.5]), x)
        attempt(vmap(lambda t: t.unique()), x)
        attempt(vmap(lambda t: 3), x)
        attempt(vmap(lambda t: t, out_dims=None), x)
        attempt(vmap(lambda t: t, out_dims=5), x)
        attempt(vmap(lambda t: (t, t), out_dims=(0,)), x)
        attempt(vmap(lambda: x))
        attempt(vmap(lambda t: t, in_dims=None), x)
        attempt(vmap(lambda t: t, in_dims=(None,)), x)
        attempt(vmap(lambda t: t, in_dims=[0]), x)
        attempt(vmap(lambda t: t, in_dims=2), x)
        attempt(vmap(lambda t: t, in_dims=(0, 0)), x)
        attempt(vmap(lambda t, n: t), x, 3)
        attempt(vmap(lambda t, u: t), x, torch.ones(2))
        attempt(lambda: vmap(lambda t: t, randomness='some'))
        attempt(lambda: vmap(lambda t: t, chunk_size=0)(x))
        try: vmap(torch.linalg.cholesky)(-torch.eye(2).expand(3, 2, 2))
        except torch.linalg.LinAlgError: print('no factor')
        try: vmap(lambda t, i: t[i])(x, torch.tensor([0, 9, 1]))
        except IndexError: print('out of bounds')
        attempt(vmap(lambda t: t @ torch.ones(5)), x)
    """,
    "draws": """
        vmap, x = torch.func.vmap, torch.ones(3, 4)
        for f in (lambda t: t + torch.rand(4), lambda t: torch.randn_like(t), lambda t: F.dropout(t, 0.5), lambda t: torch.bernoulli(t / 2),
                  lambda t: t * torch.randint(9, (4,)), lambda t: t[torch.randperm(4)] * torch.randperm(4), lambda t: torch.poisson(t * 5),
                  lambda t: t.clone().uniform_(), lambda t: torch.normal(t, 2.), lambda t: torch.multinomial(t, 2)):
            attempt(vmap(f), x)
            torch.manual_seed(1); print(vmap(f, randomness='different')(x))
        for f in (lambda t: t + torch.rand(4), lambda t: t * torch.randn(4).sum(), lambda t: F.dropout(torch.ones(4), 0.5) + t):
            torch.manual_seed(1); print(vmap(f, randomness='same')(x))
        attempt(vmap(lambda t: torch.bernoulli(t / 2), randomness='same'), x)
        attempt(vmap(vmap(lambda t: torch.rand(())), randomness='different'), x)
        torch.manual_seed(1); print(vmap(vmap(lambda t: torch.rand(()), randomness='different'), randomness='different')(x))
        torch.manual_seed(1); print(vmap(vmap(lambda t: torch.rand(()), randomness='same'), randomness='different')(x))
        try: torch.func.jacfwd(lambda t: t * torch.rand(4))(x[0])
        except RuntimeError: print('refused')
        print(torch.func.jacrev(lambda t: t * torch.rand(4))(x[0]).shape, torch.rand(2))
    """,
    "rearranged": """
        x = torch.arange(24.).reshape(2, 3, 4)
        for p, sizes in (("a b c -> c (a b)", {}), ("a (b d) c -> b a (d c)", {'b': 3}), ("... c -> c ...", {}), ("a ... -> (...) a", {}), ("a b c -> a 1 b () c", {}),
                         ("(a d) ... -> a d ...", {'a': 2}), ("A b c->c b A", {}), ("a b c -> b a c", {'b': 3})):
            print(torch.func.rearrange(x, p, **sizes).shape, torch.func.rearrange(x, p, **sizes).flatten()[:7])
        print(torch.func.rearrange([x, x], "n a b c -> a (n b) c").shape, torch.func.rearrange(x[:1], "1 b c -> b c"), torch.func.rearrange(torch.tensor(1.), "->"))
        for p, sizes in (("a b c -> a", {}), ("a b -> b a", {}), ("a a c -> a c", {}), ("a b c -> a b c d", {'d': 2}), ("a b c", {}), ("a b c -> (a (b c))", {}),
                         ("a (b d) (c e) -> a b d c e", {'b': 3}), ("a b c -> b a c", {'b': 4}), ("a b c -> a b c", {'z': 3}), ("... ... -> ...", {}), ("a _b c -> a c _b", {}),
                         ("a 2 c -> a c", {}), ("a b c -> ...", {}), ("a (b c -> a b c", {})):
            attempt(lambda: torch.func.rearrange(x, p, **sizes))
    """,
    "looked at": """
        x = torch.arange(6.).reshape(3, 2)
        _ = torch.func.vmap(lambda t: print(t + 1, torch.func.debug_unwrap(t)) or t)(x)
        _ = torch.func.vmap(lambda t: print(torch.func.debug_unwrap(t)) or t, in_dims=(0,))(x)
        _ = torch.func.vmap(torch.func.vmap(lambda t: print(torch.func.debug_unwrap(t), torch.ones(2)) or t))(x)
    """,
    "edits": """
        vmap, x = torch.func.vmap, torch.arange(6.).reshape(3, 2)
        def f(t):
            y = t.clone(); y[0] = 7; y.mul_(2); y[1] += t[0]; y.view(2, 1)[1, 0] -= 1
            return y
        print(vmap(f)(x), x)
        print(vmap(lambda t: t.new_zeros(2).add_(t))(x), vmap(lambda t: torch.zeros_like(t).copy_(t))(x))
        y = x.clone(); print(vmap(lambda t: t.add_(1))(y), y)
        y = x.clone(); print(vmap(lambda t: t.fill_(1), in_dims=1)(y), y)
        y = x.clone(); vmap(lambda t: t[0].zero_())(y); print(y)
        c = torch.zeros(2)
        attempt(vmap(lambda t: c.add_(t)), x)
        attempt(vmap(lambda t: c.__setitem__(0, t[0])), x)
        print(c, vmap(lambda t: (c.add_(1), t)[1])(x), c)
        print(vmap(lambda t: t.clone().scatter_(0, torch.tensor([0]), 5.))(x), vmap(lambda t, i: t.clone().index_fill_(0, i, 0))(x, torch.tensor([[0], [1], [0]])))
        bn = nn.BatchNorm1d(2)
        attempt(vmap(bn), torch.rand(3, 4, 2))
        print(vmap(torch.func.replace_all_batch_norm_modules_(nn.BatchNorm1d(2)))(torch.arange(24.).reshape(3, 4, 2).sin()))
        print(vmap(bn.eval())(torch.ones(3, 4, 2)).shape)
    """,
    "gradients through a map": """
        vmap = torch.func.vmap
        x = torch.arange(6.).reshape(3, 2).requires_grad_()
        w = torch.tensor([2., 3.], requires_grad=True)
        y = vmap(lambda t: (t.sin() * w).sum())(x); y.sum().backward(); print(x.grad, w.grad)
        y = vmap(lambda t: (t.sin() * w).sum().detach())(x); print(y.requires_grad)
        y = vmap(lambda t: w * 2)(x); print(torch.autograd.grad(y.sum(), w))
        with torch.no_grad(): print(vmap(lambda t: t * w)(x).requires_grad)
        g, = torch.autograd.grad(vmap(lambda t: (t ** 3 * w).sum())(x).sum(), x, create_graph=True)
        print(g, torch.autograd.grad(g.sum(), (x, w)))
        y = vmap(vmap(lambda a, b: (a * b).exp(), in_dims=(0, None)), in_dims=(None, 0))(w, x[1]); print(torch.autograd.grad(y.sum(), (w, x)))
        a, b = vmap(lambda t: (t * w, t.sum()))(x); print(torch.autograd.grad(b.sum(), x), a.requires_grad)
        y = vmap(lambda t: t * w)(x).sum(); y.backward(retain_graph=True); y.backward()
        attempt(lambda: y.backward())
        net = nn.Linear(2, 2); net(x); loss = vmap(lambda t: net(t).tanh().sum())(x).sum(); loss.backward(); print(net.weight.grad, net.bias.grad)
        print(torch.autograd.grad(w * w, w, torch.eye(2), is_grads_batched=True))
    """,
    "transforms": """
        T = torch.func
        x = torch.tensor([0.5, -1., 2.])
        f = lambda t: (t ** 3).sum() * t[0]
        print(T.grad(f)(x), T.jacrev(T.jacfwd(f))(x), T.jacfwd(T.jacrev(f))(x), T.hessian(f)(x))
        print(T.vmap(T.grad(f))(torch.stack([x, -x])), T.vmap(T.hessian(f))(torch.stack([x, -x])))
        print(T.jacrev(lambda d: {'o': d['a'] * d['b'].sum()})({'a': x[:1], 'b': x[:2]}), T.jacfwd(lambda a, b: (a * b, a), argnums=(0, 1))(x, x))
        print(T.jacrev(torch.outer, argnums=1)(x, x[:2]).shape, T.jacrev(torch.sin, chunk_size=2)(x), T.jacrev(lambda t: (t, t.sum()), has_aux=True)(x))
        print(T.jvp(f, (x,), (torch.ones(3),)), T.vjp(lambda t: (t, [t * 2]), x)[1]((x, [x])), T.vjp(lambda t: t.sum(), x, has_aux=False)[0])
        print(T.grad(lambda a, b: (a * b).sum(), argnums=(-1, 0))(x, 2 * x), T.grad(lambda t: (t.sum(), t), has_aux=True)(x))
        v, d = T.linearize(lambda a, b: {'y': a * b}, x, x + 1); print(v, d(x, x), T.vmap(d)(torch.eye(3), torch.eye(3)))
        print(T.vmap(lambda v: T.jvp(torch.sin, (x,), (v,))[1])(torch.eye(3)), T.vmap(T.vjp(torch.sin, x)[1])(torch.eye(3)))
        print(T.jvp(T.grad(f), (x,), (x,))[1], T.grad(lambda t: T.jvp(f, (t,), (x,))[1])(x))
        with torch.no_grad(): print(T.grad(f)(x), T.vjp(torch.sin, x)[1](x))
        y = x.clone().requires_grad_(); T.grad(f)(y).sum().backward(); print(y.grad)
        y = x.clone(); print(T.jvp(lambda t: t.mul_(2), (y,), (x.clone(),)))
        print(T.functionalize(lambda t: t.clone().add_(1))(x), T.grad(lambda t: (t.abs() ** 2).sum())(torch.tensor([1 + 2j])))
    """,
    "transforms refused": """
        T, x = torch.func, torch.ones(3)
        attempt(T.grad(lambda t, n: (t * n).sum(), argnums=1), x, 3)
        attempt(T.grad(lambda t: t.sum()), torch.tensor([1]))
        attempt(T.grad(lambda t: t), x)
        attempt(T.grad(lambda t: 3.), x)
        attempt(T.grad(lambda t: t.sum(), argnums=2), x)
        attempt(T.grad(lambda t: t.sum(), argnums=(0, 0)), x)
        attempt(T.grad(lambda t: t.sum(), argnums=[0]), x)
        attempt(T.grad(lambda t: t.sum(), argnums=()), x)
        attempt(T.grad(lambda t: t.sum(), has_aux=True), x)
        attempt(T.grad(lambda t: (t.sum(), 3), has_aux=True), x)
        attempt(T.grad(lambda t: (t ** 2).sum()), torch.tensor([1j]))
        attempt(T.grad(lambda t: t.mul_(2).sum()), x.clone())
        attempt(T.grad(lambda t: (t.sum().backward(), t.sum())[1]), x)
        attempt(T.vjp(torch.sin, x)[1], torch.ones(2))
        attempt(T.vjp(lambda t: (t, t), x)[1], x)
        attempt(T.vjp, lambda t: 3, x)
        attempt(T.vjp, lambda t, n: t, x, 3)
        attempt(T.jvp, torch.sin, [x], [x])
        attempt(T.jvp, torch.sin, (x,), (torch.ones(2),))
        attempt(T.jvp, torch.sin, (x,), (x, x))
        attempt(T.jvp, lambda t: t * 2, (torch.tensor([1]),), (torch.tensor([1]),))
        attempt(T.jvp, lambda: x, (), ())
        attempt(lambda: T.jvp(lambda t: torch.ones(2), (x,), (x,), strict=True))
        attempt(T.jacrev(lambda t: 3.), x)
        attempt(T.jacrev(lambda t: t.long()), x)
        attempt(lambda: T.jacrev(torch.sin, chunk_size=0))
        attempt(T.jacrev(lambda t: t ** 2), torch.tensor([1j]))
        attempt(T.jacfwd(lambda t: t ** 2), torch.tensor([1j]))
        attempt(T.linearize(torch.sin, x)[1], torch.ones(2))
        attempt(T.linearize(torch.sin, x)[1], x, x)
        attempt(T.linearize(torch.sin, x)[1], x.double())
        attempt(lambda: T.functionalize(torch.sin, remove='all')(x))
        attempt(T.stack_module_state, [])
        attempt(T.stack_module_state, [nn.Linear(1, 1), nn.Linear(1, 1).eval()])
        attempt(T.stack_module_state, [nn.Linear(1, 1), nn.ReLU()])
        attempt(lambda: T.functional_call(nn.Linear(2, 1), {'w': x}, (torch.ones(2),), strict=True))
        attempt(T.functional_call, nn.Linear(2, 1), [{'weight': x}, {'weight': x}], (x,))
    """,
    "the older form": """
        A = torch.autograd.functional
        x, y = torch.tensor([1., 2.]), torch.tensor([3., 4.])
        f = lambda a, b: (a * b, a.sum())
        s = lambda a, b: (a ** 2 * b).sum()
        n = lambda a: torch.ones(2)
        print('jac'); print(A.jacobian(f, (x, y)), A.jacobian(f, (x, y), vectorize=True))
        attempt(lambda: A.jacobian(f, (x, y), strategy='forward-mode'))
        attempt(lambda: A.jacobian(f, (x, y), strict=True))
        attempt(lambda: A.jacobian(n, x)); attempt(lambda: A.jacobian(n, x, strict=True)); attempt(lambda: A.jacobian(lambda a: 3., x))
        attempt(lambda: A.jacobian(torch.sin, 3.))
        attempt(lambda: A.jacobian(torch.sin, x, strategy='x')); attempt(lambda: A.jacobian(torch.sin, x, strict=True, vectorize=True))
        attempt(lambda: A.jacobian(lambda a: (a, 3), x))
        attempt(lambda: A.jacobian(lambda a: [a], x)); attempt(lambda: A.jacobian(torch.sin, [x]))
        attempt(lambda: A.jacobian(lambda a: a * 2, torch.tensor([1, 2])))
        print('hess'); print(A.hessian(s, (x, y)), A.hessian(lambda a: a.pow(3).sum(), x, vectorize=True))
        attempt(lambda: A.hessian(torch.sin, x)); attempt(lambda: A.hessian(lambda a: a.sum().reshape(1), x))
        attempt(lambda: A.hessian(lambda a: (a.sum(), a.sum()), x)); attempt(lambda: A.hessian(lambda a: a.sum(), x))
        attempt(lambda: A.hessian(lambda a: a.sum(), x, strict=True))
        attempt(lambda: A.hessian(s, (x, y), outer_jacobian_strategy='z'))
        attempt(lambda: A.hessian(n, x)); attempt(lambda: A.hessian(lambda a: torch.ones(()), x))
        attempt(lambda: A.hessian(s, (x, y), outer_jacobian_strategy='forward-mode'))
        print('vjp')
        print(A.vjp(f, (x, y), (x, torch.tensor(1.))), A.vjp(lambda a: a.sum(), x), A.vjp(lambda a: a.sum().reshape(1), x))
        attempt(lambda: A.vjp(f, (x, y))); attempt(lambda: A.vjp(torch.sin, x)); attempt(lambda: A.vjp(torch.sin, x, torch.ones(3)))
        attempt(lambda: A.vjp(f, (x, y), (x,))); attempt(lambda: A.vjp(n, x, x)); attempt(lambda: A.vjp(n, x, x, strict=True))
        attempt(lambda: A.vjp(f, (x, y), (x, torch.tensor(1.)), strict=True))
        print('jvp'); print(A.jvp(f, (x, y), (x, y)), A.jvp(torch.sin, torch.tensor(1.)), A.jvp(torch.sin, torch.tensor([1.])))
        attempt(lambda: A.jvp(torch.sin, x)); attempt(lambda: A.jvp(f, (x, y), (x,)))
        attempt(lambda: A.jvp(torch.sin, x, torch.ones(3))); attempt(lambda: A.jvp(n, x, x))
        attempt(lambda: A.jvp(n, x, x, strict=True)); attempt(lambda: A.jvp(f, (x, y), (x, y), strict=True))
        print('vhp')
        print(A.vhp(s, (x, y), (x, y)), A.hvp(s, (x, y), (x, y)), A.vhp(lambda a: a ** 3, torch.tensor(2.)), A.hvp(lambda a: a ** 3, torch.tensor([2.])))
        attempt(lambda: A.vhp(s, (x, y))); attempt(lambda: A.hvp(lambda a: a.sum(), x)); attempt(lambda: A.vhp(torch.sin, x, x))
        attempt(lambda: A.vhp(lambda a: a.sum(), x, x)); attempt(lambda: A.hvp(lambda a: a.sum(), x, x))
        attempt(lambda: A.hvp(lambda a: a.sum(), x, x, strict=True)); attempt(lambda: A.vhp(lambda a: a.sum(), x, torch.ones(3)))
        attempt(lambda: A.vhp(lambda a: (a.sum(),) * 2, x, x)); attempt(lambda: A.vhp(n, x, x))
        attempt(lambda: A.hvp(lambda a: torch.ones(()), x, x, strict=True))
        print('graph')
        xr = x.clone().requires_grad_()
        print(A.jacobian(torch.sin, xr).requires_grad, A.jacobian(torch.sin, xr, create_graph=True).requires_grad, A.jacobian(torch.sin, x, create_graph=True).requires_grad, A.hessian(lambda a: a.pow(3).sum(), xr, create_graph=True).requires_grad)
        v, j = A.vjp(torch.sin, xr, x, create_graph=True); print(v.requires_grad, j.requires_grad); j.sum().backward(); print(xr.grad)
        v, j = A.vjp(torch.sin, xr, x); print(v.requires_grad, j.requires_grad)
        with torch.no_grad(): print(A.jacobian(torch.sin, x), A.vjp(torch.sin, x, x))
    """,
    "gradients of single samples": """
        T = torch.func
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))
        params = {k: v.detach() for k, v in net.named_parameters()}
        images, labels = torch.randn(6, 1, 8, 8), torch.tensor([3, 1, 4, 1, 5, 9])
        def loss_of(params, image, label):
            logits = T.functional_call(net, params, (image[None],))
            return F.cross_entropy(logits, label[None])
        single = T.vmap(T.grad(loss_of), in_dims=(None, 0, 0))(params, images, labels)
        print({k: (v.shape, v.norm()) for k, v in single.items()}, single['0.weight'][2, 1])
        F.cross_entropy(net(images), labels).backward()
        for k, p in net.named_parameters(): print(torch.allclose(p.grad, single[k].mean(0), atol=1e-5))
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in single.values()]).norm(dim=0)
        clipped = {k: (g * (1 / norms).clamp(max=1).view(-1, *[1] * (g.ndim - 1))).mean(0) for k, g in single.items()}
        print(norms, {k: v.sum() for k, v in clipped.items()})
        value, grads = T.vmap(T.grad_and_value(loss_of), (None, 0, 0), chunk_size=4)(params, images, labels)[::-1]; print(value, grads['5.bias'][0])
    """,
    "layers of a single sample": """
        T = torch.func
        for net, x in ((nn.LayerNorm(4), torch.randn(3, 4)), (nn.Sequential(nn.Linear(4, 4), nn.RMSNorm(4)), torch.randn(3, 4)),
                       (nn.Embedding(7, 3), torch.tensor([1, 6, 1])), (nn.PReLU(), torch.randn(3, 4)),
                       (nn.TransformerEncoderLayer(4, 2, 8, dropout=0.), torch.randn(3, 5, 4)), (nn.BatchNorm1d(4).eval(), torch.randn(3, 5, 4))):
            params, buffers = {k: v.detach() for k, v in net.named_parameters()}, dict(net.named_buffers())
            def loss(params, x):
                y = T.functional_call(net, (params, buffers), (x,))
                return (y * torch.arange(1., 1 + y.numel()).view(y.shape).sin() + y ** 3).sum()
            print([round(n, 2) for g in T.vmap(T.grad(loss), (None, 0))(params, x).values() for n in g.abs().flatten(1).sum(1).tolist()])
    """,
    "an ensemble": """
        T = torch.func
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.one, self.norm, self.two = nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3)
                self.register_buffer('scale', torch.tensor(2.))
            def forward(self, x):
                return self.two(self.norm(self.one(x)).relu()) * self.scale
        models = [Net() for _ in range(5)]
        params, buffers = T.stack_module_state(models)
        print({k: v.shape for k, v in {**params, **buffers}.items()})
        call = lambda p, b, x: T.functional_call(models[0], (p, b), (x,))
        x = torch.randn(5, 7, 4)
        each, shared = T.vmap(call)(params, buffers, x), T.vmap(call, in_dims=(0, 0, None))(params, buffers, x[0])
        print(each.mean((1, 2)), shared.std(0).sum(), all(torch.allclose(y, m(t), atol=1e-5) for y, m, t in zip(each, models, x)))
        each.pow(2).mean().backward(); print({k: p.grad.norm() for k, p in params.items()})
        losses = lambda p, b, x: call(p, b, x).pow(2).mean()
        state = {k: v.detach() for k, v in params.items()}
        for _ in range(3):
            grads, values = T.vmap(T.grad_and_value(losses), (0, 0, None))(state, buffers, x[0])
            state = {k: v - 0.1 * grads[k] for k, v in state.items()}
            print(values)
    """,
    "Jacobians, Hessians and tangent kernels": """
        T = torch.func
        net = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
        params = {k: v.detach() for k, v in net.named_parameters()}
        call = lambda p, x: T.functional_call(net, p, (x,))
        a, b = torch.randn(4, 3), torch.randn(5, 3)
        print(T.jacrev(lambda x: net(x))(a[0]), T.vmap(T.jacfwd(lambda x: net(x)))(a).sum(0), T.vmap(T.hessian(lambda x: net(x).sum()))(a)[1])
        def kernel(a, b):
            left, right = (T.vmap(T.jacrev(call), (None, 0))(params, x) for x in (a, b))
            return sum(torch.einsum('naf,mbf->nmab', l.flatten(2), r.flatten(2)) for l, r in zip(left.values(), right.values()))
        def by_products(a, b):
            def entry(x, y):
                _, pull = T.vjp(lambda p: call(p, x), params)
                return T.vmap(lambda u: T.jvp(lambda p: call(p, y), (params,), pull(u))[1])(torch.eye(2))
            return T.vmap(T.vmap(entry, (None, 0)), (0, None))(a, b)
        print(kernel(a, b)[0, 1], kernel(a, b).shape, torch.allclose(kernel(a, b), by_products(a, b), atol=1e-5))
        weights = T.hessian(lambda p: call(p, a).pow(2).sum())(params); print(weights['0.bias']['2.bias'])
        f = lambda x: call(params, x).sum()
        print(T.vmap(lambda x: T.jvp(T.grad(f), (x,), (torch.ones(3),))[1])(a), T.vmap(lambda x: torch.trace(T.hessian(f)(x)))(a))
    """,
    "learning to learn": """
        T = torch.func
        net = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))
        params = dict(net.named_parameters())
        call = lambda p, x: T.functional_call(net, p, (x,))
        error = lambda p, x, y: F.mse_loss(call(p, x), y)
        def adapted(p, x, y, x2, y2):
            for _ in range(2):
                grads = T.grad(error)(p, x, y)
                p = {k: v - 0.05 * grads[k] for k, v in p.items()}
            return error(p, x2, y2)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        for step in range(3):
            phase, x, x2 = torch.rand(4, 1, 1) * 3, torch.randn(4, 5, 1), torch.randn(4, 5, 1)
            tasks = x, (x + phase).sin(), x2, (x2 + phase).sin()
            losses = T.vmap(adapted, (None, 0, 0, 0, 0))(params, *tasks)
            optimizer.zero_grad(); losses.mean().backward(); optimizer.step()
            print(losses, [p.grad.norm() for p in net.parameters()])
        meta = T.grad(lambda p: adapted(p, *(t[0] for t in tasks)))({k: v.detach() for k, v in params.items()})
        print({k: v.sum() for k, v in meta.items()})
    """,
    "functions of one's own": """
        import numpy as np
        T = torch.func
        class Cube(torch.autograd.Function):
            generate_vmap_rule = True
            @staticmethod
            def forward(x): return x ** 3
            @staticmethod
            def setup_context(ctx, inputs, output): ctx.save_for_backward(*inputs)
            @staticmethod
            def backward(ctx, g): return g * 3 * ctx.saved_tensors[0] ** 2
        x = torch.arange(6.).reshape(2, 3)
        print(T.vmap(Cube.apply)(x), T.grad(lambda t: Cube.apply(t).sum())(x[0]), T.vmap(T.grad(lambda t: Cube.apply(t).sum()))(x), T.jacrev(T.grad(lambda t: Cube.apply(t).sum()))(x[1]))
        class Sorted(torch.autograd.Function):
            @staticmethod
            def forward(x, dim):
                array = x.detach().numpy()
                return tuple(map(torch.tensor, (np.sort(array, axis=dim), np.argsort(array, axis=dim))))
            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.dim = inputs[1]; ctx.mark_non_differentiable(output[1]); ctx.save_for_backward(output[1])
            @staticmethod
            def backward(ctx, g, _):
                return torch.zeros_like(g).scatter(ctx.dim, ctx.saved_tensors[0], g), None
            @staticmethod
            def vmap(info, in_dims, x, dim):
                print(info.batch_size, info.randomness)
                x = x.movedim(in_dims[0], 0)
                return Sorted.apply(x, dim if dim < 0 else dim + 1), (0, 0)
        y = torch.tensor([[3., 1., 2.], [0., 5., 4.]])
        print(T.vmap(lambda t: Sorted.apply(t, 0)[0])(y), T.vmap(lambda t: Sorted.apply(t, 0)[0] * 2, in_dims=1, out_dims=1)(y))
        z = y.clone().requires_grad_(); (T.vmap(lambda t: Sorted.apply(t, 0)[0])(z) * torch.arange(3.)).sum().backward(); print(z.grad)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    twins.check(PROGRAMS[name])


def test_a_map_is_recorded_once(monkeypatch):
    calls = []

    def f(x):
        calls.append(x.shape)
        return (x.sin() * x).sum()

    def instructions(n):
        kuai.synchronize()
        before = kuai.engine.report.stats.counts["instructions"]
        kuai.func.vmap(kuai.func.grad(f))(kuai.ones(n, 4)).tolist()
        return kuai.engine.report.stats.counts["instructions"] - before

    assert instructions(3) == instructions(300)
    assert calls == [(4,), (4,)]


def test_a_map_compiles():
    pytest.importorskip("jax")
    f = kuai.func.vmap(kuai.func.vmap(lambda a, b: (a.softmax(0) @ b).exp().sum(), (0, None)), (None, 0))
    a, b = kuai.randn(5, 4), kuai.randn(3, 4, 2)
    found = []
    for engine in ("numpy", "xla"):
        kuai.set_engine(engine)
        found.append(f(a, b).numpy())
    kuai.set_engine("auto")
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_what_escapes_a_map_has_no_value():
    escaped = []
    kuai.func.vmap(lambda x: (escaped.append(x * 2), escaped.append(kuai.ones(2) + 1), x)[2])(kuai.ones(3))
    with pytest.raises(RuntimeError, match="vmap"):
        escaped[0].item()
    assert escaped[1].tolist() == [2, 2]


def test_a_map_leaves_no_cycles():
    gc.collect()
    gc.disable()
    try:
        x, w = kuai.ones(3, 2, requires_grad=True), kuai.ones(2, requires_grad=True)
        before = x * 2
        shared = w * 3
        y = kuai.func.vmap(lambda t: (t * shared).sum())(before)
        nodes = [weakref.ref(t.grad_fn) for t in (before, shared, y)]
        y.sum().backward()
        del before, y
        shared = None
        assert [n() for n in nodes] == [None] * 3
    finally:
        gc.enable()
