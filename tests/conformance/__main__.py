"""python -m tests.conformance: what of PyTorch's tables passes.

    python -m tests.conformance                    all tables
    python -m tests.conformance --op softmax       entries whose name contains a word, with every reason
    python -m tests.conformance --write            and make gaps.txt what was found
    python -m tests.conformance --engine xla --brief --write    what fails compiled alone (the default is numpy)

With --brief, only the first sample of each entry. In the environment, KUAI_CONFORMANCE=full runs every dtype and up to a
hundred samples of each, KUAI_CONFORMANCE_SEED=n draws other samples, and KUAI_CONFORMANCE_EVERY=1 goes on after a failure.
"""

from __future__ import annotations

import argparse
import importlib
from collections import Counter
from time import perf_counter

import kuai
from tests.conformance.verdict import Verdict, write_gaps

TABLES = ("ops", "modules", "optims", "derivatives", "transforms")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("--table", choices=TABLES, help="only this table")
    parser.add_argument("--op", default="", metavar="WORD", help="only entries whose name contains this")
    parser.add_argument("--exact", action="store_true", help="only entries whose name is this")
    parser.add_argument("--part", default="0/1", metavar="I/N", help="every Nth entry only, from the Ith on")
    parser.add_argument("--engine", default="numpy", choices=("auto", "numpy", "xla"))
    parser.add_argument("--brief", action="store_true", help="only the first sample of each entry")
    parser.add_argument("--write", action="store_true", help="write what does not pass into gaps.txt")
    options = parser.parse_args()
    kuai.set_engine(options.engine)
    for table in TABLES:
        if options.table in (None, table):
            run_table(table, options)


def run_table(table: str, options: argparse.Namespace) -> None:
    """Run a table's entries and print what became of them."""
    module = importlib.import_module(f"tests.conformance.{table}")
    verdicts: list[Verdict] = []
    seconds: list[tuple[float, str]] = []
    start, step = map(int, options.part.split("/"))
    for name in list(module.entries())[start::step]:
        short = name.partition("/")[2]
        if options.op in short and (not options.exact or short == options.op):
            started = perf_counter()
            verdicts.append(module.run(name, options.brief))
            seconds.append((perf_counter() - started, name))
            show(verdicts[-1])
    counts = Counter(v.status for v in verdicts)
    print(f"{table}: " + ", ".join(f"{counts[s]} {s}" for s in ("passed", "failed", "missing")), f"of {len(verdicts)}")
    print("slowest: " + ", ".join(f"{name.partition('/')[2]} {t:.1f} s" for t, name in sorted(seconds)[:-6:-1]))
    if options.write and not options.op:
        write_gaps(verdicts, compiled=options.engine == "xla")


def show(v: Verdict) -> None:
    print(f"{v.status:8}{v.name}  {v.reason or f'{v.samples} samples'}", *v.more, sep="\n        ", flush=True)


if __name__ == "__main__":
    main()
