"""`lazydicom preview`: a contact sheet of a file, three planes of a volume, or a slide."""

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click

import lazydicom
from lazydicom._array.array import DicomArray
from lazydicom._array.computed import FrameArray
from lazydicom._array.show.picture import (
    Picture,
    encode_png,
    is_inverted,
    thumbnail,
)
from lazydicom._bytes.deferred import deferred
from lazydicom._cli.array_of import (
    SeriesChoice,
    is_slide,
    levels_of,
    series_options,
)
from lazydicom._cli.debug import debug_option
from lazydicom.errors import InvalidDicomError, LazyDicomError

if TYPE_CHECKING:
    from lazydicom._arrange.slides import facts
    from lazydicom._open.many import files
    from lazydicom._views import pictures
else:
    facts = deferred("lazydicom._arrange.slides.facts")
    files = deferred("lazydicom._open.many.files")
    pictures = deferred("lazydicom._views.pictures")

_MOST_READ: Final = 16
"""Pixels read for one that is shown, along an axis."""


@click.command()
@click.argument("url")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--frames",
    type=click.IntRange(1, 400),
    default=16,
    show_default=True,
    help="Frames to show, evenly spaced.",
)
@click.option(
    "--tile",
    type=click.IntRange(16, 4096),
    default=256,
    show_default=True,
    help="Largest width and height of each, in pixels.",
)
@click.option(
    "--planes/--no-planes",
    default=None,
    help="Show three planes of a volume; the default for a folder that holds one.",
)
@click.option(
    "--label",
    is_flag=True,
    help="Show the label of a slide, which names the patient.",
)
@series_options
@debug_option
def preview(
    url: str,
    out: Path,
    *,
    frames: int,
    tile: int,
    planes: bool | None,
    label: bool,
    **choice: Unpack[SeriesChoice],
) -> None:
    """Write a PNG of evenly spaced frames of a file; only these are read.

    Of a volume, three planes through its middle: axial, coronal and sagittal. URL is a
    file, or a folder (far away: ending in a slash), a pattern, a zip file or a DICOMDIR.
    """
    if out.suffix.lower() != ".png":  # a slip of the hand must not replace a DICOM file
        raise click.BadParameter("Expected a name that ends in .png", param_hint="OUT")
    if label:
        picture = _label_picture(url, tile=tile)
    elif files.is_one_file(url) and not planes and choice["series"] is None:
        array = lazydicom.open_image(url)
        _check_no_label(array)
        picture = pictures.contact_sheet(_in_colour(array), frames=frames, tile=tile)
    else:
        picture = _of_folder(url, planes=planes, frames=frames, tile=tile, **choice)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(encode_png(picture))
    click.echo(f"{out}: {picture.shape[1]} × {picture.shape[0]} pixels")


def _of_folder(
    url: str,
    *,
    planes: bool | None,
    frames: int,
    tile: int,
    **choice: Unpack[SeriesChoice],
) -> Picture:
    """Show a series, or what is no series as a slide."""
    try:
        volume = lazydicom.open_series(url, **choice)
    except InvalidDicomError as error:
        return _slide_picture(url, error, tile=tile)
    if is_slide([volume]):
        return _slide_picture(url, None, tile=tile)
    return _of_series(volume, planes=planes, frames=frames, tile=tile)


def _of_series(
    array: DicomArray, *, planes: bool | None, frames: int, tile: int
) -> Picture:
    if planes is False or (planes is None and not pictures.is_volume(array)):
        return pictures.contact_sheet(_in_colour(array), frames=frames, tile=tile)
    per_frame = "rescale_slope" in array.coords  # stored values would show the slopes
    values = lazydicom.apply_modality_lut(array) if per_frame else array
    return pictures.three_planes(values, tile=tile)


def _in_colour(array: DicomArray) -> FrameArray:
    """Return indices the colours of their palette; one that is no palette is left out."""
    if array.attrs.get("photometric_interpretation") == "PALETTE COLOR":
        with suppress(LazyDicomError):
            coloured: FrameArray = lazydicom.apply_palette(array)
            return coloured
    return array


def _slide_picture(url: str, error: InvalidDicomError | None, *, tile: int) -> Picture:
    """Show the thumbnail of a slide, or the coarsest level that is not too small."""
    levels = levels_of(url, error)
    try:
        levels = lazydicom.open_slide(url, image="thumbnail")
    except InvalidDicomError:
        large = [level for level in levels if max(level.shape) >= tile]
        levels = large[-1:] or levels[:1]
    return _picture(levels[0], tile=tile)


def _label_picture(url: str, *, tile: int) -> Picture:
    """Show the label of a slide, which names the patient."""
    return _picture(lazydicom.open_slide(url, image="label")[0], tile=tile)


def _check_no_label(array: DicomArray) -> None:
    """Refuse to show a label that nobody asked for.

    Raises
    ------
    UsageError
        If the file is one.
    """
    if facts.kind_of(array.images[0]) == "LABEL":
        raise click.UsageError("A label names the patient; --label shows it")


def _picture(array: DicomArray, *, tile: int) -> Picture:
    """Show the first plane; of a very large one, every so many pixels."""
    size = dict(zip(array.dims, array.shape, strict=True))
    step = max(math.ceil(max(size["y"], size["x"]) / (_MOST_READ * tile)), 1)
    every = slice(None, None, step)
    first = dict.fromkeys({"path", "z"} & size.keys(), 0)
    plane = array.isel(**first, y=every, x=every)[...]
    return thumbnail(plane, tile, inverted=is_inverted(array.attrs))
