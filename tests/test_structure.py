"""The architecture as docs/design.md draws it: every import runs downward, also one inside a function; no two files import each other."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kuai"

# Imports that run upward, all inside functions, and why.
UPWARD = {
    ("autograd.api", "func.vmap"): "cotangents in a batch are what vmap maps the walk over",
    ("autograd.jacobians", "autograd.forward_ad"): "gradcheck also compares forward mode, which is made of ops",
    ("methods", "multiprocessing"): "share_memory_ is a method, and what it shares is told to other processes by what stands above",
}
# Files of one floor that import each other, one of them inside a function, and why.
CIRCLES = {
    "autograd.edges autograd.graph autograd.saving": "the graph's rarely used parts are written for its nodes and read when they are used",
    "nn.module nn.module_conversion nn.module_hooks nn.module_state nn.unregistered": "a Module is made of its mixins, one of which looks "
    "for modules in lists",
    "fx.code fx.graph fx.graph_module fx.names fx.node fx.patching fx.proxy fx.tracer": "a graph's text names what tracing records, and a "
    "module that is read from a file is traced again",
    "masked.dispatch masked.tensor": "a masked tensor's class asks for the table of its functions",
    "sparse.compressed_forms sparse.compressing sparse.forms sparse.reductions sparse.storage": "a sparse storage asks for the table of "
    "forms, which build storages",
    " exports settings": "the package looks names up that are imported when they are asked for",
}


def house() -> dict[str, int]:
    """The floor of each module or package that docs/design.md draws, counted from above; the nearest entry counts."""
    text = (ROOT / "docs/design.md").read_text().partition("## The house")[2].partition("\n## ")[0]
    floors, floor = {}, 0
    for line in re.findall(r"^    (.*)$", text, re.M):
        names, _, meaning = re.fullmatch(r"((?:[\w/]+(?:\.py|/)(?:  |$))*)( *)(.*)", line).groups()
        for name in names.split():
            module = name.removesuffix(".py").rstrip("/").replace("/", ".")
            floors["" if module == "__init__" else module] = floor
        floor += bool(meaning)
    return floors


@cache
def files() -> dict[str, Path]:
    """The package's modules by their names in it; "" is the package itself."""
    return {
        ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): p for p in PACKAGE.rglob("*.py")
    }


@cache
def imports() -> set[tuple[str, str]]:
    """Which module imports which, also inside functions; imports for type checkers do not count."""
    found = set()
    for name, path in files().items():
        pending = [ast.parse(path.read_text())]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                pending += node.orelse
                continue
            pending += ast.iter_child_nodes(node)
            found |= {(name, target) for target in targets(name, path, node) if target != name}
    return found


def targets(name: str, path: Path, node: ast.AST) -> list[str]:
    """The modules of the package that a statement imports."""
    if isinstance(node, ast.Import):
        return [a.name.partition(".")[2] for a in node.names if a.name.partition(".")[0] == "kuai"]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level:
        parts = ["kuai", *path.relative_to(PACKAGE).parts][: -node.level]
        full = ".".join([*parts, *filter(None, [node.module])])
    else:
        full = node.module
    if full.partition(".")[0] != "kuai":
        return []
    inner = [f"{full}.{a.name}".partition(".")[2] for a in node.names]
    return [i if i in files() else full.partition(".")[2] for i in inner]


def floor_of(module: str, floors: dict[str, int]) -> int:
    while module and module not in floors:
        module = module.rpartition(".")[0]
    return floors[module]


def test_every_module_stands_in_the_house():
    floors = house()
    assert not [name for name in floors if name not in files()], "docs/design.md draws what is not there"
    assert not {name.partition(".")[0] for name in files()} - floors.keys(), "docs/design.md does not draw"


def test_imports_run_downward():
    floors = house()
    upward = {(a, b) for a, b in imports() if floor_of(b, floors) < floor_of(a, floors)}
    assert upward == UPWARD.keys()


def test_files_do_not_import_each_other():
    assert {" ".join(sorted(circle)) for circle in circles()} == CIRCLES.keys()


def circles() -> list[set[str]]:
    """The sets of modules that lead to each other: those that import nothing left, or that nothing left imports, taken away."""
    edges = {name: set() for name in files()}
    for a, b in imports():
        edges[a].add(b)
    reached = {name: reach(edges, name) for name in edges}
    return list({frozenset({b for b in reached[a] if a in reached[b]}): None for a in edges if a in reached[a]})


def reach(edges: dict[str, set[str]], start: str) -> set[str]:
    seen, pending = set(), [start]
    while pending:
        for target in edges[pending.pop()] - seen:
            seen.add(target)
            pending.append(target)
    return seen


def test_functions_are_short():
    """Half of all functions are shorter than ten lines, none is longer than a page, and no file longer than 600 lines."""
    lengths, pages = [], {}
    for name, path in files().items():
        text = path.read_text()
        assert text.count("\n") <= 600, name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                doc = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) is not None else 0
                lengths.append(node.end_lineno - node.lineno + 1)
                pages[f"{name}.{node.name}"] = lengths[-1] - doc
    assert sorted(lengths)[len(lengths) // 2] < 10
    assert max(pages.values()) <= 40, max(pages, key=pages.get)
