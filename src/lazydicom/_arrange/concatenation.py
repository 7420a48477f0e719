"""Concatenations: one object cut into several instances (PS3.3 section C.7.6.16.2.2.4).

Their frames find their places as any others; only whether a part is missing is to be checked.
"""

from collections.abc import Sequence

import numpy as np

from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._header import tags
from lazydicom.errors import InvalidDicomError, redact_url, warn


def check_concatenations(table: FrameTable, *, may_lack: bool) -> None:
    """Refuse a concatenation that lacks a part, or warn where the caller allows it.

    Raises
    ------
    InvalidDicomError
        If frames are missing between, before or behind the parts that are there.
    """
    uids = table.instances["concatenation_uid"]
    groups: dict[str, list[DicomImage]] = {}
    for row in np.flatnonzero(uids != "").tolist():
        groups.setdefault(str(uids[row]), []).append(table.images[row])
    for parts in groups.values():
        fault = _fault(sorted(parts, key=_frame_offset))
        if fault is not None and not may_lack:
            raise InvalidDicomError(fault)
        if fault is not None:
            warn(fault, url=parts[0].url)


def _fault(parts: Sequence[DicomImage]) -> str | None:
    expected = 0
    for part in parts:
        offset = _frame_offset(part)
        if offset != expected:
            text = f"Expected frame {expected} of a concatenation, found {offset}"
            return f"{text} in {redact_url(part.url)}"
        expected += len(part)
    total = parts[0].header.elements.get(tags.IN_CONCATENATION_TOTAL_NUMBER, "US")
    if total and int(total[0]) != len(parts):
        text = f"Expected {total[0]} parts of a concatenation, found {len(parts)}"
        return f"{text}, the last is {redact_url(parts[-1].url)}"
    return None


def _frame_offset(image: DicomImage) -> int:
    values = image.header.elements.get(tags.CONCATENATION_FRAME_OFFSET_NUMBER, "UL")
    return int(values[0]) if values else 0
