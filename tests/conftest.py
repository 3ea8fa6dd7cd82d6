"""Fixtures that several files share."""

import pytest

import kuai


@pytest.fixture
def compiled():
    """All programs compiled by XLA, also those that are new."""
    pytest.importorskip("jax")
    kuai.set_engine("xla")
    yield
    kuai.set_engine("auto")
