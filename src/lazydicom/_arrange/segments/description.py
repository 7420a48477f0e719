"""What the segments are: the items of Segment Sequence (PS3.3 section C.8.20.4)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from lazydicom._array.image import DicomImage
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header import tags
from lazydicom._header.dataset import read_sequence
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom import Dataset

_BACKGROUND: Final = ("125040", "DCM")
_WHITE: Final = (0.95047, 1.0, 1.08883)
"""D65, in which other toolkits write and read CIELab."""


class Code(NamedTuple):
    """A coded concept (PS3.3 section 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment. Label, description and tracking id are free text."""

    number: int
    label: str = ""
    description: str = field(default="", repr=False)
    category: Code | None = None
    type: Code | None = None
    type_modifiers: tuple[Code, ...] = ()
    anatomic_region: Code | None = None
    anatomic_region_modifiers: tuple[Code, ...] = ()
    algorithm_type: str = ""
    algorithm_name: str = ""
    tracking_id: str = field(default="", repr=False)
    tracking_uid: str = field(default="", repr=False)
    cielab: tuple[float, float, float] | None = None
    """Recommended Display CIELab Value: L from 0 to 100, a and b from -128 to 127."""
    frames: int = 0
    """How many frames it has; in a label map any frame may hold any segment."""

    @property
    def rgb(self) -> tuple[int, int, int] | None:
        """Recommended colour in sRGB, ``None`` where the file recommends none."""
        return None if self.cielab is None else rgb_of(self.cielab)

    @property
    def is_background(self) -> bool:
        """Whether the segment says of itself that it is what lies around the others."""
        codes = (self.category, self.type)
        return any(code is not None and code[:2] == _BACKGROUND for code in codes)


@dataclass(frozen=True, slots=True)
class SegmentItem:
    """An item of Segment Sequence: of what opening does not need nothing is parsed."""

    number: int
    item: "Dataset" = field(repr=False)

    @property
    def label(self) -> str:
        """Free text."""
        return _text(self.item, "SegmentLabel")

    @property
    def rgb(self) -> tuple[int, int, int] | None:
        """Recommended colour in sRGB, ``None`` where the file recommends none."""
        cielab = _cielab(self.item)
        return None if cielab is None else rgb_of(cielab)

    @property
    def is_background(self) -> bool:
        """Whether the segment says of itself that it is what lies around the others."""
        return self.read().is_background

    def read(self) -> Segment:
        """Read everything that the item says."""
        item = self.item
        kind = item.get("SegmentedPropertyTypeCodeSequence") or ()
        region = item.get("AnatomicRegionSequence") or ()
        return Segment(
            number=self.number,
            label=self.label,
            description=_text(item, "SegmentDescription"),
            category=_first(_codes(item, "SegmentedPropertyCategoryCodeSequence")),
            type=_first(_codes(item, "SegmentedPropertyTypeCodeSequence")),
            type_modifiers=_inner(kind, "SegmentedPropertyTypeModifierCodeSequence"),
            anatomic_region=_first(_codes(item, "AnatomicRegionSequence")),
            anatomic_region_modifiers=_inner(region, "AnatomicRegionModifierSequence"),
            algorithm_type=_text(item, "SegmentAlgorithmType"),
            algorithm_name=_text(item, "SegmentAlgorithmName"),
            tracking_id=_text(item, "TrackingID"),
            tracking_uid=_text(item, "TrackingUID"),
            cielab=_cielab(item),
        )


def read_segments(image: DicomImage) -> tuple[SegmentItem, ...]:
    """Read the items that describe the segments of an instance, by number.

    Raises
    ------
    InvalidDicomError
        If there is no Segment Sequence, or a number is missing or stands twice.
    """
    items = read_sequence(image.header, tags.SEGMENT_SEQUENCE)
    if not items:
        message = "Expected a Segment Sequence, found none"
        raise InvalidDicomError(message, url=image.url, tag=tags.SEGMENT_SEQUENCE)
    segments = [SegmentItem(_number(item, image), item) for item in items]
    counts = Counter(segment.number for segment in segments)
    twice = sorted(number for number, count in counts.items() if count > 1)
    if twice:
        message = f"Segment {twice[0]} is described twice"
        raise InvalidDicomError(message, url=image.url, tag=tags.SEGMENT_SEQUENCE)
    return tuple(sorted(segments, key=lambda segment: segment.number))


def _number(item: "Dataset", image: DicomImage) -> int:
    number = item.get("SegmentNumber")
    if not isinstance(number, int):
        message = "A segment has no Segment Number"
        raise InvalidDicomError(message, url=image.url, tag=tags.SEGMENT_SEQUENCE)
    return int(number)


def _text(item: "Dataset", keyword: str) -> str:
    return str(item.get(keyword) or "")


def _codes(item: "Dataset", keyword: str) -> tuple[Code, ...]:
    return tuple(map(_code, item.get(keyword) or ()))


def _inner(items: "Iterable[Dataset]", keyword: str) -> tuple[Code, ...]:
    """Return the modifiers that stand inside the first code."""
    return next((_codes(item, keyword) for item in items), ())


def _first(codes: tuple[Code, ...]) -> Code | None:
    return codes[0] if codes else None


def _code(item: "Dataset") -> Code:
    value = next(
        (
            str(item[keyword].value)
            for keyword in ("CodeValue", "LongCodeValue", "URNCodeValue")
            if keyword in item
        ),
        "",
    )
    return Code(
        value, _text(item, "CodingSchemeDesignator"), _text(item, "CodeMeaning")
    )


def _cielab(item: "Dataset") -> tuple[float, float, float] | None:
    values = item.get("RecommendedDisplayCIELabValue")
    if values is None or isinstance(values, int) or len(values) != 3:
        return None
    try:
        lightness, a, b = (float(value) / 65535 for value in values)
    except (TypeError, ValueError):  # text where numbers belong
        return None
    return (lightness * 100, a * 255 - 128, b * 255 - 128)


def rgb_of(cielab: Sequence[float]) -> tuple[int, int, int]:
    """Convert CIELab with white D65 to sRGB of 8 bits.

    >>> rgb_of((100, 0, 0)), rgb_of((0, 0, 0))
    ((255, 255, 255), (0, 0, 0))
    """
    lightness, a, b = cielab
    middle = (lightness + 16) / 116
    ratios = np.array([middle + a / 500, middle, middle - b / 200])
    linear = np.where(ratios > 6 / 29, ratios**3, (ratios - 16 / 116) * 108 / 841)
    to_rgb = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    light = (to_rgb @ (linear * _WHITE)).clip(0, 1)
    gamma = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )
    red, green, blue = np.rint(gamma * 255).astype(int).tolist()
    return red, green, blue
