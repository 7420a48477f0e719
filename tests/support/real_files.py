"""Real files: those that pydicom and pydicom-data ship, and the shared data."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from dicom_elements import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from tools import SHARED_DATA

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from _pytest.mark import ParameterSet

NATIVE: Final = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE, DEFLATED)


SERIES: Final = ("shared/10_series/", "pydicom/test_files/dicomdirtests/")
"""Folders of folders that hold slices of one series."""


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))


ROOTS: Final = {
    "pydicom": _package_folder("pydicom") / "data",
    "pydicom-data": _package_folder("data_store") / "data",
    "shared": SHARED_DATA,
}


def files_of(*transfer_syntaxes: str) -> dict[str, Path]:
    """Find the files that are declared to be in these syntaxes, by a short name."""
    return {
        name: real_file(name)
        for name in names_of_all()
        if transfer_syntax_of(name) in transfer_syntaxes
    }


def files_of_classes(*sop_classes: str) -> dict[str, Path]:
    """Find the files of these SOP classes, by a short name."""
    return {
        name: real_file(name)
        for name in names_of_all()
        if _meta_of_all()[name].get("MediaStorageSOPClassUID") in sop_classes
    }


def of_each_series(names: Collection[str]) -> list[ParameterSet]:
    """Give names as parameters; slices of a series are alike: its third is `heavy`."""
    first = set(first_of_each_series(names))
    return [
        pytest.param(name, marks=() if name in first else pytest.mark.heavy)
        for name in names
    ]


def first_of_each_series(names: Iterable[str]) -> Iterator[str]:
    """Leave out all but two slices of each series."""
    seen: Counter[str] = Counter()
    for name in names:
        folder = name.rpartition("/")[0]
        seen[folder] += 1
        if not folder.startswith(SERIES) or seen[folder] <= 2:
            yield name


@cache
def names_of_all() -> list[str]:
    """Return the short name of every file, whatever it is."""
    return [
        f"{root}/{path.relative_to(folder)}"
        for root, folder in ROOTS.items()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def real_file(name: str) -> Path:
    """Give the path of a file by its short name."""
    root, _, rest = name.partition("/")
    return ROOTS[root] / rest


def transfer_syntax_of(name: str) -> str | None:
    return _meta_of_all()[name].get("TransferSyntaxUID")


@cache
def _meta_of_all() -> dict[str, dict[str, str]]:
    """Read File Meta of every file, once."""
    return {name: _meta(real_file(name)) for name in names_of_all()}


def _meta(path: Path) -> dict[str, str]:
    keywords = ("TransferSyntaxUID", "MediaStorageSOPClassUID")
    try:
        meta = read_file_meta_info(path)
    except (InvalidDicomError, EOFError):
        return {}
    return {keyword: str(meta.get(keyword)) for keyword in keywords}
