"""An error inside a module says its path: through containers, lazy and parametrized layers, hooks, functional calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import kuai as torch
from kuai import nn


def _hooked(register: str, hook: Callable) -> nn.Module:
    layer = nn.Linear(2, 2)
    getattr(layer, register)(hook)
    return layer


class Tree(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(2, 2), nn.ModuleDict({"k": nn.Linear(5, 5)})])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks[1]["k"](self.blocks[0](x))


PLACES = {
    "net.0.1.0 (Linear)": lambda: nn.Sequential(nn.Identity(), nn.Sequential(nn.Linear(3, 3))),
    "net.0.1 (Linear)": lambda: nn.Sequential(nn.LazyLinear(4), nn.Linear(5, 5)),
    "net.0 (ParametrizedLinear)": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)),
    "net.0.blocks.1.k (Linear)": Tree,
    "net.0 (Linear)": lambda: _hooked("register_forward_hook", lambda m, i, o: o + torch.ones(7)),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_path_of_what_fails(place: str):
    net = nn.Sequential(PLACES[place]())
    with pytest.raises(RuntimeError) as caught:
        net(torch.ones(2, 2))
    assert str(caught.value).endswith(f"\n  in layer {place}")


def test_a_hook_before_the_layer_and_a_functional_call():
    net = nn.Sequential(_hooked("register_forward_pre_hook", lambda m, i: 1 / 0))
    with pytest.raises(ZeroDivisionError, match=r"in layer net\.0 \(Linear\)"):
        net(torch.ones(2, 2))
    with pytest.raises(RuntimeError, match=r"in layer module\.0 \(Linear\)"):
        torch.func.functional_call(nn.Sequential(nn.Linear(2, 2)), {"0.weight": torch.ones(9, 9)}, torch.ones(2, 2))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), StopIteration(4)])
def test_what_is_no_error_of_a_layer_stays_as_it_is(error: BaseException):
    class Raises(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise error

    before = error.args
    with pytest.raises(type(error)) as caught:
        nn.Sequential(Raises())(torch.ones(2))
    assert caught.value is error and error.args == before and not hasattr(error, "__notes__")
