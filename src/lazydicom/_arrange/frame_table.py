"""The frames of many instances in one table: which image, which frame, and its attributes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.classic import frame_columns, instance_columns, with_derived
from lazydicom._array.image import DicomImage
from lazydicom._header.columns.column import Columns, stack_columns
from lazydicom._header.columns.functional_groups import (
    functional_group_columns,
    has_functional_groups,
)
from lazydicom.errors import InvalidDicomError


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """Frames, and a row of attributes for each."""

    images: tuple[DicomImage, ...]
    image: NDArray[np.int64]
    """Which image each frame is of."""
    frame: NDArray[np.int64]
    """Its number in that image, counted from 0."""
    columns: Columns
    """Every attribute that some frame has, a row per frame."""
    instances: Columns
    """What holds for whole instances, a row per image."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.image)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers, NaN where nothing is known: (frames, values)."""
        if name in self.instances:
            return self.instances[name][self.image]
        column = self.columns.get(name)
        return np.full((len(self), 1), np.nan) if column is None else column

    def text(self, name: str) -> NDArray[np.str_]:
        """Return a column of text, empty where nothing is known."""
        if name in self.instances:
            return self.instances[name][self.image]
        column = self.columns.get(name)
        return np.zeros(len(self), "U1") if column is None else column

    def take(self, which: NDArray[np.int64]) -> "FrameTable":
        """Return the table of some frames, and of the images that they are of."""
        used, image = np.unique(self.image[which], return_inverse=True)
        images = tuple(self.images[k] for k in used)
        columns = {name: column[which] for name, column in self.columns.items()}
        instances = {name: column[used] for name, column in self.instances.items()}
        return FrameTable(images, image, self.frame[which], columns, instances)


class Batch(NamedTuple):
    """Images, and what was read of them already."""

    images: Sequence[DicomImage]
    known: tuple[Columns, Columns] | None = None
    """Of single-frame images: columns of frames and of instances, a row per image."""


def tabulate(batches: Sequence[Batch]) -> FrameTable:
    """Put the frames of all images into one table.

    Raises
    ------
    InvalidDicomError
        If functional groups contradict the standard or the number of frames.
    """
    parts = [part for batch in batches for part in _parts(batch)]
    images = tuple(image for part in parts for image in part.images)
    counts = [sum(len(image) for image in part.images) for part in parts]
    lengths = [len(image) for image in images]
    table = FrameTable(
        images,
        np.repeat(np.arange(len(images)), lengths),
        np.concatenate([np.arange(length) for length in lengths]),
        stack_columns([part.frames for part in parts], counts),
        with_derived(
            stack_columns(
                [part.instances for part in parts], [len(p.images) for p in parts]
            )
        ),
    )
    _complete(table, "acquisition_time", "instance_time")
    _complete(table, "b_value", "private_b_value")
    return table


class _Part(NamedTuple):
    """Images of one kind, and their columns."""

    images: Sequence[DicomImage]
    frames: Columns
    instances: Columns


def _parts(batch: Batch) -> Iterator[_Part]:
    if batch.known is not None:
        frames, instances = batch.known
        yield _Part(batch.images, frames, instances)
        return
    groups = groupby(batch.images, lambda image: has_functional_groups(image.header))
    for enhanced, group in groups:
        images = list(group)
        instances = instance_columns(images)
        if not enhanced:
            yield _Part(images, frame_columns(images), instances)
            continue
        for row, image in enumerate(images):
            own = {name: one[row : row + 1] for name, one in instances.items()}
            yield _Part([image], _enhanced_columns(image), own)


def _enhanced_columns(image: DicomImage) -> Columns:
    columns, frames = functional_group_columns(image.header), len(image)
    declared = image.header.image_pixel.number_of_frames
    if frames > declared:
        message = f"Functional groups of {declared} frames, {frames} are stored"
        raise InvalidDicomError(message, url=image.url)
    return {name: column[:frames] for name, column in columns.items()}


def _complete(table: FrameTable, name: str, of_instance: str) -> None:
    """Let what holds for the instance stand where a frame has nothing of its own."""
    column = table.numbers(name).copy()
    missing = np.isnan(column[:, 0])
    column[missing] = table.numbers(of_instance)[missing]
    table.columns[name] = column
