"""Module, Parameter and the containers: programs that print what PyTorch prints."""

import pytest

from tests import twins

# Each is a program that prints the same under both.
PROGRAMS = {
    "registration": """
        class M(nn.Module):
            pass

        class NoInit(nn.Module):
            def __init__(self, set_):
                set_(self)

        attempt(NoInit, lambda m: setattr(m, 'p', nn.Parameter(torch.ones(1))))
        attempt(NoInit, lambda m: setattr(m, 'm', nn.ReLU()))
        attempt(NoInit, lambda m: m.register_buffer('b', torch.ones(1)))
        attempt(NoInit, lambda m: m.register_parameter('b', None))
        m = M()
        m.w = nn.Parameter(torch.ones(2))
        attempt(setattr, m, 'w', torch.ones(2))
        attempt(setattr, m, 'w', 3)
        m.w = None
        print(m.w, list(m.parameters()), 'w' in m._parameters)
        m.w = nn.Parameter(torch.zeros(1))
        m.sub = nn.ReLU()
        attempt(setattr, m, 'sub', 3)
        attempt(setattr, m, 'sub', torch.ones(1))
        m.sub = None
        print(m, m.sub, list(m.children()))
        m.register_buffer('b', torch.zeros(2))
        attempt(setattr, m, 'b', 3)
        m.b = torch.ones(2)
        print(m.b, list(m._buffers), 'b' in m.__dict__)
        m.b = None
        print(m.state_dict())
        attempt(m.register_buffer, 'c', 3)
        attempt(m.register_buffer, 'w', torch.ones(1))
        attempt(m.register_buffer, 'a.b', torch.ones(1))
        attempt(m.register_buffer, '', torch.ones(1))
        attempt(m.register_buffer, 3, torch.ones(1))
        attempt(m.register_parameter, 'c', torch.ones(1))
        attempt(m.register_parameter, 'forward', None)
        attempt(m.register_parameter, 'a.b', None)
        attempt(m.register_parameter, '', None)
        attempt(m.register_parameter, 3, None)
        attempt(m.register_parameter, 'c', nn.Parameter(torch.ones(1)) * 2)
        attempt(m.add_module, 'c', 3)
        attempt(m.add_module, 'forward', nn.ReLU())
        attempt(m.add_module, 'a.b', nn.ReLU())
        attempt(m.add_module, '', nn.ReLU())
        attempt(m.add_module, 3, nn.ReLU())
        m.add_module('block 0', nn.ReLU())
        m.register_module('none', None)
        print(m)
        m.w = nn.ReLU() if False else nn.Parameter(torch.ones(1))
        m.x = nn.Parameter(torch.ones(1))
        attempt(setattr, m, 'x', nn.ReLU())
        m.y = nn.ReLU()
        m.y = nn.Parameter(torch.ones(1))
        print(list(m._modules), list(m._parameters))
        m.plain = 5
        m.plain = nn.Parameter(torch.ones(1))
        print('plain' in m.__dict__, list(m._parameters))
        del m.plain
        attempt(delattr, m, 'plain')
        attempt(getattr, m, 'nothing')
        attempt(lambda: M(3))
        attempt(lambda: M(a=3))
        attempt(m)
        attempt(lambda: M().forward(1))
    """,
    "walking": """
        inner = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.none = inner, inner, None
                self.c = nn.Linear(2, 2, bias=False)
                self.register_buffer('saved', torch.zeros(1))
                self.register_buffer('unsaved', torch.ones(1), persistent=False)
        m = M()
        m.c.weight = m.a[0].weight
        print([n for n, _ in m.named_modules()], [n for n, _ in m.named_modules(prefix='p')])
        print([n for n, _ in m.named_modules(remove_duplicate=False)])
        print([n for n, _ in m.named_children()], len(list(m.children())), len(list(m.modules())))
        print([n for n, _ in m.named_parameters()], [n for n, _ in m.named_parameters('pre', recurse=False)])
        print([n for n, _ in m.named_parameters(remove_duplicate=False)])
        print([n for n, _ in m.named_buffers()], [n for n, _ in m.named_buffers('x')], len(list(m.buffers())))
        print(list(m.state_dict()), list(m.state_dict(prefix='q.')))
        print(len(list(m.parameters())), len(list(m.parameters(recurse=False))))
        memo = set()
        print(len(list(m.named_modules(memo))), len(memo))
        m.apply(lambda x: print(type(x).__name__))
        print(m.get_submodule('a.0'), m.get_submodule('') is m)
        print(m.get_parameter('a.0.bias').shape, m.get_buffer('saved'))
        attempt(m.get_submodule, 'a.7')
        attempt(m.get_submodule, 'training')
        attempt(m.get_parameter, 'a.0.x')
        attempt(m.get_parameter, 'saved')
        attempt(m.get_buffer, 'c.weight')
        attempt(m.get_buffer, 'nothing')
        m.set_submodule('a.1', nn.ReLU())
        print(m.a)
        attempt(m.set_submodule, '', nn.ReLU())
        attempt(m.set_submodule, 'a.0', 3)
        attempt(m.set_submodule, 'zz.0', nn.ReLU())
        attempt(lambda: m.set_submodule('new', nn.ReLU(), strict=True))
        attempt(m.set_submodule, 'saved', nn.ReLU())
        m.set_submodule('new', nn.ReLU())
        print(m.new)
        print([n for n in dir(m) if n in ('a', 'saved', 'c', 'training', 'forward', '0')], '0' in dir(inner))
    """,
    "moving": """
        m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        w = m[0].weight
        m(torch.ones(2, 2)).sum().backward()
        m.double()
        print(w is m[0].weight, w.dtype, w.grad.dtype, m[1].running_mean.dtype, m[1].num_batches_tracked.dtype)
        m.half(); print(w.dtype)
        m.bfloat16(); print(w.dtype)
        m.float(); print(w.dtype)
        m.to(torch.float64); print(w.dtype, m[1].num_batches_tracked.dtype)
        m.to('cpu', torch.float32); print(w.dtype)
        m.to(torch.ones(1, dtype=torch.float64)); print(w.dtype)
        m.to(dtype=torch.float32, device='cpu', non_blocking=True); print(w.dtype)
        m.to(device='meta'); print(m[0].bias.device, m[1].running_mean.device)
        w = m[0].weight
        attempt(m.to, torch.int64)
        attempt(m.to, 'foo')
        attempt(lambda: m.to(foo=3))
        attempt(m.to, 'cpu')
        m.to_empty(device='cpu')
        w = m[0].weight
        print(w.device, w.shape, w.requires_grad)
        m.type(torch.float64); print(w.dtype, m[1].num_batches_tracked.dtype)
        print(m.cpu() is m, m.share_memory() is m)
        print(m.train(False) is m, m.training, m[1].training, m.eval().training, m.train()[0].training)
        attempt(m.train, 1)
        print(m.requires_grad_(False) is m, [p.requires_grad for p in m.parameters()])
        m.requires_grad_()
        print([p.requires_grad for p in m.parameters()])
        m = nn.Linear(2, 1)
        m(torch.ones(2)).backward()
        m.zero_grad(set_to_none=False); print(m.weight.grad, m.bias.grad)
        m.zero_grad(); print(m.weight.grad)
    """,
    "state_dict": """
        class Extra(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(torch.ones(2))
                self.note = 'a'
            def get_extra_state(self):
                return self.note
            def set_extra_state(self, state):
                self.note = state
        m = nn.Sequential(Extra(), nn.BatchNorm1d(2))
        s = m.state_dict()
        print(s, s._metadata)
        print(type(s).__name__, s['0.scale'].requires_grad, type(s['0.scale']).__name__)
        print(m.state_dict(keep_vars=True)['0.scale'] is m[0].scale)
        m[0].scale.data.fill_(7)
        print(s['0.scale'])
        s['0._extra_state'] = 'b'
        print(m.load_state_dict(s), m[0].note)
        out = {}
        m.state_dict(destination=out, prefix='x.')
        print(list(out))
        attempt(m.state_dict, {}, 'p.', False)
        attempt(m.load_state_dict, 3)
        print(m.load_state_dict({'0.scale': torch.zeros(2), 'odd': 1}, strict=False))
        print(m[0].scale)
        attempt(lambda: m.load_state_dict({'0.scale': torch.zeros(3)}, strict=False))
        attempt(lambda: m.load_state_dict({'0.scale': 3}, strict=False))
        attempt(lambda: m.load_state_dict({'0.scale': torch.zeros(2, dtype=torch.float64)}, strict=False))
        print(m[0].scale.dtype)
        attempt(lambda: nn.Linear(1, 1).get_extra_state())
        attempt(lambda: nn.Linear(1, 1).set_extra_state(3))
        l = nn.Linear(1, 1)
        attempt(l.load_state_dict, {'weight': torch.ones(1, 1), 'bias': torch.ones(())})
        l.register_parameter('none', None)
        print(list(l.state_dict()), l.load_state_dict(l.state_dict()))
        w = l.weight
        l.load_state_dict({'weight': torch.ones(1, 1, dtype=torch.float64), 'bias': torch.ones(1)}, assign=True)
        print(l.weight is w, l.weight, type(l.weight).__name__)
        frozen = nn.Linear(1, 1).requires_grad_(False)
        frozen.load_state_dict({'weight': torch.ones(1, 1), 'bias': nn.Parameter(torch.ones(1))}, assign=True)
        print(frozen.weight, frozen.bias)
        zero = nn.Module(); zero.s = nn.Parameter(torch.tensor(1.))
        print(zero.load_state_dict({'s': torch.tensor([4.])}), zero.s)
        meta = nn.Linear(1, 1, device='meta')
        attempt(meta.load_state_dict, l.state_dict())
        print(meta.weight.device)
        meta.load_state_dict(l.state_dict(), assign=True)
        print(meta.weight)
    """,
    "state_dict_hooks": """
        m = nn.Sequential(nn.Linear(1, 1, bias=False))
        h = m.register_state_dict_pre_hook(lambda module, prefix, keep: print('pre', prefix, keep))
        m[0].register_state_dict_post_hook(lambda module, state, prefix, meta: state.update({prefix + 'new': 1}))
        m._register_state_dict_hook(lambda module, state, prefix, meta: {k + '!': v for k, v in state.items()})
        print(list(m.state_dict()))
        h.remove()
        bad = nn.Linear(1, 1)
        bad.register_state_dict_post_hook(lambda *a: 3)
        attempt(bad.state_dict)
        l = nn.Linear(1, 1, bias=False)
        rename = lambda state, prefix, *rest: state.update({prefix + 'weight': state.pop(prefix + 'w')})
        l._register_load_state_dict_pre_hook(rename)
        l.register_load_state_dict_pre_hook(lambda module, state, *rest: print(type(module).__name__, list(state)))
        print(l.load_state_dict({'w': torch.ones(1, 1)}), l.weight)
        l = nn.Linear(1, 1)
        h = l.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
        print(l.load_state_dict({'weight': torch.ones(1, 1)}), l.weight)
        h.remove()
        l.register_load_state_dict_post_hook(lambda module, keys: print('post', keys, module.weight))
        attempt(lambda: l.load_state_dict({'weight': torch.zeros(1, 1)}, strict=False))
        l.register_load_state_dict_post_hook(lambda module, keys: 3)
        attempt(lambda: l.load_state_dict(l.state_dict()))
        class Old(nn.Linear):
            _version = 2
            def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
                print(prefix, local_metadata, strict)
                state_dict.setdefault(prefix + 'bias', torch.zeros(1))
                super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
        net = nn.Sequential(Old(1, 1))
        print(net.load_state_dict({'0.weight': torch.ones(1, 1)}))
        print(net.load_state_dict(net.state_dict()))
        missing, unexpected, errors = [], [], []
        given = {'p.weight': torch.ones(2, 1), 'p.x': 1, 'y': 1}
        nn.Linear(1, 1)._load_from_state_dict(given, 'p.', {}, True, missing, unexpected, errors)
        print(missing, unexpected, len(errors))
    """,
    "forward_hooks": """
        class Add(nn.Module):
            def forward(self, x, y=0):
                return x + y
        m = Add()
        one = torch.ones(1)
        h1 = m.register_forward_pre_hook(lambda module, args: print('pre', args))
        h2 = m.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        h3 = m.register_forward_pre_hook(lambda module, args: args[0] * 2, prepend=True)
        h4 = m.register_forward_pre_hook(lambda module, args, kwargs: (args, {'y': kwargs.get('y', 0) + 10}), with_kwargs=True)
        h5 = m.register_forward_hook(lambda module, args, out: print('post', args, out))
        h6 = m.register_forward_hook(lambda module, args, out: out * 100)
        h7 = m.register_forward_hook(lambda module, args, kwargs, out: print(kwargs, out), with_kwargs=True, prepend=True)
        print(m(one), m(one, y=1))
        for h in (h1, h2, h3, h4, h5, h6, h7):
            h.remove(); h.remove()
        print(m(one), len(m._forward_hooks), len(m._forward_pre_hooks), len(m._forward_hooks_with_kwargs))
        with m.register_forward_hook(lambda module, args, out: out - 1):
            print(m(one))
        print(m(one))
        h = m.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
        attempt(m, one)
        h.remove()
        class Fails(nn.Module):
            def forward(self, x):
                raise ValueError('no')
        f = Fails()
        f.register_forward_hook(lambda module, args, out: print('always', out), always_call=True)
        f.register_forward_hook(lambda module, args, out: print('never'))
        attempt(f, one)
        f.register_forward_hook(lambda module, args, out: 1 / 0, always_call=True)
        attempt(f, one)
        def stop(module, args, out):
            raise KeyError('x')
        m.register_forward_hook(stop)
        m.register_forward_hook(lambda module, args, out: print('still', out), always_call=True)
        attempt(m, one)
    """,
    "global_hooks": """
        try:
            from torch.nn.modules import module as M
        except ImportError:
            M = None
        M = nn.modules.module
        net = nn.Sequential(nn.Identity(), nn.Identity())
        one = torch.ones(1, requires_grad=True)
        h = [M.register_module_forward_pre_hook(lambda m, a: print('pre', type(m).__name__)),
             M.register_module_forward_hook(lambda m, a, o: print('post', type(m).__name__)),
             M.register_module_forward_hook(lambda m, a, k, o: print('kwargs', k), with_kwargs=True),
             M.register_module_full_backward_pre_hook(lambda m, o: print('bpre', type(m).__name__, o)),
             M.register_module_full_backward_hook(lambda m, i, o: print('bpost', type(m).__name__, i, o))]
        (net(one) * 2).sum().backward()
        attempt(M.register_module_backward_hook, lambda m, i, o: None)
        for x in h:
            x.remove()
        net(one)
        h = [M.register_module_parameter_registration_hook(lambda m, n, p: print('p', n)),
             M.register_module_buffer_registration_hook(lambda m, n, b: print('b', n)),
             M.register_module_module_registration_hook(lambda m, n, s: print('m', n))]
        class B(nn.Module):
            def __init__(self):
                super().__init__()
                self.w = nn.Parameter(torch.ones(1))
                self.register_buffer('buf', torch.ones(1))
                self.l = nn.Linear(1, 1)
                self.add_module('n', nn.Identity())
        B()
        for x in h:
            x.remove()
        h = M.register_module_parameter_registration_hook(lambda m, n, p: nn.Parameter(p * 0) if p is not None else None)
        print(B().w)
        h.remove()
    """,
    "backward_hooks": """
        class Two(nn.Module):
            def forward(self, x, k, y):
                return x * 2, y * 3
        m = Two()
        x, y = torch.ones(1, requires_grad=True), torch.ones(1)
        h = m.register_full_backward_hook(lambda m, i, o: print(i, o))
        p = m.register_full_backward_pre_hook(lambda m, o: (o[0] * 10, o[1]))
        a, b = m(x, 5, y)
        (a + b).sum().backward()
        print(x.grad)
        a, b = m(x, 5, y)
        a.sum().backward()
        h.remove(); p.remove(); x.grad = None
        m.register_full_backward_hook(lambda m, i, o: (i[0] + 1, None, None))
        a, b = m(x, 5, y)
        (a + b).sum().backward()
        print(x.grad)
        attempt(m.register_backward_hook, lambda m, i, o: None)
        l = nn.Linear(1, 1)
        l.register_full_backward_hook(lambda m, i, o: print('linear', i, o))
        l(torch.ones(1, 1)).sum().backward()
        l.register_full_backward_hook(lambda m, i, o: (torch.ones(1),))
        attempt(lambda: l(torch.ones(1, 1)).sum().backward())
        bad = nn.Identity()
        bad.register_full_backward_hook(lambda m, i, o: (1, 2))
        attempt(lambda: bad(x).sum().backward())
        bad = nn.Identity()
        bad.register_full_backward_pre_hook(lambda m, o: (1, 2))
        attempt(lambda: bad(x).sum().backward())
        class D(nn.Module):
            def forward(self, x):
                return {'a': x}
        d = D(); d.register_full_backward_hook(lambda *a: print('?'))
        attempt(d, x)
        old = nn.Identity()
        class Mul(nn.Module):
            def forward(self, x):
                return x * 5
        old = Mul()
        old.register_backward_hook(lambda m, i, o: print('old', o))
        old(x).sum().backward()
        attempt(old.register_full_backward_hook, lambda m, i, o: None)
        with torch.no_grad():
            print(m(x, 5, y))
        x.grad = None
        i = nn.Sequential(nn.Identity()); i.register_full_backward_hook(lambda m, i, o: print('inplace', i, o))
        z = i(x * 1); z = z.mul(2); z.sum().backward(); print(x.grad)
    """,
    "printing": """
        class E(nn.Module):
            def __init__(self, text):
                super().__init__(); self.text = text
            def extra_repr(self):
                return self.text
        print(E(''), E('a'), E('a\\nb'))
        e = E('a'); e.sub = nn.ReLU(); print(e)
        e = E('a\\nb'); e.sub = E('c\\nd'); e.none = None; print(e)
        print(nn.Sequential(), nn.Sequential(nn.Sequential(nn.ReLU())), nn.ModuleList(), nn.ModuleDict())
        class N(nn.ReLU):
            def _get_name(self):
                return 'Named'
        print(N())
        print(nn.Parameter(torch.ones(2)), str(nn.Parameter(torch.ones(1))), nn.Parameter(torch.ones(1), requires_grad=False))
        print(nn.Buffer(torch.ones(1)), isinstance(nn.Buffer(torch.ones(1)), nn.Buffer), isinstance(torch.ones(1), nn.Buffer))
        print(nn.Parameter(), nn.Buffer())
        attempt(nn.Parameter, torch.ones(1, dtype=torch.int64))
        print(nn.Parameter(torch.ones(1, dtype=torch.int64), requires_grad=False))
        x = torch.zeros(2); p = nn.Parameter(x); x[0] = 5; print(p)
        print(type(p * 1).__name__, type(p.data).__name__, type(p.detach()).__name__, isinstance(p, torch.Tensor))
    """,
    "parameters_and_buffers": """
        m = nn.Module()
        m.b = nn.Buffer(torch.ones(1)); m.c = nn.Buffer(torch.ones(1), persistent=False)
        print(list(m.state_dict()), [n for n, _ in m.named_buffers()], m._non_persistent_buffers_set)
        m.c = nn.Parameter(torch.ones(1))
        print(m._non_persistent_buffers_set, list(m.state_dict()))
        m.c = None
        del m.c
        del m.b
        attempt(getattr, m, 'b')
        m.register_buffer('n', None); print(m.n, list(m.state_dict()), list(m.buffers()))
        m.n = torch.ones(1); print(list(m.state_dict()))
        m.n = nn.Buffer(torch.zeros(1), persistent=False); print(list(m.state_dict()))
    """,
    "sequential": """
        from collections import OrderedDict
        s = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
        print(s[0], s[-1], s[1:], s[::2], len(s), [type(m).__name__ for m in s])
        for i in (3, -4, 'a', 1.0):
            attempt(lambda: s[i])
        attempt(s.__setitem__, 5, nn.ReLU())
        attempt(s.__setitem__, 0, 3)
        s[1] = nn.Tanh()
        attempt(s.append, 3)
        attempt(s.insert, 9, nn.ReLU())
        attempt(s.insert, 0, 3)
        print(s.insert(-1, nn.Tanh()), s.insert(0, nn.GELU()))
        print(s.extend([nn.Tanh()]), s.append(nn.SELU()) is s)
        attempt(lambda: s + [nn.ReLU()])
        print(s + nn.Sequential(nn.ReLU()))
        attempt(lambda: s * 0)
        attempt(lambda: s * 'a')
        print((s * 2)[6:], 2 * nn.Sequential(nn.ReLU()))
        print(s.pop(0), s.pop(-1))
        attempt(s.pop, 7)
        del s[0:2]; print(s)
        del s[-1]; print(s)
        t = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh(), c=nn.GELU()))
        print(t.a, t[1], t[0:1], t)
        print(t.append(nn.SELU()))
        del t[1]; print(t)
        t = nn.Sequential(OrderedDict(a=nn.ReLU())); t += nn.Sequential(nn.Tanh()); print(t)
        t = nn.Sequential(nn.ReLU(), nn.Tanh()); t *= 2; print(t)
        attempt(t.__iadd__, [nn.ReLU()])
        attempt(nn.Sequential, dict(a=nn.ReLU()))
        attempt(nn.Sequential, 3)
        attempt(nn.Sequential, [nn.ReLU()])
        print(nn.Sequential(None), nn.Sequential()(3))
        shared = nn.Linear(1, 1)
        print(nn.Sequential(shared, shared), len(list(nn.Sequential(shared, shared).parameters())))
        print(nn.Sequential(nn.ReLU()).pop(slice(0, 1)))
    """,
    "module_list": """
        L = lambda: nn.Linear(1, 1)
        m = nn.ModuleList([L(), L(), nn.ReLU()])
        print(m, nn.ModuleList(), m[0:2], m[-1], len(m))
        for i in (3, -4, '0'):
            attempt(lambda: m[i])
        attempt(m.append, 3)
        attempt(m.extend, 3)
        attempt(m.extend, L())
        print(m.insert(0, nn.Tanh()), m)
        print(m.pop(0), m.pop(-1), m + [nn.GELU()], [type(x).__name__ for x in m])
        m += [nn.GELU()]; m.append(nn.SELU()).append(nn.ReLU()); print(m)
        attempt(m, 3)
        del m[0:2]; del m[0]; print(m)
        m[0] = nn.Tanh(); attempt(m.__setitem__, 0, 4); print(m)
        print(nn.ModuleList(nn.ReLU() for _ in range(3)), nn.ModuleList([None]), nn.ModuleList([nn.ReLU()]).pop(slice(0, 1)))
        m = nn.ModuleList([nn.Sequential(L(), nn.ReLU()), nn.Sequential(L(), nn.ReLU()), L()]); print(m)
        print(nn.ReLU() in m, m[0] in m, list(reversed(m))[0] if hasattr(m, '__reversed__') else len(m))
    """,
    "module_dict": """
        d = nn.ModuleDict({'a': nn.Linear(1, 1), 'b': nn.ReLU()})
        print(d, d['a'], list(d.keys()), list(d.values()), list(d.items()), 'b' in d, len(d), list(d))
        attempt(lambda: d['c']); attempt(d.pop, 'z')
        print(d.pop('a'))
        d.update([('q', nn.Tanh())]); d.update({'z': nn.Tanh(), 'c': nn.GELU()})
        d.update(nn.ModuleDict({'m': nn.ReLU()})); print(d)
        attempt(d.update, 3); attempt(d.update, [1]); attempt(d.update, [(1, 2, 3)])
        for key in ('x.y', 'keys', 1):
            attempt(d.__setitem__, key, nn.ReLU())
        attempt(d.__setitem__, 'o', 3)
        del d['q']; print(list(d)); attempt(d.__delitem__, 'q')
        d.clear(); print(d); attempt(d, 1)
        print(nn.ModuleDict([['a', nn.ReLU()]]))
    """,
    "parameter_list": """
        T = torch.ones
        p = nn.ParameterList([T(2), nn.Parameter(T(2, 3)), 3, 'a'])
        print(p, type(p[0]).__name__, p[-1], p[1:])
        attempt(lambda: p[9]); attempt(lambda: p['0'])
        print(p.append(T(1)), p.append(None), p.extend([1]), len(p))
        attempt(p.extend, 3)
        p += [T(4)]; attempt(p, 1)
        p[0] = T(5); p[3] = T(6); attempt(p.__setitem__, -1, 7); attempt(p.__setitem__, 99, 7); print(p)
        print([n for n, _ in p.named_parameters()], list(p.state_dict()), nn.ParameterList(), [type(v).__name__ for v in p])
    """,
    "parameter_dict": """
        T = torch.ones
        d = nn.ParameterDict({'a': T(2), 'b': nn.Parameter(T(2, 3)), 'n': 4})
        print(d, type(d['a']).__name__, list(d.keys()), list(d), list(reversed(d)), [type(v).__name__ for v in d.values()])
        attempt(lambda: d['q']); attempt(d.pop, 'q')
        print(d.copy(), d.setdefault('x'), d.setdefault('y', T(1)), d.pop('y'), d.popitem())
        print(d.get('zz'), d.get('zz', 1), d.get('a') is d['a'])
        print(d.fromkeys(['u', 'v'], 2))
        d.update({'z': T(1), 'c': T(2)}); d.update([('k', T(1))]); print(d)
        attempt(d.update, 3); attempt(d.update, [1]); attempt(d.update, [(1, 2, 3)])
        print(d | nn.ParameterDict({'new': T(1)}), len(d), 'a' in d)
        d |= nn.ParameterDict({'new': T(1)}); print(list(d.state_dict()))
        attempt(d, 1); attempt(d.__setitem__, 'x.y', T(1)) if False else None
        attempt(nn.ParameterDict().__setitem__, 1, T(1))
        d['n'] = None; print(d['n']); del d['a']; print(d); d.clear(); print(d)
        print(nn.ParameterDict([('a', T(1)), ('b', T(1))]))
    """,
    "lazy": """
        m = nn.LazyLinear(3)
        print(m, m.weight, m.bias, m.has_uninitialized_params(), [n for n, _ in m.named_parameters()])
        attempt(lambda: m.weight.shape); attempt(lambda: m.weight + 1); attempt(lambda: m.weight.numel() and None)
        print(m.weight.dtype, m.weight.device, m.weight.requires_grad, m.weight.is_leaf, m.state_dict())
        m.double(); print(m.weight.dtype)
        m.float()
        print(m(torch.ones(2, 5)).shape, m, type(m).__name__, m.weight.shape, type(m.weight).__name__)
        print(m(torch.ones(2, 5)).shape, len(m._forward_pre_hooks))
        attempt(m, torch.ones(2, 4))
        a, b = nn.LazyLinear(3), nn.LazyLinear(3)
        a.load_state_dict(m.state_dict()); print(a.weight.shape, a.has_uninitialized_params(), (a.weight == m.weight).all())
        a(torch.ones(1, 5)); print(a)
        print(b.load_state_dict(nn.LazyLinear(3).state_dict()), b.weight)
        attempt(lambda: nn.Linear(5, 3).load_state_dict(nn.LazyLinear(3).state_dict()))
        class Lazy(nn.modules.lazy.LazyModuleMixin, nn.Module):
            def __init__(self):
                super().__init__(); self.w = nn.UninitializedParameter()
            def forward(self, x):
                return x
        attempt(Lazy(), torch.ones(1))
        class Half(Lazy):
            def initialize_parameters(self, x):
                pass
        attempt(Half(), torch.ones(1))
        z = nn.UninitializedParameter(); z.materialize((0, 3)); print(z.shape, type(z).__name__, z)
        u = nn.UninitializedBuffer(); print(isinstance(u, nn.Buffer), u.persistent)
        net = nn.Sequential(nn.LazyLinear(2), nn.ReLU(), nn.LazyLinear(1)); net(torch.ones(1, 7)); print(net)
    """,
    "assignments": """
        class M(nn.Module):
            @property
            def prop(self):
                return self.missing
        attempt(getattr, M(), 'prop')
        net = nn.Sequential(nn.Linear(10, 20))
        attempt(net.add_module, '0.1', nn.ReLU())
        net.extra = None
        print(net, len(net))
        l = nn.Linear(3, 4)
        l.a = nn.Parameter(torch.ones(1)); l.a = None; l.b = None
        print(l)
        n = nn.Module()
        n.l = l; n.l2 = l; n.empty = None
        print(n, n.state_dict().keys())
        n.l = nn.Linear(1, 1); print(list(n._modules))
        n.register_buffer('dummy', torch.zeros(1)); n.dummy = None; print(n.dummy, list(n.buffers()))
        del n.dummy
        attempt(lambda: n.dummy)
        m = nn.Identity()
        w = nn.Parameter(torch.ones(2)); m.w = w; print(m.w is w); m.w.data = torch.zeros(3); print(m.w, w)
        m.w = nn.Parameter(torch.ones(1)); print(len(list(m.parameters())))
        y = torch.ones(2, requires_grad=True)
        attempt(lambda: setattr(m, 'z', y)); print('z' in m._parameters)
        for i in range(3):
            m.register_forward_hook(lambda *a, i=i: print(i), prepend=i == 2)
        m(1)
    """,
    "loading_what_does_not_fit": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.l1 = self.l2 = nn.Linear(3, 4)
                self.register_buffer('buf', torch.ones(2))
                self.register_parameter('p', None)
        net = Net()
        print([n for n, _ in net.named_children()], [n for n, _ in net.named_modules()])
        s = net.state_dict(); s['l1.weight'].fill_(3); print(net.l1.weight)
        sd = net.state_dict(); sd.update({'extra': torch.ones(3)}); attempt(net.load_state_dict, sd)
        sd = net.state_dict(); del sd['l1.bias']; attempt(net.load_state_dict, sd)
        print(net.load_state_dict(sd, strict=False))
        sd = net.state_dict(); sd.update({'l1.extra': torch.ones(3), 'l1.deep.extra': 3, 'foo.bar': 1, 'buf.x': 2})
        print(net.load_state_dict(sd, strict=False))
        attempt(net.load_state_dict, {'l1.weight': 'str'})
    """,
    "nesting": """
        print(nn.ModuleDict({'a': nn.ModuleList([nn.ReLU(), nn.ReLU()]), 'b': nn.Sequential()}))
        print(nn.Sequential(nn.ModuleList([nn.Linear(1, 1)] * 3)), nn.ParameterList([torch.ones(2)]))
        class X(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.d = nn.ParameterList([torch.ones(1)]), nn.ParameterDict({'k': torch.ones(1)})
        x = X(); print(x, list(x.state_dict()), [n for n, _ in x.named_parameters()])
        x.double(); print(x.a[0].dtype, x.d['k'].dtype)
        print(nn.ParameterList([nn.Module()]), nn.ParameterDict({'m': nn.ReLU()}))
        x.train(); x.a.eval(); print(x.training, x.a.training)
    """,
    "constructors": """
        class Call(nn.Module):
            call_super_init = True
            def __init__(self, *a, **k):
                super().__init__(*a, **k)
        attempt(Call); attempt(lambda: Call(3))
        class Mixin:
            def __init__(self, tag=None):
                super().__init__()
                self.tag = tag
        class WithMixin(nn.Module, Mixin):
            call_super_init = True
            def __init__(self):
                super().__init__(tag=5)
        print(WithMixin().tag)
        m = nn.Linear(1, 1)
        m.weight.requires_grad = False
        print([p.requires_grad for p in m.requires_grad_().parameters()], m.to(torch.complex64).weight.dtype)
        attempt(lambda: nn.Linear(1, 1).to('cpu', 'cpu', 'cpu'))
        attempt(lambda: nn.Linear(1, 1).to(torch.float64, torch.float32))
    """,
    "copies": """
        import copy, pickle
        m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        m.tied = nn.Linear(2, 2); m.tied.weight = m[0].weight
        m[0].weight.grad = torch.ones(2, 2)
        c = copy.deepcopy(m)
        print(c[0].weight is c.tied.weight, c[0].weight is m[0].weight, (c[0].weight == m[0].weight).all(), c[0].weight.grad)
        c[0].weight.data.zero_(); print((m[0].weight == 0).any())
        s = copy.copy(m[0]); print(s.weight is m[0].weight, type(s).__name__)
        p = nn.Parameter(torch.ones(1), requires_grad=False); p.extra = 1
        q = copy.deepcopy(p); print(q, q.requires_grad, hasattr(q, 'extra'))
        m.eval(); print(copy.deepcopy(m).training)
        lazy = copy.deepcopy(nn.LazyLinear(2)); lazy(torch.ones(1, 3)); print(lazy, len(lazy._forward_pre_hooks))
        h = nn.Identity(); h.register_forward_hook(print_hook := (lambda mod, a, o: print('hook')))
        copy.deepcopy(h)(1)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_pytorch_prints(name):
    twins.check(PROGRAMS[name])
