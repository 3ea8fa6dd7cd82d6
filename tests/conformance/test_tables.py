"""Every entry of PyTorch's tables passes, or is a known gap; and a known gap does not pass."""

import importlib

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's tables import

import kuai  # noqa: E402
from tests.conformance import derivatives, modules, ops, optims, transforms  # noqa: E402
from tests.conformance.verdict import FULL, entry_of, read_gaps  # noqa: E402

TABLES = (ops, modules, optims)
NAMES = [(table.__name__.rpartition(".")[2], name) for table in TABLES for name in table.entries()]
GAPS = read_gaps()
CHECKS = [
    (table.__name__.rpartition(".")[2], name)
    for table in (derivatives, transforms)
    for name in table.entries()
    if entry_of(name) not in GAPS
]


@pytest.fixture(autouse=True)
def restore_engine():
    yield
    kuai.set_engine("auto")


def run(table, name, engine, brief=False):
    kuai.set_engine(engine)
    return importlib.import_module(f"tests.conformance.{table}").run(name, brief)


@pytest.mark.parametrize(("table", "name"), NAMES, ids=[name for _, name in NAMES])
def test_entry(table, name):
    verdict = run(table, name, "numpy")
    if name in GAPS:
        assert verdict.status != "passed", f"{name} passes: take it off gaps.txt"
    else:
        assert verdict.status == "passed", verdict.reason


@pytest.mark.parametrize(("table", "name"), [n for n in NAMES if n[1] not in GAPS], ids=str)
def test_compiled(table, name):
    pytest.importorskip("jax")
    verdict = run(table, name, "xla", brief=not FULL)
    if f"{name} compiled" in GAPS:
        assert verdict.status != "passed", f"{name} passes: take '{name} compiled' off gaps.txt"
    else:
        assert verdict.status == "passed", verdict.reason


@pytest.mark.parametrize(("table", "name"), CHECKS, ids=[name for _, name in CHECKS])
def test_check(table, name):
    verdict = run(table, name, "numpy")
    if name in GAPS:
        assert verdict.status != "passed", f"{name} passes: take it off gaps.txt"
    else:
        assert verdict.status == "passed", verdict.reason


def test_gaps_are_of_the_tables():
    known = {name for _, name in NAMES}
    assert not [name for name in GAPS if entry_of(name) not in known]


SIN = kuai.sin
MISTAKES = {
    "value": lambda x, **out: SIN(x, **out) * 1.01,
    "dtype": lambda x, **out: SIN(x, **out).double(),
    "shape": lambda x, **out: SIN(x, **out)[None],
    "gradient": lambda x, **out: SIN(x.detach(), **out) + 0 * x,
    "no gradient": lambda x, **out: SIN(x.detach(), **out),
    "second derivative": lambda x, **out: SIN(x, **out) + 0 * x + (x - x.detach()) ** 2,
    "out": lambda x, out=None: SIN(x),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_caught(mistake, monkeypatch):
    monkeypatch.setattr(kuai, "sin", MISTAKES[mistake])
    verdict = run("ops", "ops/sin", "numpy")
    assert verdict.status == "failed", verdict
