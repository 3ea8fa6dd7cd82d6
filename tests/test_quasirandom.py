"""Sobol's points beside PyTorch's, to the bit."""

import pytest

import kuai
from tests import oracle

torch = oracle.torch
pytest.importorskip("scipy", reason="has the directions: pip install scipy")


@pytest.mark.parametrize("scramble", [False, True])
@pytest.mark.parametrize("dimension", [1, 2, 7, 150])
def test_points(dimension, scramble):
    found = []
    for library in (kuai, torch):
        library.manual_seed(3)
        engine = library.quasirandom.SobolEngine(dimension, scramble=scramble)
        seeded = library.quasirandom.SobolEngine(dimension, scramble, seed=5).fast_forward(3)
        found.append([engine.draw(1), engine.draw(6, dtype=library.float64), engine.draw_base2(0), seeded.draw(4), seeded.reset().draw(2),
                      engine.draw(2, out=library.empty(0)), library.rand(2)])  # fmt: skip
        assert str(seeded) == str(torch.quasirandom.SobolEngine(dimension, scramble, seed=5))
        with pytest.raises(ValueError, match="power of 2"):
            engine.draw_base2(3)
    for ours, theirs in zip(*found):
        assert (ours.dtype, ours.tolist()) == (getattr(kuai, str(theirs.dtype)[6:]), theirs.tolist())


def test_dimensions_that_there_are_not():
    for library in (kuai, torch):
        for dimension in (0, 21202):
            with pytest.raises(ValueError):
                library.quasirandom.SobolEngine(dimension)
    assert kuai.quasirandom.SobolEngine(21201).draw(2).shape == (2, 21201)
