"""Files and functions are short."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING, Final

from tools import REPOSITORY, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES: Final = sorted((REPOSITORY / "src" / "lazydicom").rglob("*.py"))


def test_a_module_fits_into_400_lines() -> None:
    lines = {module: len(module.read_text().splitlines()) for module in SOURCES}

    assert not {module: count for module, count in lines.items() if count > 400}


@cache
def body_lengths() -> list[tuple[int, str]]:
    """Return the lines of each function's body, without its docstring, sorted."""
    return sorted(_body_lengths())


def _body_lengths() -> Iterator[tuple[int, str]]:
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[ast.get_docstring(node) is not None :] or node.body
                last = body[-1].end_lineno or body[-1].lineno
                yield last - body[0].lineno + 1, f"{path.name}: {node.name}"


def test_no_function_is_longer_than_40_lines() -> None:
    assert not [length for length in body_lengths() if length[0] > 40]


def test_nine_of_ten_functions_have_at_most_18_lines() -> None:
    lengths = body_lengths()

    assert lengths[int(0.9 * len(lengths))][0] <= 18
