"""The examples that methods of Tensor take from functions run, as those of modules do."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import kuai

FINDER = doctest.DocTestParser()
METHODS = {n: m for n, m in sorted(vars(kuai.Tensor).items()) if (callable(m) or isinstance(m, property)) and ">>>" in (m.__doc__ or "")}


@pytest.mark.parametrize("part", range(8))
def test_examples_of_methods(part):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    failed = []
    for name in list(METHODS)[part::8]:
        example = FINDER.get_doctest(METHODS[name].__doc__, {}, f"Tensor.{name}", None, 0)
        said = []
        if runner.run(example, out=said.append).failed:
            failed.append("".join(said))
    assert not failed, "\n".join(failed)


def test_methods_in_place_have_examples():
    without = {n for n in vars(kuai.Tensor) if n.endswith("_") and n[0] != "_" and n not in METHODS}
    assert len(without) < 40, sorted(without)


def test_the_readme():
    failed, tried = doctest.testfile(str(Path(__file__).parent.parent / "README.md"), module_relative=False)
    assert tried and not failed


PACKAGES = ("", "nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler", "utils.data", "distributions", "autograd", "func",
            "linalg", "fft", "special", "sparse", "signal.windows", "amp", "cuda", "distributed", "fx", "library", "serialization", "testing")


def public(place):
    """The functions and classes of a package, and the methods and attributes of the classes."""
    package = importlib.import_module(f"kuai.{place}".rstrip("."))
    for name, value in vars(package).items():
        if name[0] != "_" and callable(value) and (getattr(value, "__module__", None) or "").startswith("kuai"):
            yield name, value
            if isinstance(value, type):
                yield from ((f"{name}.{n}", v) for n, v in vars(value).items() if n[0] != "_" and (callable(v) or isinstance(v, property)))


@pytest.mark.parametrize("place", PACKAGES)
def test_public_names_say_what_they_mean(place):
    assert [name for name, value in public(place) if not inspect.getdoc(value)] == []
