"""Integers where PyTorch's rules for them are their own: whole steps, whole factors, sums in int64, wrapping around."""

import pytest

import kuai
from tests import oracle

torch = oracle.torch

INTEGERS = ("int64", "int32", "uint8")
RANGES = [(0.5, 2.6), (0.9, 3.1, 0.5), (1.9, 4.1), (-3.9, -0.2), (0.2, -3.9, -1.5), (5.5,), (10, 0, -3), (2**53 + 1, 2**53 + 5)]


def alike(call):
    """Both libraries give the same, or raise the same class."""
    try:
        expected = call(torch)
    except Exception as error:  # noqa: BLE001 (ours has to raise it too)
        oracle.assert_raises(lambda: call(kuai), type(error))
    else:
        oracle.assert_same(call(kuai), expected)


def full(t, shape, dtype, value=200):
    return t.full(shape, value, dtype=getattr(t, dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_arange_counts_by_whole_numbers(dtype):
    for bounds in RANGES:
        alike(lambda t: t.arange(*bounds, dtype=getattr(t, dtype)))  # noqa: B023
        alike(lambda t: t.arange(*bounds, out=t.empty(0, dtype=getattr(t, dtype))))  # noqa: B023


@pytest.mark.parametrize("dtype", INTEGERS)
def test_spaces_lie_between_whole_numbers(dtype):
    for bounds in [(0, 2, 3), (0, 2, 4), (0.9, 2.9, 3), (1.9, 2, 1), (0, 1.5, 4), (1, 2, 0), (0, 2, 3.0)]:
        alike(lambda t: t.linspace(*bounds, dtype=getattr(t, dtype)))  # noqa: B023
        alike(lambda t: t.logspace(*bounds, dtype=getattr(t, dtype)))  # noqa: B023


SHAPES = {
    "addmm": ((2, 2),) * 3, "addmv": ((2,), (2, 2), (2,)), "baddbmm": ((1, 2, 2),) * 3, "addbmm": ((2, 2), (3, 2, 2), (3, 2, 2)),
    "addr": ((2, 2), (2,), (2,)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("factor", [2, 2.0, 0.5, True, 1j])
def test_factors_of_integers_are_whole(name, factor):
    for dtype in INTEGERS:
        alike(lambda t: getattr(t, name)(*[full(t, s, dtype, 3) for s in SHAPES[name]], beta=factor))  # noqa: B023
        alike(lambda t: getattr(t, name)(*[full(t, s, dtype, 3) for s in SHAPES[name]], alpha=factor))  # noqa: B023


@pytest.mark.parametrize("equation", ["ij->i", "ij->", "ii->", "ii->i", "ij,jk->ik", "ij,jk->", "ij,kl->ik", "ij,ij->", "ij,jk,k->i"])
def test_einsum_sums_integers_as_sum_does(equation):
    for dtype in ("int32", "uint8", "int16"):
        shapes = [(2,) * len(term) for term in equation.split("->")[0].split(",")]
        alike(lambda t: t.einsum(equation, *[full(t, s, dtype, 100) for s in shapes]))  # noqa: B023


def test_whole_numbers_wrap_around_in_the_ranking_loss():
    alike(lambda t: t.nn.functional.margin_ranking_loss(*(t.tensor(v, dtype=t.uint8) for v in ([3, 9], [5, 2], [1, 2])), 0.5))


def test_coordinates_are_int64():
    alike(lambda t: t.unravel_index(t.tensor([5, 7], dtype=t.uint8), (3, 4)))


def test_multinomial_gives_int64():
    alike(lambda t: t.multinomial(t.ones(3), 2, out=t.empty(2)))


def test_tensordot_keeps_the_dtype_where_it_broadcasts():
    for dtype in INTEGERS:
        alike(lambda t: t.tensordot(full(t, (2, 3), dtype), full(t, (1, 4), dtype), dims=([1], [0])))  # noqa: B023
