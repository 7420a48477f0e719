"""Which real world value each stored value of each frame has (PS3.3 section C.7.6.16.2.11).

The mapping stands at the top level, or in the functional groups, shared or per frame: slope
and intercept, or a LUT of values.
"""

from dataclasses import field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import BytesLike
from lazydicom._header import tags
from lazydicom._header.columns.sequences import sequence_values
from lazydicom._header.dataset import read_sequence
from lazydicom._header.elements import FileElements, has_functional_groups
from lazydicom._header.values import decode_values
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from pydicom import Dataset

SEQUENCE: Final = tags.REAL_WORLD_VALUE_MAPPING_SEQUENCE
_FIRST, _LAST = "RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"
_PATHS: Final = [
    (SEQUENCE, tags.REAL_WORLD_VALUE_FIRST_VALUE_MAPPED),
    (SEQUENCE, tags.REAL_WORLD_VALUE_LAST_VALUE_MAPPED),
    (SEQUENCE, tags.DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED),
    (SEQUENCE, tags.DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED),
    (SEQUENCE, tags.REAL_WORLD_VALUE_LUT_DATA),
    (SEQUENCE, tags.REAL_WORLD_VALUE_SLOPE),
]


@dataclass(frozen=True, slots=True, eq=False)
class Mappings:
    """The mapping of each frame; NaN is what it does not say."""

    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]
    first: NDArray[np.float64]
    """The first stored value that is mapped."""
    last: NDArray[np.float64]
    number: NDArray[np.int64]
    """Number of the LUT, -1 for slope and intercept."""
    luts: list[NDArray[np.float64]] = field(default_factory=list)

    def put(
        self,
        rows: NDArray[np.int64] | int,
        limits: tuple[float, float],
        lut: NDArray[np.float64],
        image: DicomImage,
    ) -> None:
        """Take limits and LUT of some frames; no values are no LUT.

        Raises
        ------
        InvalidDicomError
            If a LUT has not as many values as are mapped.
        """
        self.first[rows], self.last[rows] = limits
        self.number[rows] = -1
        if not lut.size:
            return
        if limits[1] - limits[0] + 1 != lut.size:
            message = (
                f"Expected a LUT from first to last value, found {lut.size} values"
            )
            raise InvalidDicomError(message, url=image.url, tag=SEQUENCE)
        same = (k for k, one in enumerate(self.luts) if np.array_equal(one, lut))
        number = next(same, len(self.luts))
        if number == len(self.luts):
            self.luts.append(lut)
        self.number[rows] = number


def frame_mappings(table: FrameTable) -> Mappings:
    """Return the first mapping of each frame, or of its file.

    Raises
    ------
    InvalidDicomError
        If a LUT has not as many values as are mapped.
    """
    nothing = np.full(len(table), np.nan)
    mappings = Mappings(
        table.numbers("real_world_slope")[:, 0].copy(),
        table.numbers("real_world_intercept")[:, 0].copy(),
        nothing.copy(),
        nothing.copy(),
        np.full(len(table), -1),
    )
    at_top = table.instances["has_real_world_values"][:, 0]
    for number, image in enumerate(table.images):
        rows = np.flatnonzero(table.image == number)
        if at_top[number]:
            _put_top(mappings, rows, image)
        elif has_functional_groups(image.header.elements):
            _put_groups(mappings, rows, table.frame[rows], image)
    return mappings


def _put_top(mappings: Mappings, rows: NDArray[np.int64], image: DicomImage) -> None:
    """Take the first mapping at the top level."""
    items = list(read_sequence(image.header, SEQUENCE))
    if not items:
        return
    item = items[0]
    mappings.slope[rows] = _number(item, "RealWorldValueSlope")
    mappings.intercept[rows] = _number(item, "RealWorldValueIntercept")
    lut = np.array(item.get("RealWorldValueLUTData") or [], np.float64).ravel()
    mappings.put(rows, (_limit(item, _FIRST), _limit(item, _LAST)), lut, image)


def _put_groups(
    mappings: Mappings,
    rows: NDArray[np.int64],
    frames: NDArray[np.int64],
    image: DicomImage,
) -> None:
    """Take those of the functional groups; what is shared holds for frames without one."""
    header = image.header
    shared_groups = tags.SHARED_FUNCTIONAL_GROUPS_SEQUENCE
    for values in sequence_values(header, shared_groups, _PATHS, most=1)[:1]:
        if any(map(len, values)):
            _put_values(mappings, rows, values[:-1], image)
    own = sequence_values(header, tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, _PATHS)
    kinds: dict[tuple[BytesLike, ...], list[int]] = {}
    for row, frame in zip(rows.tolist(), frames.tolist(), strict=True):
        if frame < len(own) and any(map(len, own[frame])):
            kinds.setdefault(own[frame][:-1], []).append(row)  # columns have slopes
    for values, same in kinds.items():
        _put_values(mappings, np.array(same), values, image)


def _put_values(
    mappings: Mappings,
    rows: NDArray[np.int64],
    values: tuple[BytesLike, ...],
    image: DicomImage,
) -> None:
    elements = image.header.elements
    little = not isinstance(elements, FileElements) or elements.framing.little_endian
    signed = image.format.pixel.dtype.kind == "i"
    vrs = ("SS" if signed else "US",) * 2 + ("FD",) * 3
    numbers = [
        decode_values(vr, bytes(value), little_endian=little)
        for vr, value in zip(vrs, values, strict=True)
    ]
    limits = [
        float((plain or double or (np.nan,))[0])
        for plain, double in zip(numbers[:2], numbers[2:4], strict=True)
    ]
    lut = np.array(numbers[4], np.float64)
    mappings.put(rows, (limits[0], limits[1]), lut, image)


def _limit(item: "Dataset", keyword: str) -> float:
    plain = _number(item, keyword)
    double = keyword.replace("RealWorldValue", "DoubleFloatRealWorldValue")
    return _number(item, double) if np.isnan(plain) else plain


def _number(item: "Dataset", keyword: str) -> float:
    """Return a number, NaN where there is none: text, or several."""
    try:
        return float(str(item.get(keyword)))
    except ValueError:
        return float("nan")
