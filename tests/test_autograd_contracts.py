"""What PyTorch's own tests ask of autograd: what hooks may return, where gradients are kept, what a Function may do. Each is a
program whose output is compared with PyTorch's; loops are longer than a backward needs to be repeated without a walk."""

from __future__ import annotations

import pytest

from tests.twins import check

PROGRAMS = {
    "what hooks may return": """
        def run(register, result):
            x = torch.ones(2, requires_grad=True); y = x * x
            register(x, y)(lambda *given: result)
            attempt(lambda: y.sum().backward()); print(x.grad)
        tensor = lambda x, y: y.register_hook
        pre = lambda x, y: y.grad_fn.register_prehook
        post = lambda x, y: y.grad_fn.register_hook
        after = lambda x, y: x.register_post_accumulate_grad_hook
        good = torch.full((2,), 3.)
        for bad in (3, torch.ones(3), torch.ones(2).double(), torch.ones(2, device="meta"), good):
            run(tensor, bad); run(pre, bad); run(pre, (bad,)); run(post, bad); run(post, (bad,)); run(post, (bad, good))
        run(pre, (good, good)); run(post, (None, good)); run(after, None); run(after, good)
    """,
    "hooks that come and go in a loop": """
        w = torch.tensor([1., 2.], requires_grad=True)
        for i in range(12):
            w.grad = None
            y = (w * 2).exp(); z = y.sum()
            if i in (5, 8): y.register_hook(lambda g: print("y", i) or g * 3)
            if i == 6: handle = w.register_hook(lambda g: print("w", i))
            if i == 8: handle.remove()
            if i in (7, 10): y.retain_grad()
            if i == 11: z.grad_fn.register_prehook(lambda given: (given[0] * 5,))
            z.backward(); print(w.grad)
            if i in (7, 10): print(y.grad)
    """,
    "what pre-hooks change": """
        x = torch.ones(2, requires_grad=True); y = x * 2
        y.retain_grad(); y.register_hook(lambda g: g * 10); y.grad_fn.register_prehook(lambda given: (given[0] * 100,))
        print(torch.autograd.grad(y.sum(), y, retain_graph=True), torch.autograd.grad(y.sum(), x, retain_graph=True))
        y.sum().backward(); print(x.grad, y.grad)
    """,
    "gradients kept through edits": """
        x = torch.tensor([1., 2.], requires_grad=True)
        y = x.clone(); y.retain_grad(); y.mul_(2); (y * 3).sum().backward(); print(x.grad, y.grad)
        base = x.clone(); view = base[:]; view.retain_grad(); base.retain_grad()
        view.mul_(3); (view * base).sum().backward(); print(view.grad, base.grad)
        z = x * 2; z.retain_grad(); (z * z).sum().backward(create_graph=True); print(z.grad, z.grad.requires_grad)
        del x.grad; print(x.grad)
    """,
    "what backward may be given": """
        x = torch.ones(2, requires_grad=True)
        attempt(lambda: (x * 2).backward(torch.ones(2, dtype=torch.complex64)))
        c = torch.ones(2, dtype=torch.complex64, requires_grad=True)
        attempt(c.sum().backward); attempt(torch.autograd.grad, c.sum(), c); c.sum().backward(torch.tensor(1 + 0j)); print(c.grad)
        attempt(torch.autograd.backward, []); attempt(torch.autograd.grad, [], []); attempt(torch.autograd.grad, x.sum(), [])
        import warnings
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            torch.autograd.backward((x * 2).sum(), grad_variables=torch.tensor(3.))
            attempt(lambda: torch.autograd.backward((x * 2).sum(), torch.tensor(1.), grad_variables=torch.tensor(1.)))
        print([(w.category, str(w.message)) for w in said], x.grad)
    """,
    "modes around generators": """
        on = torch.is_grad_enabled
        @torch.no_grad()
        def numbers():
            try:
                print("got", (yield on()), on())
                yield 2
            except ValueError:
                print("caught", on()); yield 3
            finally:
                print("finally", on())
            return 9
        steps = numbers(); print(next(steps), on(), steps.send("x"), on(), steps.throw(ValueError()), on())
        try: next(steps)
        except StopIteration as end: print(end.value, on())
        steps = numbers(); next(steps); steps.close(); print(on())
        steps = numbers(); next(steps); attempt(steps.throw, KeyError); print(on())
        import warnings
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            @torch.no_grad()
            class Made:
                def __init__(self): print("made", on())
            Made()
        print([w.category for w in said], type(torch.no_grad().clone()).__name__, torch.set_grad_enabled(True).mode)
    """,
    "what a Function may do": """
        F = torch.autograd.Function
        def function(forward, backward=lambda ctx, g: g):
            return type("Made", (F,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})
        x = torch.tensor([1., 2.], requires_grad=True)
        attempt(lambda: function(lambda ctx, t: ctx.save_for_backward(3) or t * 2).apply(x))
        double = lambda ctx, t, *others: t * 2
        attempt(lambda: function(double, lambda ctx, g: 3).apply(x).sum().backward())
        attempt(lambda: function(double, lambda ctx, g: (g, g)).apply(x, 5).sum().backward())
        attempt(lambda: function(double, lambda ctx, g: torch.ones(7)).apply(x).sum().backward())
        attempt(lambda: function(lambda ctx, t: ctx.mark_dirty(t) or t.clone()).apply(x.clone()))
        print(function(lambda ctx, t: [t * 2]).apply(x)[0].requires_grad, x.grad)
        same = function(lambda ctx, t: t)
        n = torch.ones(2); print(same.apply(n) is n, same.apply(n).requires_grad, same.apply(x) is x)
        for view in (same, function(lambda ctx, t: t[:1], lambda ctx, g: torch.cat([g, g]))):
            y = x.clone(); z = view.apply(y); attempt(lambda: z.add_(1)); attempt(lambda: z.__setitem__(0, 1.)); print(y, z)
            w = z.clone(); w.add_(1); w.sum().backward(); print(x.grad); x.grad = None
        with torch.no_grad(): print(same.apply(x) is x, same.apply(x).requires_grad)
        attempt(lambda: function(lambda ctx, t: t)()(x))
    """,
    "what a Function changes": """
        class Add(torch.autograd.Function):
            @staticmethod
            def forward(ctx, t): t.add_(1); ctx.mark_dirty(t); return t
            @staticmethod
            def backward(ctx, g): return g * 3
        x = torch.tensor([1., 2., 3., 4.], requires_grad=True)
        attempt(Add.apply, x.detach().requires_grad_()); attempt(Add.apply, x.detach().requires_grad_()[:2])
        y = x.clone(); print(Add.apply(y) is y, y, y._version); y.sum().backward(); print(x.grad)
        x.grad = None; y = x.clone(); v = y[:2]; print(Add.apply(v) is v, y, v)
        (y * y).sum().backward(); print(x.grad)
    """,
    "what a Function's node tells": """
        class Scale(torch.autograd.Function):
            @staticmethod
            def forward(ctx, t, factor): ctx.factor = factor; ctx.inputs = 7; ctx.save_for_backward(t); return t * factor
            @staticmethod
            def backward(ctx, g): return g * ctx.factor, None
        x = torch.ones(2, requires_grad=True)
        for i in range(6):
            x.grad = None; y = Scale.apply(x, i)
            node = y.grad_fn; print(node.factor, node.inputs, node.needs_input_grad, node.saved_tensors, node._forward_cls is Scale)
            node.factor = 10 + i; y.sum().backward(); print(x.grad); attempt(lambda: node.missing)
    """,
    "a Function with defaults": """
        class Scale(torch.autograd.Function):
            @staticmethod
            def forward(t, factor=2): return t * factor
            @staticmethod
            def setup_context(ctx, inputs, output): print(len(inputs)); ctx.factor = inputs[1]
            @staticmethod
            def backward(ctx, g): return g * ctx.factor, None
        x = torch.ones(2, requires_grad=True)
        Scale.apply(x).sum().backward(); Scale.apply(x, factor=5).sum().backward(); print(x.grad)
    """,
    "checkpoints of the older way": """
        from importlib import import_module
        import warnings
        module = import_module(torch.__name__ + ".utils.checkpoint"); checkpoint = module.checkpoint
        runs, net = [], torch.nn.Linear(3, 3)
        def f(x, other=None):
            runs.append(torch.is_grad_enabled()); return torch.nn.functional.dropout(net(x), 0.5).exp(), 3, None
        for i in range(6):
            torch.manual_seed(i); net.zero_grad(); x = torch.ones(2, 3, requires_grad=True)
            checkpoint(f, x, use_reentrant=True)[0].sum().backward(); print(x.grad, net.weight.grad, runs)
        x = torch.ones(2, 3, requires_grad=True)
        attempt(lambda: checkpoint(f, x, other=1, use_reentrant=True))
        attempt(lambda: checkpoint(f, x, use_reentrant=True, debug=True))
        attempt(lambda: torch.autograd.grad(checkpoint(f, x, use_reentrant=True)[0].sum(), x))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            print(checkpoint(f, x.detach(), use_reentrant=True)[0].requires_grad, checkpoint(f, x)[0].requires_grad)
        print([w.category for w in said])
    """,
    "checkpoints in checkpoints, and under autocast": """
        from importlib import import_module
        checkpoint = import_module(torch.__name__ + ".utils.checkpoint").checkpoint
        runs = []
        def inner(x): runs.append("inner"); return x.sin().exp()
        def outer(x): runs.append("outer"); return checkpoint(inner, x, use_reentrant=False).cos()
        for reentrant in (False, True):
            x = torch.tensor([1., 2.], requires_grad=True)
            checkpoint(outer, x, use_reentrant=reentrant).sum().backward(); print(x.grad, runs)
            x = torch.ones(2, 2, requires_grad=True)
            with torch.autocast("cpu"): y = checkpoint(lambda t: t @ t, x, use_reentrant=reentrant)
            y.float().sum().backward(); print(y.dtype, x.grad)
    """,
    "what autocast does on the CPU": """
        x = torch.ones(2, 2); half = x.bfloat16(); t = torch.tensor([0, 1])
        with torch.autocast("cpu"):
            for f in (lambda: F.layer_norm(half, (2,)), half.sum, half.exp, lambda: half.softmax(0), lambda: half.cumsum(0),
                      half.prod, half.norm, lambda: half.pow(3), lambda: torch.fft.fft(half), lambda: torch.fft.rfft(half),
                      lambda: torch.linalg.inv(torch.eye(2).bfloat16()), lambda: F.mse_loss(half, x), lambda: F.gelu(half),
                      lambda: F.binary_cross_entropy(half, x), lambda: F.binary_cross_entropy_with_logits(half, x),
                      lambda: F.cross_entropy(half, t), lambda: F.nll_loss(half, t), lambda: F.l1_loss(half, x),
                      lambda: F.kl_div(half, x), lambda: torch.cat([half, x]), lambda: torch.stack([half, half]),
                      lambda: F.scaled_dot_product_attention(x[None], x[None], x[None]), lambda: torch.addcmul(half, half, half),
                      lambda: torch.einsum("ij,jk", x, x), lambda: x[0] @ x[0], lambda: F.prelu(x, x[0, :1])):
                attempt(lambda: f().dtype)
        attempt(torch.fft.fft, half); attempt(F.binary_cross_entropy, half, x)
    """,
    "a Function that chooses its precision": """
        def made(**options):
            class Told(torch.autograd.Function):
                @staticmethod
                @torch.amp.custom_fwd(device_type="cpu", **options)
                def forward(ctx, t): print(t.dtype, torch.is_autocast_enabled("cpu")); return t * 2
                @staticmethod
                @torch.amp.custom_bwd(device_type="cpu")
                def backward(ctx, g): print(g.dtype, torch.is_autocast_enabled("cpu")); return g * 2
            return Told
        for kind in (made(), made(cast_inputs=torch.float16)):
            x = torch.ones(2, requires_grad=True)
            with torch.autocast("cpu"): y = kind.apply(x)
            y.sum().backward(); kind.apply(x).sum().backward(); print(x.grad)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    check(PROGRAMS[name])
