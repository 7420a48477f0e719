"""`Study`: the series among files by name, and the files that are no part of them."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from lazydicom._array.array import DicomArray
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header.values import DESCRIPTIONS
from lazydicom._open.many.problems import Problem
from lazydicom.errors import redact_url

if TYPE_CHECKING:
    from lazydicom._array.show import html as shown
else:
    shown = deferred("lazydicom._array.show.html")

_HEADINGS: Final = ("axes", "values", "spacing", "files", "bytes", "kind")
_SHOWN: Final = 5
"""Problems that the text names."""


@dataclass(frozen=True, eq=False, repr=False)
class Study(Mapping[str, DicomArray]):
    """The arrays of a study by name, in the order of Series Number.

    A key is Series Number and Modality, ``"4-CT"``. A second series of that name is
    ``"4-CT~2"``. Where a series is cut, its pieces are ``"4-CT-1"``, ``"4-CT-2"`` ….

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> study = lazydicom.open_study(get_testdata_file("rtdose.dcm", download=False))
    >>> study
    <Study of 1 array
      1-RTDOSE  z 15, y 10, x 10  uint32  5 × 10 × 10 mm  1 file>
    >>> study.table()[0]["shape"], study.problems
    ((15, 10, 10), ())
    """

    arrays: Mapping[str, DicomArray]
    problems: tuple[Problem, ...] = ()
    """Files that are no part of the arrays, and why."""

    def __getitem__(self, key: str) -> DicomArray:
        """Return the array of a name."""
        return self.arrays[key]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.arrays)

    def __len__(self) -> int:
        """Return the number of arrays."""
        return len(self.arrays)

    def table(self, *, descriptions: bool = False) -> list[dict[str, Any]]:
        """Return a row of technical facts for each array, nothing of a patient.

        Parameters
        ----------
        descriptions : bool
            Add Series Description, Protocol Name and Study Date, which may tell of a
            patient; headers are read for them.
        """
        rows = [_facts(key, array) for key, array in self.arrays.items()]
        if descriptions:
            pairs = zip(rows, self.arrays.values(), strict=True)
            rows = [row | _descriptions(array) for row, array in pairs]
        return rows

    def __repr__(self) -> str:
        """Return a line for each array, and for files that are no part of them."""
        lines = [f"Study of {len(self)} {'array' if len(self) == 1 else 'arrays'}"]
        cells = [_cells(row) for row in self.table()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            texts = (cell.ljust(n) for cell, n in zip(row, widths, strict=True))
            lines.append(f"  {'  '.join(texts)}".rstrip())
        lines += [f"  not {one.url}: {one.reason}" for one in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"  and {len(self.problems) - _SHOWN} files more")
        return "<" + "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        """Return a table."""
        return self.to_html()

    def to_html(self, *, thumbnails: bool = False) -> str:
        """Return a table as HTML; `thumbnails` reads the middle frame of each array."""
        from html import escape  # deferred: 5 ms that notebooks need

        head = "".join(f"<th>{escape(one)}</th>" for one in ("series", *_HEADINGS))
        rows = []
        for row in self.table():
            cells = (*_cells(row), str(row["bytes"]), row["kind"])
            line = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            if thumbnails:
                line += f"<td>{shown.array_html(self.arrays[row['key']])}</td>"
            rows.append(f"<tr>{line}</tr>")
        texts = (f"{one.url}: {one.reason}" for one in self.problems)
        faults = "".join(f"<li>{escape(text)}</li>" for text in texts)
        return f"<table><tr>{head}</tr>{''.join(rows)}</table><ul>{faults}</ul>"


def _facts(key: str, array: DicomArray) -> dict[str, Any]:
    spacing = array.attrs.get("spacing")
    return {
        "key": key,
        "modality": array.attrs.get("modality", ""),
        "dims": array.dims,
        "shape": array.shape,
        "dtype": str(array.dtype),
        "spacing": None if spacing is None else tuple(spacing),
        "frames": int((array.grid.numbers >= 0).sum()),
        "files": len(array.images),
        "holes": array.attrs.get("number_of_holes", 0),
        "bytes": array.nbytes,
        "kind": str(array.attrs.get("sop_class_uid", "")),
        "transfer_syntax": array.images[0].format.transfer_syntax.name,
        "url": redact_url(array.images[0].url),
    }


def _descriptions(array: DicomArray) -> dict[str, str]:
    """Read what people write: it may tell of a patient."""
    elements = array.images[0].header.elements
    return {
        name: "".join(map(str, elements.get(tag, vr)[:1]))
        for name, (tag, vr) in DESCRIPTIONS.items()
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    axes = (f"{d} {n}" for d, n in zip(row["dims"], row["shape"], strict=True))
    spacing = [one for one in row["spacing"] or () if isfinite(one)]
    lengths = " × ".join(f"{one:g}" for one in spacing)
    holes = f", {row['holes']} holes" if row["holes"] else ""
    files = "1 file" if row["files"] == 1 else f"{row['files']} files"
    return (
        row["key"],
        ", ".join(axes) + holes,
        row["dtype"],
        f"{lengths} mm" if lengths else "",
        files,
    )
