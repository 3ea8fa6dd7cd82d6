"""Random programs about modules: trees that share modules and parameters, attributes of every kind, states, hooks, copies."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests import oracle
from tests.random_programs import Machine

torch = oracle.torch

NAMES = ("a", "b", "weight", "bias", "net", "buf", "0", "1")
ODD = ("", "a.b", "forward", "training", "5")
LEAVES = ("nn.Linear(2, 2)", "nn.Linear(2, 2, bias=False)", "nn.BatchNorm1d(2)", "nn.ReLU()", "nn.Identity()", "nn.LayerNorm(2)",
          "nn.Dropout(0.0)", "nn.PReLU()", "nn.BatchNorm1d(2, affine=False)")  # fmt: skip


class ModuleMachine(Machine):
    """A machine that knows ``nn``, and draws the same weights as the other one."""

    def __init__(self, lib):  # type: ignore[no-untyped-def]
        super().__init__(lib)
        self.names |= {"nn": lib.nn, "keep": []}
        lib.manual_seed(0)

    def modules(self) -> dict:
        kind = self.names["nn"].Module
        return {n: m for n, m in self.names.items() if isinstance(m, kind)}


class ModuleAuthor:
    """Draws a program about modules, and lets PyTorch run it, so that it knows what there is."""

    def __init__(self, dice: Random):
        self.dice, self.machine, self.lines, self.made = dice, ModuleMachine(torch), [], 0

    def write(self, length: int) -> list[str]:
        for _ in range(2):
            self.add(self.creation())
        while len(self.lines) < length:
            self.add(self.statement())
        return self.lines

    def add(self, line: str) -> None:
        self.machine.run(line)
        self.lines.append(line)

    def pick(self, *choices: object) -> object:
        return choices[self.dice.randrange(len(choices))]

    def chance(self, one_in: int) -> bool:
        return self.dice.randrange(one_in) == 0

    def module(self, wanted: Callable = lambda m: True) -> str | None:
        names = [n for n, m in self.machine.modules().items() if wanted(m)]
        return self.pick(*names) if names else None

    def new(self) -> str:
        self.made += 1
        return f"m{self.made}"

    def name(self) -> str:
        return self.pick(*ODD) if self.chance(20) else self.pick(*NAMES)

    # -- statements

    def creation(self) -> str:
        first, second = self.pick(*LEAVES), self.pick(*LEAVES)
        return f"{self.new()} = " + self.pick(
            first, f"nn.Sequential({first}, {second})", f"nn.ModuleList([{first}, {second}])", "nn.Module()",
            f"nn.ModuleDict({{'a': {first}, 'b': {second}}})", "nn.ParameterList([torch.ones(2), nn.Parameter(torch.zeros(1))])",
            "nn.ParameterDict({'a': torch.ones(2)})", f"nn.Sequential(nn.Sequential({first}), {second})",
        )  # fmt: skip

    def statement(self) -> str:
        kinds = ((self.attach, 6), (self.attribute, 8), (self.convert, 4), (self.state, 5), (self.hook, 3), (self.read, 6),
                 (self.duplicate, 2), (self.call, 3), (self.creation, 1))  # fmt: skip
        return self.dice.choices([k for k, _ in kinds], [w for _, w in kinds])[0]()

    def pair(self) -> tuple[str, str]:
        """A module, and one that it may hold without holding itself."""
        outer = self.module()
        held = self.machine.names[outer]
        inner = self.module(lambda m: all(part is not held for part in m.modules()))
        return outer, inner or self.pick(*LEAVES)

    def attach(self) -> str:
        m, other = self.pair()
        name = self.name()
        place = repr(name) if "Dict" in type(self.machine.names[m]).__name__ else self.pick(0, 1, -1, 5)
        return self.pick(
            f"{m}.add_module({name!r}, {other})", f"{m}.register_module({name!r}, {other})", f"setattr({m}, {name!r}, {other})",
            f"{m}.append({other})", f"{m}.insert({self.pick(0, 1)}, {other})", f"{m}[{place}] = {other}",
            f"{m}[{name!r}] = {other}", f"del {m}[{self.pick(0, -1, 4)}]", f"del {m}[{name!r}]", f"{m}.pop({self.pick(0, repr(name))})",
            f"{m}.extend([{other}])", f"{m}.update({{{name!r}: {other}}})", f"{m} += [{other}]", f"{m}.add_module({name!r}, None)",
            f"{m}.set_submodule({name!r}, {other})", f"{m}.add_module({name!r}, 3)", f"{m}.clear()", f"{self.new()} = {m}[:1]",
        )  # fmt: skip

    def attribute(self) -> str:
        m, other = self.pair()
        name = self.name()
        return self.pick(
            f"setattr({m}, {name!r}, nn.Parameter(torch.ones({self.pick(1, 2)})))", f"setattr({m}, {name!r}, None)",
            f"setattr({m}, {name!r}, torch.zeros(2))", f"setattr({m}, {name!r}, 5)", f"delattr({m}, {name!r})",
            f"{m}.register_parameter({name!r}, nn.Parameter(torch.zeros(2)))", f"{m}.register_parameter({name!r}, None)",
            f"{m}.register_parameter({name!r}, torch.ones(1))", f"{m}.register_buffer({name!r}, torch.ones(2))",
            f"{m}.register_buffer({name!r}, torch.ones(2), persistent=False)", f"{m}.register_buffer({name!r}, None)",
            f"setattr({m}, {name!r}, {other}.weight)", f"{m}.register_parameter({name!r}, ({other}.weight * 1))",
            f"{m}.weight = {other}.weight", f"{m}.register_buffer({name!r}, 3)", f"{m}.bias = None", f"del {m}.bias",
            f"setattr({m}, {name!r}, nn.Buffer(torch.ones(1)))", f"{m}.weight.data = torch.ones(2, 2)",
            f"{m}.training = {self.pick(True, False)}", f"{m}.register_parameter(3, None)",
        )  # fmt: skip

    def convert(self) -> str:
        m = self.module()
        return self.pick(
            f"{m}.half()", f"{m}.double()", f"{m}.float()", f"{m}.bfloat16()", f"{m}.to(torch.float64)", f"{m}.to('cpu')", f"{m}.train()",
            f"{m}.eval()", f"{m}.requires_grad_({self.pick(True, False)})", f"{m}.zero_grad()", f"{m}.to(torch.int64)", f"{m}.type(torch.float64)",
            f"{m}.apply(lambda x: keep.append(type(x).__name__))", f"{m}.to(torch.zeros(1, dtype=torch.float64))", f"{m}.train('yes')",
            f"{m}.train(False)", f"{m}.cpu()",
        )  # fmt: skip

    def state(self) -> str:
        m, other = self.module(), self.module()
        strict, assign = self.pick(True, False, False), self.pick(True, False, False)
        load = f"{m}.load_state_dict({{}}, strict={strict}, assign={assign})"
        return self.pick(
            f"r = [(k, tuple(v.shape)) for k, v in {m}.state_dict(prefix={self.pick('', 'x.')!r}).items() if hasattr(v, 'shape')]",
            f"r = {load.format(f'{m}.state_dict()')}", f"r = {load.format(f'{other}.state_dict()')}", f"sd = {m}.state_dict(keep_vars=True)",
            f"r = {load.format('sd')}", f"sd = {{k: v + 1 for k, v in {m}.state_dict().items()}}", f"sd = {m}.state_dict()",
            "sd.pop(next(iter(sd)))", "sd['new.key'] = torch.ones(1)", "r = sorted(sd)", f"r = {load.format('[1]')}",
            f"r = {m}.state_dict()._metadata and sorted({m}.state_dict()._metadata)",
        )  # fmt: skip

    def hook(self) -> str:
        m = self.module()
        mark = self.made
        return self.pick(
            f"h = {m}.register_forward_hook(lambda m, i, o: keep.append(('f', {mark})))",
            f"h = {m}.register_forward_hook(lambda m, i, o: o * 2, prepend={self.pick(True, False)})",
            f"h = {m}.register_forward_pre_hook(lambda m, i: keep.append(('p', {mark})))",
            f"h = {m}.register_forward_pre_hook(lambda m, i: (i[0] + 1,))",
            f"h = {m}.register_full_backward_hook(lambda m, i, o: keep.append(('b', {mark})))",
            f"h = {m}.register_full_backward_pre_hook(lambda m, o: keep.append(('bp', {mark})))",
            f"h = {m}.register_state_dict_post_hook(lambda m, d, p, meta: keep.append(('s', p, {mark})))",
            f"h = {m}.register_state_dict_pre_hook(lambda m, p, k: keep.append(('sp', p, {mark})))",
            f"h = {m}.register_load_state_dict_pre_hook(lambda m, d, p, *a: keep.append(('lp', p, {mark})))",
            f"h = {m}.register_load_state_dict_post_hook(lambda m, k: keep.append(('l', sorted(k.missing_keys), {mark})))", "h.remove()",
            f"h = {m}.register_forward_hook(lambda m, i, o: keep.append(('always', {mark})), always_call=True)",
        )  # fmt: skip

    def call(self) -> str:
        m = self.module()
        return self.pick(f"r = {m}(torch.ones(3, 2)).tolist()", f"r = {m}(torch.ones(3, 5))", f"{m}(torch.ones(3, 2, requires_grad=True)).sum().backward()")

    def duplicate(self) -> str:
        m = self.module()
        return f"{self.new()} = " + self.pick(f"copy.deepcopy({m})", f"pickle.loads(pickle.dumps({m}))")

    def read(self) -> str:
        m, name = self.module(), self.name()
        once = self.pick(True, False)
        return self.pick(
            f"r = [n for n, _ in {m}.named_parameters(prefix={self.pick('', 'p')!r}, remove_duplicate={once})]", f"r = len({m})",
            f"r = [n for n, _ in {m}.named_buffers(recurse={once})]", f"r = [n for n, _ in {m}.named_modules(remove_duplicate={once})]",
            f"r = [n for n, _ in {m}.named_children()]", f"r = repr({m})", f"r = type({m}.get_submodule({name!r})).__name__",
            f"r = tuple({m}.get_parameter({name!r}).shape)", f"r = tuple({m}.get_buffer({name!r}).shape)", f"r = hasattr({m}, {name!r})",
            f"r = [type(x).__name__ for x in {m}.children()]", f"r = sum(p.numel() for p in {m}.parameters())", f"r = {name!r} in {m}",
            f"r = [type(x).__name__ for x in {m}]", f"r = type({m}[{self.pick(0, -1, repr(name))}]).__name__", f"r = {m}.extra_repr()",
            f"r = {m}.get_extra_state()", f"r = list({m}.keys())", f"r = {name!r} in dir({m})", f"r = type({m}.{self.pick('a', 'net')}).__name__",
            f"r = {m}._get_name()",
        )  # fmt: skip
