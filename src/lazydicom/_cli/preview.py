"""`lazydicom preview`: a contact sheet of a file, or three planes of a volume."""

from contextlib import suppress
from pathlib import Path
from typing import Unpack

import click

import lazydicom
from lazydicom._array.array import DicomArray
from lazydicom._array.computed import FrameArray
from lazydicom._array.show.picture import Picture, encode_png
from lazydicom._cli.array_of import SeriesChoice, series_options
from lazydicom._cli.debug import debug_option
from lazydicom._open.many.files import is_one_file
from lazydicom._views.pictures import contact_sheet, is_volume, three_planes
from lazydicom.errors import LazyDicomError


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
@series_options
@debug_option
def preview(
    url: str,
    out: Path,
    *,
    frames: int,
    tile: int,
    planes: bool | None,
    **choice: Unpack[SeriesChoice],
) -> None:
    """Write a PNG of evenly spaced frames of a file; only these are read.

    Of a volume, three planes through its middle: axial, coronal and sagittal. URL is a
    file, or a folder (far away: ending in a slash), a pattern, a zip file or a DICOMDIR.
    """
    if out.suffix.lower() != ".png":  # a slip of the hand must not replace a DICOM file
        raise click.BadParameter("Expected a name that ends in .png", param_hint="OUT")
    if is_one_file(url) and not planes and choice["series"] is None:
        array = _in_colour(lazydicom.open_image(url))
        picture = contact_sheet(array, frames=frames, tile=tile)
    else:
        volume = lazydicom.open_series(url, **choice)
        picture = _of_series(volume, planes=planes, frames=frames, tile=tile)
    out.write_bytes(encode_png(picture))
    click.echo(f"{out}: {picture.shape[1]} × {picture.shape[0]} pixels")


def _of_series(
    array: DicomArray, *, planes: bool | None, frames: int, tile: int
) -> Picture:
    if planes is False or (planes is None and not is_volume(array)):
        return contact_sheet(_in_colour(array), frames=frames, tile=tile)
    per_frame = "rescale_slope" in array.coords  # stored values would show the slopes
    values = lazydicom.apply_modality_lut(array) if per_frame else array
    return three_planes(values, tile=tile)


def _in_colour(array: DicomArray) -> FrameArray:
    """Return indices the colours of their palette; one that is no palette is left out."""
    if array.attrs.get("photometric_interpretation") == "PALETTE COLOR":
        with suppress(LazyDicomError):
            coloured: FrameArray = lazydicom.apply_palette(array)
            return coloured
    return array
