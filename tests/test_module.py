"""What kuai adds to nn.Module: the paths of failing layers, what is not registered, states that do not fit; and what it costs."""

import copy
import gc
import pickle
import sys
import weakref
from pathlib import Path

import pytest

import kuai
from kuai import nn


class Fails(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


def caught(module, *args):
    with pytest.raises(Exception) as info:  # noqa: PT011
        module(*args)
    return info.value


def test_the_path_of_a_failing_layer_is_in_the_message_once():
    net = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))
    error = caught(net, kuai.ones(2, 3))
    assert type(error) is RuntimeError
    assert str(error).count("in layer") == 1
    assert str(error).endswith(".0.1 (Linear)")
    with pytest.raises(RuntimeError, match=r"in layer net\.0\.1 \(Linear\)$"):
        net(kuai.ones(2, 3))


def test_a_path_of_attributes_and_modules_called_from_further_out():
    class Trainer:
        def __init__(self):
            self.model = nn.ModuleDict({"a": nn.ModuleList([nn.Linear(2, 2)])})

        def run(self):
            return self.model["a"][0](kuai.ones(1))

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleDict({"a": nn.ModuleList([nn.Linear(2, 2)])})

        def forward(self, x):
            return self.parts["a"][0](x)

    outer = Outer()
    with pytest.raises(RuntimeError, match=r"in layer outer\.parts\.a\.0 \(Linear\)"):
        outer(kuai.ones(1))
    with pytest.raises(RuntimeError, match=r"in layer Linear \(Linear\)"):
        Trainer().run()
    with pytest.raises(RuntimeError, match=r"in layer Outer\.parts\.a\.0 \(Linear\)"):
        Outer()(kuai.ones(1))


class Code(Exception):
    def __init__(self, number):
        super().__init__(f"code {number}")
        self.number = number


def test_errors_keep_their_class_and_what_they_carry():
    for error in (KeyError("k"), Code(3), OSError(2, "no file"), UnicodeDecodeError("utf-8", b"", 0, 1, "bad"), ValueError()):
        args, text = error.args, str(error)
        net = nn.Sequential(Fails(error))
        found = caught(net, 1)
        assert found is error
        assert (found.args, str(found)) == (args, text)
        assert found.__notes__ == ["in layer net.0 (Fails)"] or found.__notes__ == ["in layer module.0 (Fails)"]
    stop = StopIteration("value")
    assert caught(nn.Sequential(Fails(stop)), 1).args == ("value",)


def test_an_error_that_is_handled_inside_starts_anew():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Fails(ValueError("inner"))

        def forward(self, x):
            try:
                self.inner(x)
            except ValueError as error:
                raise TypeError("outer") from error

    careful = Careful()
    error = caught(careful, 1)
    assert "outer\n  in layer " in str(error)
    assert "inner" not in str(error)


class Lost(nn.Module):
    """A module that keeps a value as a plain attribute."""

    def __init__(self, value):
        super().__init__()
        self.layers = value

    def forward(self, x):
        return x


