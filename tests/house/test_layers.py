"""The rules of the layers that import-linter has no contract for."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import REPOSITORY

PACKAGE = REPOSITORY / "src" / "lazydicom"
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield "." * node.level + (node.module or "")
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)


def deferred_own_imports(source: str) -> Iterator[str]:
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    for function in functions:
        for node in ast.walk(function):
            for name in imported_modules(node):
                if name.startswith((".", "lazydicom")):
                    yield f"line {function.lineno}: {function.name} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_function_defers_an_import_of_our_own(module: Path) -> None:
    assert not list(deferred_own_imports(module.read_text()))


def test_a_deferred_import_of_our_own_is_seen() -> None:
    source = "def f():\n    import numpy\n    from lazydicom import errors\n"

    assert list(deferred_own_imports(source)) == ["line 1: f imports lazydicom"]
