"""What an instance of a slide says of its tiles (PS3.3 sections C.8.12.4 and C.7.6.17)."""

import math
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from lazydicom._arrange.geometry import unit_orientation
from lazydicom._array.image import DicomImage
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import BytesLike
from lazydicom._header import tags
from lazydicom._header.columns.column import Columns
from lazydicom._header.columns.functional_groups import functional_group_columns
from lazydicom._header.columns.sequences import sequence_values
from lazydicom._header.header import Header
from lazydicom._header.values import decode_as
from lazydicom.errors import InvalidDicomError, LimitError, redact_url, warn

_LONGEST_SIDE: Final = 1 << 23
"""8,388,608 pixels: two metres of a quarter of a micrometre."""
_KIND: Final = 2
"""Place of the kind of image among the values of Image Type."""


@dataclass(frozen=True, slots=True, eq=False)
class SlideFacts:
    """One instance: its kind, its matrix, and how its frames tile it."""

    image: DicomImage
    kind: str
    """VOLUME, LABEL, OVERVIEW or THUMBNAIL."""
    matrix: tuple[int, int]
    """Rows and columns of the total pixel matrix."""
    series: str
    series_number: int | None
    pyramid: str
    instance: str
    """SOP Instance UID."""
    concatenation: str
    """Empty: the instance is whole."""
    first_frame: int
    """Frames of the concatenation before the first of this part."""
    parts: int | None
    """Parts of the concatenation, where it says so."""
    is_full: bool
    """TILED_FULL: the order of frames says where they are."""
    focal_planes: int | None
    paths: tuple[str, ...]
    """Identifiers of optical paths, in the order of their sequence."""
    spacing: tuple[float, float] | None
    """From row to row, and from column to column, in mm."""
    focal_distance: float | None
    """Between focal planes, in mm."""
    origin: tuple[float, float, float] | None
    """Centre of the first pixel in the coordinates of the slide, in mm."""
    states_height: bool
    """`origin` has a height, which is else 0."""
    orientation: tuple[float, ...] | None
    frame_of_reference: str
    """Empty where none is named."""
    absent: tuple[int, ...] | None
    """Recommended Absent Pixel CIELab Value."""
    volume: tuple[float, float] | None
    """Height and width of what is imaged, in mm."""
    path_column: str = "optical_path"
    """What `paths` are identifiers of, as the functional groups have it."""
    read_columns: Columns | None = None
    """The functional groups, where they are read already."""

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        pixel = self.image.format.pixel
        return pixel.rows, pixel.columns

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        pairs = zip(self.matrix, self.tile, strict=True)
        down, across = (-(-length // tile) for length, tile in pairs)
        return down, across

    @property
    def name(self) -> str:
        """The file, as messages name it."""
        return redact_url(self.image.url)

    def columns(self) -> Columns:
        """Return the functional groups: a row per frame."""
        if self.read_columns is not None:
            return self.read_columns
        return functional_group_columns(self.image.header)


def kind_of(image: DicomImage) -> str:
    """Return the third value of Image Type: VOLUME, LABEL, OVERVIEW, THUMBNAIL."""
    words = image.header.elements.get(tags.IMAGE_TYPE, "CS")
    return str(words[_KIND]) if len(words) > _KIND else ""


def read_facts(image: DicomImage) -> SlideFacts:
    """Read the header of one instance.

    Raises
    ------
    InvalidDicomError
        If it has no matrix, or one without pixels.
    LimitError
        If its matrix is longer than any slide.
    """
    header = image.header
    full = _text(header, tags.DIMENSION_ORGANIZATION_TYPE, "CS") == "TILED_FULL"
    spacing, focal_distance = _measures(image)
    absent = _numbers(header, tags.RECOMMENDED_ABSENT_PIXEL_CIELAB_VALUE, "US")
    orientation = _numbers(header, tags.IMAGE_ORIENTATION_SLIDE, "DS")
    number = _number(header, tags.SERIES_NUMBER, "IS")
    origin = _origin(header)
    return SlideFacts(
        image=image,
        kind=kind_of(image),
        matrix=_matrix(image),
        series=_text(header, tags.SERIES_INSTANCE_UID, "UI"),
        series_number=None if number is None else int(number),
        pyramid=_text(header, tags.PYRAMID_UID, "UI"),
        instance=_text(header, tags.SOP_INSTANCE_UID, "UI"),
        concatenation=_text(header, tags.CONCATENATION_UID, "UI"),
        first_frame=_count(header, tags.CONCATENATION_FRAME_OFFSET_NUMBER, "UL") or 0,
        parts=_count(header, tags.IN_CONCATENATION_TOTAL_NUMBER, "US"),
        is_full=full,
        focal_planes=_count(header, tags.TOTAL_PIXEL_MATRIX_FOCAL_PLANES, "UL"),
        paths=_paths(header),
        spacing=spacing,
        focal_distance=focal_distance,
        origin=None if origin is None else (*origin[:2], origin[2] or 0.0),
        states_height=origin is not None and origin[2] is not None,
        orientation=tuple(orientation) if len(orientation) == 6 else None,
        frame_of_reference=_text(header, tags.FRAME_OF_REFERENCE_UID, "UI"),
        absent=tuple(map(int, absent)) if len(absent) == 3 else None,
        volume=_volume(header),
    )


def with_unit_orientation(facts: SlideFacts) -> SlideFacts:
    """Return directions of unit length, with a warning where they had none, or are none.

    Raises
    ------
    InvalidDicomError
        If rows and columns are not at right angles.
    """
    if facts.orientation is None:
        return facts
    url = facts.image.url
    units = unit_orientation(np.array(facts.orientation, np.float64), url=url)
    if units is None:
        message = "Directions of rows and columns span no plane: no affine is known"
        warn(message, url=url)
        return replace(facts, orientation=None)
    return replace(facts, orientation=tuple(units.tolist()))


Measures: TypeAlias = tuple[tuple[float, float] | None, float | None]


def _measures(image: DicomImage) -> Measures:
    """Return pixel spacing and the distance of focal planes, of the shared groups first."""
    path = (tags.PIXEL_MEASURES_SEQUENCE,)
    wanted = [(*path, tags.PIXEL_SPACING), (*path, tags.SPACING_BETWEEN_SLICES)]
    header = image.header
    for tag in (
        tags.SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    ):
        items = sequence_values(header, tag, wanted, most=1)
        spacing, distance = (
            (_decoded(header, one, "DS") for one in items[0]) if items else ((), ())
        )
        if len(spacing) == 2 and min(spacing) > 0:
            return (spacing[0], spacing[1]), (distance[0] if distance else None)
    return None, None


def _matrix(image: DicomImage) -> tuple[int, int]:
    header, pixel = image.header, image.format.pixel
    names = (tags.TOTAL_PIXEL_MATRIX_ROWS, tags.TOTAL_PIXEL_MATRIX_COLUMNS)
    rows, columns = (_count(header, tag, "UL") for tag in names)
    if rows is None and columns is None and len(image) == 1:
        return pixel.rows, pixel.columns
    if not rows or not columns:
        message = f"Expected a total pixel matrix, found {rows or 0}×{columns or 0}"
        raise InvalidDicomError(message, url=image.url, frame=0)
    if max(rows, columns) > _LONGEST_SIDE:
        text = (
            f"Expected at most {_LONGEST_SIDE} pixels along a side of the total pixel"
        )
        raise LimitError(f"{text} matrix, found {rows}×{columns}", url=image.url)
    return rows, columns


def _paths(header: Header) -> tuple[str, ...]:
    items = sequence_values(
        header, tags.OPTICAL_PATH_SEQUENCE, [(tags.OPTICAL_PATH_IDENTIFIER,)]
    )
    return tuple(_ascii(value) for (value,) in items)


def _origin(header: Header) -> tuple[float, float, float | None] | None:
    """Return X and Y, which are in mm, and Z, which is in µm (PS3.3 C.8.12.4.1.1)."""
    wanted = [
        (tags.X_OFFSET_IN_SLIDE_COORDINATE_SYSTEM,),
        (tags.Y_OFFSET_IN_SLIDE_COORDINATE_SYSTEM,),
        (tags.Z_OFFSET_IN_SLIDE_COORDINATE_SYSTEM,),
    ]
    items = sequence_values(header, tags.TOTAL_PIXEL_MATRIX_ORIGIN_SEQUENCE, wanted)
    if not items:
        return None
    x, y, z = (_decoded(header, one, "DS") for one in items[0])
    if not x or not y:
        return None
    return x[0], y[0], (z[0] / 1000 if z else None)


def _volume(header: Header) -> tuple[float, float] | None:
    height = _number(header, tags.IMAGED_VOLUME_HEIGHT, "FL")
    width = _number(header, tags.IMAGED_VOLUME_WIDTH, "FL")
    return None if not height or not width else (height, width)


def _decoded(header: Header, value: BytesLike, vr: str) -> list[float]:
    little = header.meta.framing.little_endian
    try:
        values = decode_as(vr, "", bytes(value), little_endian=little)
    except ValueError:
        return []
    numbers = [float(one) for one in values]
    return numbers if all(map(math.isfinite, numbers)) else []


def _ascii(value: BytesLike) -> str:
    return bytes(value).decode("ascii", "replace").strip(" \0")


def _text(header: Header, tag: int, vr: str) -> str:
    values = header.elements.get(tag, vr)
    return str(values[0]) if values else ""


def _numbers(header: Header, tag: int, vr: str) -> list[float]:
    return [float(one) for one in header.elements.get(tag, vr)]


def _number(header: Header, tag: int, vr: str) -> float | None:
    values = _numbers(header, tag, vr)
    return values[0] if values and math.isfinite(values[0]) else None


def _count(header: Header, tag: int, vr: str) -> int | None:
    number = _number(header, tag, vr)
    return None if number is None else int(number)
