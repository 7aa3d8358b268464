"""The shape of the package, held: layers, owners, sizes, names.

Each test collects what breaks its rule, so that a failure reads as a list of places.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tqd

ROOT = Path(__file__).parents[2]
LAYERS = (
    ("errors", "clock", "log"),
    ("task", "schedule", "scale", "simulate", "metrics"),
    ("wire", "config"),
    ("app", "store", "system"),
    ("client", "testing"),
    ("__init__",),
    ("worker", "keeper", "master"),
    ("cli",),
    ("__main__",),
)
STRANGERS = ("worker", "keeper", "master")
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
OWNERS = {
    "redis": "store", "hiredis": "store", "msgpack": "wire", "psutil": "system", "uvloop": "system",
    "cronsim": "schedule",
}  # fmt: skip
VAGUE = {"utils", "util", "helpers", "common", "base", "manager", "misc"}
FOLDERS = {"tqd", "tests", "perf", "systemd", "conf"}
TOP_LEVEL = FOLDERS | {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"}
MODULE_LINES, FUNCTION_LINES = 350, 50

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "tqd").rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
# Read before the guard of the unit tests stands: None where there is no git.
LISTED = subprocess.run(
    ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def part(module: str) -> str:
    """Return the first name below `tqd`: `store` of `tqd.store.keys`."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield what is imported, as the module that holds it, and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"relative import in line {node.lineno}"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in MODULES else node.module), node.lineno


def functions(tree: ast.AST) -> Iterator[Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def own_imports(module: str) -> list[tuple[str, int]]:
    return [(name, line) for name, line in imports(TREES[module]) if name.partition(".")[0] == "tqd"]


def test_every_part_of_the_package_has_a_layer() -> None:
    assert {part(module) for module in MODULES} <= set(RANK)


def test_imports_point_downwards_only() -> None:
    wrong = []
    for module in MODULES:
        for target, line in own_imports(module):
            source, aim = part(module), part(target)
            strangers = source != aim and {source, aim} <= set(STRANGERS)
            if RANK[source] < RANK[aim] or strangers:
                wrong.append(f"{module}:{line} imports {target}")
    assert wrong == []


def test_no_imports_go_in_a_circle() -> None:
    graph = {module: {target for target, _ in own_imports(module)} - {module} for module in MODULES}
    TopologicalSorter(graph).prepare()


def test_each_foreign_package_has_one_owner() -> None:
    wrong = []
    for module, tree in TREES.items():
        for target, line in imports(tree):
            owner = OWNERS.get(target.partition(".")[0])
            if owner not in (None, part(module)):
                wrong.append(f"{module}:{line} imports {target}, which {owner} owns")
    assert wrong == []


def test_only_system_forks() -> None:
    wrong = []
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute | ast.ImportFrom) or part(module) == "system":
                continue
            if re.fullmatch(r"os\.fork(pty)?|from os import .*\bfork(pty)?\b.*", ast.unparse(node)):
                wrong.append(f"{module}:{node.lineno}")
    assert wrong == []


def test_nothing_is_imported_inside_a_function_but_in_the_cli() -> None:
    wrong = [
        f"{module}:{line} in {function.name}() imports {target}"
        for module, tree in TREES.items()
        if part(module) not in ("cli", "__main__")
        for function in functions(tree)
        for target, line in imports(function)
    ]
    assert wrong == []


def test_only_the_root_exports_what_others_define() -> None:
    inner = [module for module, path in MODULES.items() if path.name == "__init__.py" and module != "tqd"]
    assert [module for module in inner if set(imports(TREES[module])) - {("__future__", 1)}] == []


def test_time_and_chance_are_read_in_one_place() -> None:
    wrong = []
    for module, tree in TREES.items():
        if module == "tqd.clock":
            continue
        wrong += [f"{module}:{line}" for target, line in imports(tree) if target in ("time", "random")]
        wrong += [
            f"{module}:{node.lineno} {ast.unparse(node)}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr in ("now", "utcnow", "today")
            and ast.unparse(node.value).split(".")[-1] in ("datetime", "date")
        ]
    assert wrong == []


def test_modules_stay_short() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module: lines for module, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_functions_stay_short() -> None:
    lengths = {
        f"{module}:{function.lineno} {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for module, tree in TREES.items()
        for function in functions(tree)
    }
    assert {place: lines for place, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_no_module_has_a_vague_name() -> None:
    assert [module for module in MODULES if VAGUE & set(module.split("."))] == []


@pytest.mark.skipif(LISTED.returncode != 0, reason="not a git checkout")
def test_the_top_level_tells_the_story() -> None:
    names = {line.strip('"').partition("/")[0] for line in LISTED.stdout.splitlines()}
    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


def test_the_public_names_are_those_that_a_type_checker_sees_and_each_loads() -> None:
    (seen,) = [node for node in TREES["tqd"].body if isinstance(node, ast.If)]
    imported = [alias.name for node in seen.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(imported) == tqd.__all__
    assert [name for name in tqd.__all__ if getattr(tqd, name).__name__ != name] == []