USES = {
    "call": lambda net: net(kuai.ones(1)),
    "parameters": lambda net: list(net.parameters()),
    "buffers": lambda net: list(net.buffers()),
    "state_dict": lambda net: net.state_dict(),
    "to": lambda net: net.to("cpu"),
    "optimizer": lambda net: kuai.optim.SGD([{"params": net.parameters()}, {"params": [kuai.ones(1, requires_grad=True)]}]),
    "inside another": lambda net: list(nn.Sequential(nn.Sequential(net)).parameters()),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_is_not_registered_is_said_before_it_matters(use):
    layer = nn.Linear(1, 1)
    for value, container in (
        ([layer], "nn.ModuleList"),
        ((1, layer), "nn.ModuleList"),
        ({"a": layer}, "nn.ModuleDict"),
        ([layer.weight], "nn.ParameterList"),
        ({"a": layer.weight}, "nn.ParameterDict"),
    ):
        net = Lost(value)
        with pytest.warns(UserWarning, match=rf"Lost\.layers is a \w+ that holds .*{container}\(layers\)") as seen:
            use(net)
        assert len(seen) == 1
        use(net)  # once is enough


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_is_registered_in_time_is_not_said(use):
    layer = nn.Linear(1, 1)
    for value in ([], (), {}, [1, "a", kuai.ones(1)], (3, 3), nn.ModuleList([layer])):
        use(Lost(value))
    known = nn.Sequential(layer)
    known.order, known.flat = [layer], [layer.weight]
    use(known)
    later = Lost({"net": layer})
    later.net = layer
    use(later)
    replaced = Lost([layer])
    replaced.layers = nn.ModuleList(replaced.layers)
    use(replaced)


def test_what_is_registered_elsewhere_in_the_network_is_not_said():
    layer = nn.Linear(1, 1)
    list(nn.Sequential(Lost([layer]), layer).parameters())


def test_what_has_no_state_and_does_the_same_in_training_is_not_said():
    list(Lost([nn.ReLU(), nn.Sequential(nn.Flatten())]).parameters())


def test_a_list_that_is_filled_later_is_said():
    net = Lost([])
    net.layers.append(nn.Dropout(0.0))
    with pytest.warns(UserWarning, match=r"holds Dropout at \[0\]"):
        net(kuai.ones(1))
    assert "_hooked" not in vars(net)


def test_the_warning_points_at_the_assignment():
    net = nn.Module()
    net.layers = [nn.Linear(1, 1)]
    with pytest.warns(UserWarning) as seen:
        net.state_dict()
    assert seen[0].filename == __file__ and "net.layers = [" in Path(__file__).read_text().splitlines()[seen[0].lineno - 1]


def test_loading_writes_nothing_unless_all_fits():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    wrong = {k: v + 1 for k, v in before.items()}
    wrong["1.bias"] = kuai.ones(5)
    with pytest.raises(RuntimeError, match=r"size mismatch for 1\.bias"):
        net.load_state_dict(wrong)
    with pytest.raises(RuntimeError, match=r"size mismatch"):
        net.load_state_dict(wrong, strict=False)
    with pytest.raises(RuntimeError, match=r"size mismatch"):
        net.load_state_dict(wrong, assign=True)
    assert all(kuai.equal(v, before[k]) for k, v in net.state_dict().items())


def test_one_error_names_all_keys_and_the_nearest_ones():
    net = nn.Sequential()
    net.hidden, net.out = nn.Linear(2, 3), nn.Linear(3, 1)
    state = net.state_dict()
    state["hiden.weight"] = state.pop("hidden.weight")
    state["out.bias"] = kuai.ones(7)
    with pytest.raises(RuntimeError) as info:
        net.load_state_dict(state)
    assert str(info.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "hidden.weight". \n'
        '\tUnexpected key(s) in state_dict: "hiden.weight". \n'
        "\tsize mismatch for out.bias: copying a param with shape torch.Size([7]) from checkpoint, the shape in current model "
        "is torch.Size([1]).\n"
        '\tNearest: "hidden.weight" ~ "hiden.weight" in the file, "hiden.weight" ~ "hidden.weight" in the model.'
    )


@pytest.mark.parametrize("assign", [False, True])
def test_an_extra_state_that_raises_leaves_the_module_as_it_was(assign):
    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.count = nn.Parameter(kuai.zeros(2)), 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net = nn.Sequential(Counted(), Counted())
    own = [net[0].w, net[1].w]
    state = {"0.w": kuai.ones(2), "1.w": kuai.ones(2), "0._extra_state": {"count": 3}, "1._extra_state": {}}
    with pytest.raises(KeyError):
        net.load_state_dict(state, assign=assign)
    assert all(a is b for a, b in zip([net[0].w, net[1].w], own))
    assert (net[0].w.tolist(), net[0].count, net[1].w.tolist()) == ([0, 0], 0, [0, 0])
    state["1._extra_state"]["count"] = 4
    net.load_state_dict(state, assign=assign)
    assert (net[0].w.tolist(), net[0].count, net[1].count) == ([1, 1], 3, 4)


@pytest.mark.parametrize("library", ["kuai", "torch"])
def test_an_extra_state_may_be_or_make_modules(library):
    torch = pytest.importorskip(library)
    nn = torch.nn

    class Whole(nn.Module):
        def __init__(self, foo):
            super().__init__()
            self.foo = foo

        def get_extra_state(self):
            return self.foo

        def set_extra_state(self, state):
            self.foo = state

    class Made(nn.Module):
        def get_extra_state(self):
            return len(self._modules)

        def set_extra_state(self, n):
            for i in range(n):
                self.add_module(f"layer{i}", nn.Linear(1, 1))

    for state in ("text", 5, Whole(3)):
        other = Whole("other")
        assert str(other.load_state_dict(Whole(state).state_dict())) == "<All keys matched successfully>"
        assert other.foo is state
    one, other = Made(), nn.Sequential(nn.Linear(1, 1), Made())
    one.set_extra_state(2)
    state = nn.Sequential(nn.Linear(1, 1), one).state_dict()
    other.load_state_dict(state)
    assert torch.equal(other[1].layer1.weight, one.layer1.weight)
    state["1.layer5.weight"] = torch.ones(1)
    other = nn.Sequential(nn.Linear(1, 1), Made())
    with pytest.raises(RuntimeError, match=r'for Sequential:\s+Unexpected key\(s\) in state_dict: "1.layer5.weight"'):
        other.load_state_dict(state)
    assert library == "torch" or not other[1]._modules
    assert other.load_state_dict(state, strict=False).unexpected_keys == ["1.layer5.weight"]


def test_a_table_of_hooks_can_be_deleted():
    layer = nn.Linear(1, 1)
    del layer._state_dict_pre_hooks
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_a_wrapped_models_keys_are_recognized():
    net = nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match=r"All keys begin with 'module\.'"):
        net.load_state_dict({f"module.{k}": v for k, v in net.state_dict().items()})


