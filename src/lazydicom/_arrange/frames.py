"""The frames of many instances in one table: which image, which frame, and its attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.mosaic import tile_positions
from lazydicom._column_values import seconds_of
from lazydicom._elements import Elements
from lazydicom._frame_attributes import FRAME_ATTRIBUTES, TEXT
from lazydicom._functional_groups import (
    Columns,
    functional_group_columns,
    has_functional_groups,
)
from lazydicom._header import Header
from lazydicom._image import DicomImage
from lazydicom._mosaic_image import MosaicImage
from lazydicom.errors import InvalidDicomError

_INSTANCE_NUMBER: Final = 0x00200013
_SOP_INSTANCE_UID: Final = 0x00080018
_FRAME_TIME: Final = 0x00181063
_GRID_FRAME_OFFSETS: Final = 0x3004000C
_TIMES: Final = {
    "acquisition_time": (0x0008002A, 0x00080022, 0x00080032),
    "content_time": (0, 0x00080023, 0x00080033),
}
"""Date and time in one element, else in two."""
_PRIVATE_B_VALUES: Final = (
    (0x00431039, "IS", 0x00430010, "GEMS_PARM_01", "GE"),
    (0x0019100C, "IS", 0x00190010, "SIEMENS MR HEADER", "SIEMENS"),
    (0x20011003, "FL", 0x20010010, "Philips Imaging DD 001", "PHILIPS"),
)
"""Tag and VR, the element that names its owner, that name, the manufacturer."""
_GE_B_VALUE_FLAG: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """Frames, and a row of attributes for each."""

    images: tuple[DicomImage, ...]
    image: NDArray[np.int64]
    """Which image each frame is of."""
    frame: NDArray[np.int64]
    """Its number in that image, counted from 0."""
    columns: Columns
    """Every attribute that some frame has."""

    def __len__(self) -> int:
        """Give the number of frames."""
        return len(self.image)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Give a column of numbers, NaN where nothing is known: (frames, values)."""
        column = self.columns.get(name)
        return np.full((len(self), 1), np.nan) if column is None else column

    def text(self, name: str) -> NDArray[np.str_]:
        """Give a column of text, empty where nothing is known."""
        column = self.columns.get(name)
        return np.zeros(len(self), "U1") if column is None else column

    def take(self, which: NDArray[np.int64]) -> "FrameTable":
        """Give the table of some frames, and of the images that they are of."""
        used, image = np.unique(self.image[which], return_inverse=True)
        images = tuple(self.images[k] for k in used)
        columns = {name: column[which] for name, column in self.columns.items()}
        return FrameTable(images, image, self.frame[which], columns)


def tabulate(images: Sequence[DicomImage]) -> FrameTable:
    """Put the frames of all images into one table.

    Raises
    ------
    InvalidDicomError
        If functional groups contradict the standard or the number of frames.
    """
    parts = []
    for enhanced, some in groupby(
        images, lambda one: has_functional_groups(one.header)
    ):
        if enhanced:
            parts += [_enhanced_columns(image) for image in some]
        else:
            parts.append(_classic_columns(list(some)))
    lengths = [len(image) for image in images]
    return FrameTable(
        tuple(images),
        np.repeat(np.arange(len(images)), lengths),
        np.concatenate([np.arange(length) for length in lengths]),
        _join(parts),
    )


def _enhanced_columns(image: DicomImage) -> Columns:
    header, frames = image.header, len(image)
    columns = functional_group_columns(header)
    declared = header.image_pixel.number_of_frames
    if frames > declared:
        message = f"Functional groups of {declared} frames, {frames} are stored"
        raise InvalidDicomError(message, url=image.url)
    columns = {name: column[:frames] for name, column in columns.items()}
    number = _first(header.elements, _INSTANCE_NUMBER, "IS")
    columns["instance_number"] = np.full((frames, 1), number)
    columns["content_time"] = np.full(
        (frames, 1), _time(header.elements, "content_time")
    )
    return columns


def _classic_columns(images: list[DicomImage]) -> Columns:
    """Read the columns of classic instances, whose attributes hold for all their frames."""
    elements = [image.header.elements for image in images]
    columns: Columns = {}
    for name, attribute in FRAME_ATTRIBUTES.items():
        for tag, vr in attribute.classic:
            values = [one.get(tag, vr) for one in elements]
            if name in columns or not any(values):
                continue
            columns[name] = _column(values, attribute.width, text=vr in TEXT)
    for name in _TIMES:
        columns[name] = np.array([[_time(one, name)] for one in elements])
    numbers = [[_first(one, _INSTANCE_NUMBER, "IS")] for one in elements]
    columns["instance_number"] = np.array(numbers)
    if np.isnan(columns.get("b_value", np.array(np.nan))).all():
        columns["b_value"] = np.array([[_private_b_value(one)] for one in elements])
    lengths = [len(image) for image in images]
    if lengths != [1] * len(images):
        columns = {k: np.repeat(v, lengths, axis=0) for k, v in columns.items()}
        _spread_frames(columns, images)
    return columns


