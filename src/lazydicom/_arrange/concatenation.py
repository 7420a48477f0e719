"""Concatenations: one object cut into several instances (PS3.3 section C.7.6.16.2.2.4).

Concatenation Frame Offset Number orders their frames: Instance Number is the same in all
parts, and UIDs are random. A part that is missing or stands twice is an error.
"""

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.frame_table import FrameTable, count_objects
from lazydicom.errors import InvalidDicomError, redact_url, warn


def object_order(table: FrameTable) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return what orders the images of one Instance Number, not depending on file names.

    A number for the object, which parts of a concatenation share, and the frame of it
    that is the first of the image.
    """
    whole = table.instances["concatenation_uid"]
    own = table.instances["sop_instance_uid"]
    return count_objects(np.where(whole != "", whole, own)), _offsets(table)


def _offsets(table: FrameTable) -> NDArray[np.float64]:
    offsets = table.instances["concatenation_frame_offset"][:, 0]
    return np.where(
        table.instances["concatenation_uid"] == "", 0, np.nan_to_num(offsets)
    )


def check_concatenations(table: FrameTable, *, may_lack: bool) -> None:
    """Refuse a concatenation that lacks a part, or warn where the caller allows it.

    Raises
    ------
    InvalidDicomError
        If frames are missing between, before or behind the parts that are there.
    """
    uids = table.instances["concatenation_uid"]
    for uid in np.unique(uids[uids != ""]):
        rows = np.flatnonzero(uids == uid)
        rows = rows[np.argsort(_offsets(table)[rows], kind="stable")]
        fault = _fault(table, rows)
        if fault is not None and not may_lack:
            raise InvalidDicomError(fault)
        if fault is not None:
            warn(fault, url=table.images[rows[0]].url)


def _fault(table: FrameTable, rows: NDArray[np.int64]) -> str | None:
    """Return what is wrong with the parts, in the order of their frames."""
    offsets, expected = _offsets(table), 0
    for row in rows.tolist():
        offset = int(offsets[row])
        if offset != expected:
            text = f"Expected frame {expected} of a concatenation, found {offset}"
            return f"{text} in {redact_url(table.images[row].url)}"
        expected += len(table.images[row])
    total = table.instances["concatenation_parts"][rows[0], 0]
    if np.isfinite(total) and int(total) != len(rows):
        text = f"Expected {total:.0f} parts of a concatenation, found {len(rows)}"
        return f"{text}, the last is {redact_url(table.images[rows[-1]].url)}"
    return None