def test_a_module_without_cycles_is_freed_at_once():
    net = nn.Sequential(nn.Linear(2, 2))
    net(kuai.ones(2))
    reference = weakref.ref(net)
    gc.disable()
    try:
        del net
        assert reference() is None
    finally:
        gc.enable()


def test_pickle_keeps_all():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net.eval()
    back = pickle.loads(pickle.dumps(net))  # noqa: S301
    assert repr(back) == repr(net)
    assert not back.training
    assert kuai.equal(back[0].weight, net[0].weight)
    assert isinstance(back[0].weight, nn.Parameter)
    assert back[0].weight.requires_grad
    lazy = pickle.loads(pickle.dumps(nn.LazyLinear(2)))  # noqa: S301
    assert lazy(kuai.ones(1, 3)).shape == (1, 2)
    assert not lazy._forward_pre_hooks


def test_hooks_put_into_the_table_directly_are_called():
    net = nn.Identity()
    net._forward_hooks[0] = lambda module, args, out: out + 1
    assert net(1) == 2
    net._forward_hooks = type(net._forward_hooks)({0: lambda module, args, out: out + 2})
    assert net(1) == 3
    net._forward_hooks.clear()
    assert net(1) == 1


def test_global_hooks_leave_the_short_way_free():
    net = nn.Identity()
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, out: 5)
    assert net(1) == 5
    handle.remove()
    assert net(1) == 1
    assert not nn.Module._hooked


def test_a_call_without_hooks_is_one_frame():
    net, entered = nn.Identity(), []
    net(1)
    sys.setprofile(lambda frame, event, arg: entered.append(frame.f_code.co_name) if event == "call" else None)
    try:
        net(1)
    finally:
        sys.setprofile(None)
    assert entered[:2] == ["__call__", "forward"]
    assert len(entered) <= 3  # with what turns the profile off


def test_compile_is_the_module():
    net = nn.Identity()
    assert net.compile() is net


def test_optimizers_keep_their_parameters_through_a_move():
    net = nn.Linear(1, 1)
    held = list(net.parameters())
    net.to("meta").to_empty(device="cpu").double()
    assert all(a is b for a, b in zip(held, net.parameters()))


def test_deepcopy_copies_ties_and_is_independent():
    a = nn.Linear(2, 2)
    net = nn.ModuleList([a, a])
    made = copy.deepcopy(net)
    assert made[0] is made[1]
    with kuai.no_grad():
        made[0].weight.zero_()
    assert not bool((a.weight == 0).all())


@pytest.mark.parametrize("library", ["kuai", "torch"])
def test_conversions_may_make_new_parameters(library):
    torch = pytest.importorskip(library)
    layer = torch.nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    old = layer.weight
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        layer.double()
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
    assert not torch.__future__.get_swap_module_params_on_conversion()
    assert layer.weight is not old and old.dtype == old.grad.dtype == torch.float32
    assert layer.weight.dtype == layer.weight.grad.dtype == torch.float64 and layer.weight.requires_grad
    new = layer.weight
    assert layer.float().weight is new
