"""The series, or slides, of a folder as a table: what `lazydicom info FOLDER` prints."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from lazydicom._array.array import DicomArray

if TYPE_CHECKING:
    from lazydicom._open.many.problems import Problem

_SLIDE_HEADINGS: Final = (
    "Image", "Level", "Pixels", "µm per pixel", "Tiles", "Paths", "Planes", "Transfer syntax",
)  # fmt: skip
_HEADINGS: Final = ("Series", "Axes", "Values", "Spacing, mm", "Files", "Size")


def series_facts(study: Mapping[str, DicomArray]) -> list[dict[str, Any]]:
    """Return what each series is, and each piece of one that is cut."""
    return [_facts_of(key, array) for key, array in study.items()]


def _facts_of(key: str, array: DicomArray) -> dict[str, Any]:
    """Collect technical facts, nothing of a patient."""
    return {
        "series": key,
        "files": len(array.images),
        "dims": array.dims,
        "shape": array.shape,
        "dtype": str(array.dtype),
        "spacing": _finite(array.attrs.get("spacing")),
        "photometric_interpretation": array.attrs.get("photometric_interpretation"),
        "transfer_syntax": array.images[0].format.transfer_syntax.name,
        "number_of_holes": array.attrs.get("number_of_holes", 0),
        "decoded_nbytes": array.nbytes,
    }


def _finite(numbers: list[float] | None) -> list[float | None] | None:
    """One plane has no distance to the next: JSON knows no NaN."""
    if numbers is None:
        return None
    return [one if math.isfinite(one) else None for one in numbers]


def series_rows(facts: list[dict[str, Any]]) -> Table:
    """Set the series as a table that a person reads."""
    table = Table(*_HEADINGS, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for one in facts:
        cells = (printable(cell) for cell in _cells(one))
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return table


def _cells(one: dict[str, Any]) -> list[str]:
    spacing = one["spacing"] or []
    holes = one["number_of_holes"]
    axes = (f"{d} {n}" for d, n in zip(one["dims"], one["shape"], strict=True))
    return [
        one["series"],
        ", ".join(axes) + (f" ({holes} holes)" if holes else ""),
        one["dtype"],
        " × ".join("?" if step is None else f"{step:.4g}" for step in spacing) or "?",
        f"{one['files']:,}",
        decimal(one["decoded_nbytes"]),
    ]


def problem_lines(problems: Sequence["Problem"]) -> Iterator[str]:
    """Yield how many files are left out, and each with the reason."""
    if problems:
        files = "1 file is" if len(problems) == 1 else f"{len(problems):,} files are"
        yield f"{files} left out:"
    for one in problems:
        reason = one.reason if one.error is None else one.error.message
        yield printable(f"  {one.url}: {reason}")


def printable(text: str) -> str:
    """Return text without the control characters of a file."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def slide_rows(facts: list[dict[str, Any]]) -> Table:
    """Set the instances of slides as a table that a person reads."""
    table = Table(*_SLIDE_HEADINGS, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for one in facts:
        table.add_row(*(Text(cell, overflow="fold") for cell in _slide_cells(one)))
    return table


def _slide_cells(one: dict[str, Any]) -> list[str]:
    rows, columns = one["matrix"]
    tile = " × ".join(map(str, one["tile"]))
    spacing = one["spacing"]
    return [
        one["kind"],
        str(one["level"]),
        f"{rows:,} × {columns:,}",
        "?" if spacing is None else f"{spacing[0] * 1000:.4g}",
        f"{one['stored']:,} of {one['tiles']:,} of {tile}",
        str(one["paths"]),
        str(one["planes"]),
        one["transfer_syntax"],
    ]