def _column(values: list[tuple[Any, ...]], width: int, *, text: bool) -> NDArray[Any]:
    if text:
        return np.array(["\\".join(map(str, one)) for one in values], np.str_)
    widest = width or max(len(one) for one in values)
    column = np.full((len(values), widest), np.nan)
    for row, one in enumerate(values):
        column[row, : len(one)] = one[:widest]
    return column


def _spread_frames(columns: Columns, images: list[DicomImage]) -> None:
    """Tell the frames of classic multi-frame instances apart, as far as they say how."""
    start = 0
    for image in images:
        rows, frames = slice(start, start + len(image)), len(image)
        start += frames
        if frames == 1:
            continue
        if isinstance(image, MosaicImage):
            columns["position"][rows] = tile_positions(image)
            continue
        header = image.header
        seconds = _first(header.elements, _FRAME_TIME, "DS") / 1000
        columns["acquisition_time"][rows, 0] = seconds * np.arange(frames)
        if "position" in columns:
            columns["position"][rows] = _dose_positions(header, frames)


def _dose_positions(header: Header, frames: int) -> NDArray[np.float64]:
    """Place the planes of a dose grid (PS3.3 section C.8.8.3.2), others nowhere."""
    get = header.elements.get
    offsets = np.array(get(_GRID_FRAME_OFFSETS, "DS"), np.float64)
    position = np.array(get(0x00200032, "DS"), np.float64)
    orientation = np.array(get(0x00200037, "DS"), np.float64)
    if len(offsets) != frames or len(position) != 3 or len(orientation) != 6:
        return np.full((frames, 3), np.nan)
    normal = np.cross(orientation[:3], orientation[3:])
    relative = offsets - offsets[0]
    positions: NDArray[np.float64] = position + relative[:, None] * normal
    return positions


def _first(elements: Elements, tag: int, vr: str) -> float:
    values = elements.get(tag, vr)
    return float(values[0]) if values else float("nan")


def _time(elements: Elements, name: str) -> float:
    """Give seconds since 1970, or since an unknown midnight."""
    together, date, clock = _TIMES[name]
    texts = [elements.get(tag, "DT")[:1] for tag in (together, date, clock)]
    both, day, time = ("".join(map(str, one)) for one in texts)
    if both:
        return seconds_of(both)
    return seconds_of((day or "19700101").replace(".", "") + time) if time else np.nan


def _private_b_value(elements: Elements) -> float:
    """Read the b-value of a vendor, where the element is his."""
    for tag, vr, owner_tag, owner, manufacturer in _PRIVATE_B_VALUES:
        if elements.position(tag) is None:
            continue
        named = "".join(map(str, elements.get(owner_tag, "LO")))
        maker = "".join(map(str, elements.get(0x00080070, "LO"))).upper()
        if named == owner or (not named and maker.startswith(manufacturer)):
            value = _first(elements, tag, vr)
            return value % _GE_B_VALUE_FLAG if value >= _GE_B_VALUE_FLAG else value
    return float("nan")


def _join(parts: list[Columns]) -> Columns:
    """Put tables below each other; what one does not know is empty there."""
    if len(parts) == 1:
        return parts[0]
    joined: Columns = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        known = [part[name] for part in parts if name in part]
        width = max(1 if one.ndim == 1 else one.shape[1] for one in known)
        joined[name] = np.concatenate(
            [_padded(part, name, known[0], width) for part in parts]
        )
    return joined


def _padded(part: Columns, name: str, like: NDArray[Any], width: int) -> NDArray[Any]:
    frames = len(part["instance_number"])
    column = part.get(name)
    if like.ndim == 1:
        return np.zeros(frames, "U1") if column is None else column
    whole = np.full((frames, width), np.nan)
    if column is not None:
        whole[:, : column.shape[1]] = column
    return whole


def sop_instance_uid(image: DicomImage) -> str:
    """Name the instance of an image."""
    return "".join(map(str, image.header.elements.get(_SOP_INSTANCE_UID, "UI")[:1]))
