"""The examples that methods of Tensor take from functions run, as those of modules do."""

import doctest
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
