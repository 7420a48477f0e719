"""From images to the table of their frames: headers are read here, once."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from lazydicom._arrange.classic import frame_columns, instance_columns, with_derived
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._header.columns.column import Columns, stack_columns
from lazydicom._header.columns.functional_groups import (
    functional_group_columns,
    has_functional_groups,
)
from lazydicom._header.columns.terms import terms_alone
from lazydicom.errors import InvalidDicomError

_AT_TOP_LEVEL: Final = (
    "rescale_slope",
    "rescale_intercept",
    "rescale_type",
    "window_center",
    "window_width",
    "voi_lut_function",
)
"""Attributes that writers put outside of the functional groups as well."""


class Batch(NamedTuple):
    """Images, and what was read of them already."""

    images: Sequence[DicomImage]
    known: tuple[Columns, Columns] | None = None
    """Of single-frame images: columns of frames and of instances, a row per image."""


def tabulate_images(images: tuple[DicomImage, ...]) -> FrameTable:
    """Put the frames of images into one table, for those that need no place in space.

    Raises
    ------
    InvalidDicomError
        As `tabulate`, but for a position that is none.
    """
    return tabulate([Batch(images)], strict=False)


def tabulate(batches: Sequence[Batch], *, strict: bool = True) -> FrameTable:
    """Put the frames of all images into one table.

    Where it is `strict`, a position, orientation or spacing that is no number is an error,
    else a warning.

    Raises
    ------
    InvalidDicomError
        If functional groups contradict the standard or the number of frames.
    """
    parts = [part for batch in batches for part in _parts(batch, strict=strict)]
    images = tuple(image for part in parts for image in part.images)
    counts = [sum(image.number_of_planes for image in part.images) for part in parts]
    lengths = [image.number_of_planes for image in images]
    table = FrameTable(
        images,
        np.repeat(np.arange(len(images)), lengths),
        np.concatenate([np.arange(length) for length in lengths]),
        terms_alone(stack_columns([part.frames for part in parts], counts)),
        terms_alone(
            with_derived(
                stack_columns(
                    [part.instances for part in parts], [len(p.images) for p in parts]
                )
            )
        ),
    )
    _complete(table, "acquisition_time", "instance_time")
    _complete(table, "b_value", "private_b_value")
    _complete(table, "diffusion_direction", "private_direction")
    _complete_components(table)
    return table


class _Part(NamedTuple):
    """Images of one kind, and their columns."""

    images: Sequence[DicomImage]
    frames: Columns
    instances: Columns


def _parts(batch: Batch, *, strict: bool) -> Iterator[_Part]:
    if batch.known is not None:
        frames, instances = batch.known
        yield _Part(batch.images, frames, instances)
        return
    groups = groupby(batch.images, lambda image: has_functional_groups(image.header))
    for enhanced, group in groups:
        images = list(group)
        instances = instance_columns(images)
        if not enhanced:
            yield _Part(images, frame_columns(images, strict=strict), instances)
            continue
        for row, image in enumerate(images):
            own = {name: one[row : row + 1] for name, one in instances.items()}
            yield _Part([image], _enhanced_columns(image), own)


def _enhanced_columns(image: DicomImage) -> Columns:
    columns, frames = functional_group_columns(image.header), image.number_of_planes
    declared = image.header.image_pixel.number_of_frames
    if frames > declared:
        message = f"Functional groups of {declared} frames, {frames} are stored"
        raise InvalidDicomError(message, url=image.url)
    own = {name: column[:frames] for name, column in columns.items()}
    for name in ("position", "orientation"):  # of ultrasound, in a volume of its own
        if name not in own and f"volume_{name}" in own:
            own[name] = own[f"volume_{name}"]
    outside = [name for name in _AT_TOP_LEVEL if name not in own]
    top = frame_columns([image], outside) if outside else {}
    return own | top


def _complete(table: FrameTable, name: str, of_instance: str) -> None:
    """Let what holds for the instance stand where a frame has nothing of its own."""
    column, other = table.numbers(name).copy(), table.numbers(of_instance)
    if column.shape != other.shape:
        column = np.full(other.shape, np.nan)
    missing = np.isnan(column[:, 0])
    if not np.isnan(other[missing]).all() or other.shape[1] == 1:
        column[missing] = other[missing]
        table.columns[name] = column


def _complete_components(table: FrameTable) -> None:
    """Let what a vendor says stand where types of frames do not tell phase from magnitude."""
    kinds, public = table.text("private_component"), table.text("complex_component")
    if not (kinds != "").any():
        return
    series, types = table.text("series_instance_uid"), table.text("frame_type")
    words = public.astype(np.promote_types(kinds.dtype, public.dtype))
    for uid in np.unique(series):
        own = series == uid
        if (public[own] == "").all() and len(np.unique(types[own])) == 1:
            words[own] = kinds[own]
    table.columns["complex_component"] = words
