"""From opened files to the table of their frames, without those that contradict it."""

from collections.abc import Sequence

import numpy as np

from lazydicom._arrange.frame_table import Batch, tabulate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._header import tags
from lazydicom._open.many.problems import Problem
from lazydicom.errors import LazyDicomError, held_warnings, redact_url, warn


def tabulate_files(
    batches: Sequence[Batch], problems: Sequence[Problem]
) -> tuple[FrameTable | None, list[Problem]]:
    """Tabulate all files; who spoils the table is looked for only where it fails.

    There is no table where no file is left.
    """
    problems = list(problems)
    if not batches:
        return None, problems
    try:
        return tabulate(batches), problems
    except LazyDicomError:
        kept = [_without_faults(batch, problems) for batch in batches]
    kept = [batch for batch in kept if batch.images]
    return tabulate(kept) if kept else None, problems


def _without_faults(batch: Batch, problems: list[Problem]) -> Batch:
    """Leave out the images that make no table by themselves."""
    if batch.known is not None:
        return batch
    good: list[DicomImage] = []
    for image in batch.images:
        try:
            with held_warnings():  # they are said where the table is made
                tabulate([Batch([image])])
            good.append(image)
        except LazyDicomError as error:
            uid = image.header.elements.get(tags.SERIES_INSTANCE_UID, "UI")
            series = "".join(map(str, uid[:1]))
            problems.append(Problem(redact_url(image.url), str(error), error, series))
    return Batch(good)


def without_copies(table: FrameTable) -> FrameTable:
    """Return the table with each instance once, where copies hold the same pixels.

    Copies with other pixels stay: they are an error later on, which names them.
    """
    uids = table.instances["sop_instance_uid"]
    named = np.flatnonzero(uids != "")
    first, counts = np.unique(uids[named], return_index=True, return_counts=True)[1:]
    if (counts == 1).all():
        return table
    pairs = [
        (row, other)
        for row in named[first[counts > 1]].tolist()
        for other in np.flatnonzero(uids == uids[row]).tolist()
        if other != row and _is_copy(table, row, other)
    ]
    if not pairs:
        return table
    row, other = pairs[0]
    message = f"{len(pairs)} copies of instances are left out, the first is that of "
    message += redact_url(table.images[row].url)
    warn(message, url=table.images[other].url)
    dropped = [other for _, other in pairs]
    return table.take(np.flatnonzero(~np.isin(table.image, dropped)))


def _is_copy(table: FrameTable, row: int, other: int) -> bool:
    """Return whether two images say the same of place and time, and have the same pixels."""
    one, two = (np.flatnonzero(table.image == image) for image in (row, other))
    if len(one) != len(two):
        return False
    columns = [column for column in table.columns.values() if column.dtype.kind == "f"]
    columns += [table.numbers("instance_number")]
    same = all(np.array_equal(c[one], c[two], equal_nan=True) for c in columns)
    return same and _same_pixels(table.images[row], table.images[other])


def _same_pixels(one: DicomImage, other: DicomImage) -> bool:
    """Return whether all frames have the same bytes; they are read for it."""
    if len(one) != len(other) or one.format != other.format:
        return False
    try:
        return all(_encoded(one, k) == _encoded(other, k) for k in range(len(one)))
    except LazyDicomError:
        return False


def _encoded(image: DicomImage, frame: int) -> bytes:
    return b"".join(map(bytes, image.reader.read([frame])))
