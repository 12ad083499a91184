"""The modules of the package, and what each imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.paths import ROOT

PACKAGE = ROOT / "vestbench"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "__pycache__" not in path.parts
}


def part_of(module: str) -> str:
    """Return the part of the package that a module belongs to."""
    names = module.split(".")
    return names[1] if len(names) > 1 and names[1] != "__init__" else "vestbench"


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(module: str, *, typing_only: bool) -> Iterator[str]:
    """Yield the full name of everything that `module` imports, wherever in it."""

    def walk(node: ast.AST, typing: bool) -> Iterator[str]:
        if isinstance(node, ast.Import) and typing is typing_only:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and typing is typing_only:
            assert node.level == 0, f"{module} imports relatively"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif is_type_checking(node):
            assert isinstance(node, ast.If)
            for inside in node.body:
                yield from walk(inside, True)
            for inside in node.orelse:
                yield from walk(inside, typing)
        else:
            for child in ast.iter_child_nodes(node):
                yield from walk(child, typing)

    yield from walk(tree(module), False)


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))
