"""What the house is for: no circles, no branches on names, nothing long."""

from __future__ import annotations

import ast
from statistics import median

import pytest

from tests.support.package import MODULES, imports, part_of, tree
from tests.support.paths import ROOT
from vestbench.studies.registry import study_names


@pytest.mark.parametrize("depth", [2, None], ids=["parts", "modules"])
def test_nothing_imports_in_a_circle(depth: int | None) -> None:
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        here = _cut(module, depth)
        found = graph.setdefault(here, set())
        for name in imports(module, typing_only=False):
            there = _module_in(name)
            if there is not None and not _is_package_of(there, module):
                found.add(_cut(there, depth))
        found.discard(here)

    assert _circle(graph) == []


def _cut(module: str, depth: int | None) -> str:
    return ".".join(module.removesuffix(".__init__").split(".")[:depth])


def _module_in(name: str) -> str | None:
    """Return the module that an import is of; None for one of another package."""
    for known in (name, name.rpartition(".")[0]):
        for module in (known, f"{known}.__init__"):
            if module in MODULES:
                return module.removesuffix(".__init__")
    return None


def _is_package_of(there: str, module: str) -> bool:
    return module.startswith(f"{there}.")


def _circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the names along a circle, or nothing where there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph.get(node, ())):
            if found := walk(other, [*path, node]):
                return found
        done.add(node)
        return []

    for start in sorted(graph):
        if found := walk(start, []):
            return found
    return []


SECTIONS = {"plan", "conditions", "conclusion"}


@pytest.mark.parametrize("module", MODULES)
def test_no_section_of_a_run_is_read_by_a_string(module: str) -> None:
    for node in ast.walk(tree(module)):
        read: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            read = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            read = node.func.value if node.func.attr == "get" else None
        named = ast.unparse(read).split(".")[-1].lstrip("_") if read else ""
        if part_of(module) == "results" and named in SECTIONS:
            continue
        assert named not in SECTIONS, f"{module}: {ast.unparse(node)}"


COMMANDS = set(study_names())


@pytest.mark.parametrize(
    "module", [name for name in MODULES if name != "vestbench.studies.registry"]
)
def test_nothing_branches_on_the_name_of_a_command(module: str) -> None:
    for node in ast.walk(tree(module)):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        texts = {
            found.value
            for side in sides
            for found in ast.walk(side)
            if isinstance(found, ast.Constant) and isinstance(found.value, str)
        }
        about = any(
            isinstance(side, ast.Attribute | ast.Name)
            and ast.unparse(side).split(".")[-1] == "command"
            for side in sides
        )
        assert not about, f"{module}: {ast.unparse(node)}"
        assert not texts & COMMANDS, f"{module}: {ast.unparse(node)}"


def test_no_module_is_long_and_most_functions_are_short() -> None:
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in MODULES.items()
    }
    functions = [
        (node.end_lineno or 0) - node.lineno + 1
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert {name: n for name, n in lengths.items() if n > 400} == {}
    assert median(functions) <= 9


def test_no_module_of_tests_is_long_or_imported_by_another() -> None:
    modules = sorted((ROOT / "tests").rglob("*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in modules}
    long = {path.name for path, text in texts.items() if text.count("\n") > 400}
    shared = {
        f"{path.name} imports {node.module}.{alias.name}"
        for path, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if ".test_" in f".{node.module}.{alias.name}"
    }

    assert not long
    assert not shared  # what several need is in tests/support
