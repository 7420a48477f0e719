"""Modules that are loaded by the first use of something of them."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lazydicom._bytes.deferred import deferred

if TYPE_CHECKING:
    from pathlib import Path

NAME = "a_module_of_this_test"
LOADS = "import builtins\nbuiltins.loads_of_this_test.append(1)\nVALUE = 5\n"


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counted: list[int] = []
    monkeypatch.setattr("builtins.loads_of_this_test", counted, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{NAME}.py").write_text(LOADS)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return counted


def test_a_module_is_loaded_by_its_first_use_and_once(loads: list[int]) -> None:
    module = deferred(NAME)

    assert not loads
    assert (module.VALUE, module.VALUE) == (5, 5)
    assert loads == [1]


def test_a_name_that_a_module_lacks_is_an_attribute_error(loads: list[int]) -> None:
    module = deferred(NAME)

    for _ in range(2):
        with pytest.raises(AttributeError, match="OTHER"):
            _ = module.OTHER
    assert loads == [1]


def test_threads_that_come_at_once_load_a_module_once(loads: list[int]) -> None:
    module, barrier = deferred(NAME), threading.Barrier(8)

    def use(_: int) -> int:
        barrier.wait()
        value: int = module.VALUE
        return value

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(use, range(8)))

    assert values == [5] * 8
    assert loads == [1]


def test_a_module_that_does_not_load_is_an_error_each_time(
    loads: list[int], tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.py").write_text(f"{LOADS}raise ImportError('not here')\n")
    module = deferred(NAME)

    for _ in range(2):
        with pytest.raises(ImportError, match="not here"):
            _ = module.VALUE
    assert loads == [1, 1]
