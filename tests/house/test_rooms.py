"""The rooms of the house: small enough for one sitting, each with its door sign."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest
from tools import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE: Final = REPOSITORY / "src" / "lazydicom"
MOST_FILES: Final = 12
"""Of a room, beside its door sign and its sub-rooms."""
CROWDED: Final[dict[str, int]] = {}
"""Rooms with more files than that. None may be added, and none may grow."""
ROOMS: Final = sorted(
    {path.parent for path in PACKAGE.rglob("__init__.py")} - {PACKAGE}
)
SIGNED_NAME: Final = re.compile(r"`([\w./]+)`")


def room_name(room: Path) -> str:
    return room.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("room", ROOMS, ids=room_name)
def test_a_room_is_read_in_one_sitting(room: Path) -> None:
    files = [path.name for path in room.glob("*.py") if path.name != "__init__.py"]

    assert len(files) <= CROWDED.get(room_name(room), MOST_FILES)


@pytest.mark.parametrize("room", ROOMS, ids=room_name)
def test_a_door_sign_holds_words_alone(room: Path) -> None:
    (sign,) = ast.parse((room / "__init__.py").read_text()).body

    assert isinstance(sign, ast.Expr)
    assert isinstance(sign.value, ast.Constant)


@pytest.mark.parametrize("room", ROOMS, ids=room_name)
def test_a_door_sign_says_what_to_read_first_and_names_what_is_there(
    room: Path,
) -> None:
    sign = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""

    first = re.search(r"Read\s+`(\w+)(?:\.py)?`", sign)
    missing = [name for name in SIGNED_NAME.findall(sign) if not is_there(name, room)]

    assert first is not None
    assert (room / f"{first[1]}.py").is_file()
    assert not missing


def is_there(name: str, room: Path) -> bool:
    """Return whether a name on a sign is a file, a room or a definition."""
    path = name.replace(".", "/").removesuffix("/py").rstrip("/")
    places = (place / path for place in (room, room.parent, PACKAGE))
    if any(place.is_dir() or place.with_suffix(".py").is_file() for place in places):
        return True
    return name == "lazydicom" or name in names_in(room)


@cache
def names_in(room: Path) -> set[str]:
    """Return `module.name`, and the name alone, for all that a room defines."""
    return {name for path in room.rglob("*.py") for name in defined_names(path)}


@cache
def defined_names(path: Path) -> list[str]:
    """Return what a module defines, with its own name before it and without."""
    tree = ast.parse(path.read_text())
    names = [name for node in tree.body for name in names_of(node)]
    return [*names, *(f"{path.stem}.{name}" for name in names)]


def names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]
