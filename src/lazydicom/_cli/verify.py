"""`lazydicom verify`: whether a copy holds the pixels it was made from, or a file its own."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click

import lazydicom
from lazydicom._bytes.deferred import deferred
from lazydicom._cli.array_of import (
    SeriesChoice,
    array_of,
    image_of,
    series_options,
)
from lazydicom._cli.debug import debug_option
from lazydicom._frames.reader import prove
from lazydicom.errors import redact_url

if TYPE_CHECKING:
    from lazydicom._array.array import DicomArray
    from lazydicom._export import verify as copies
else:
    copies = deferred("lazydicom._export.verify")

_SHOWN: Final = 10
_PREAMBLE: Final = 132


def is_dicom_file(name: str) -> bool:
    """Return whether a name is that of a DICOM file, not of a store."""
    if name.lower().endswith(".dcm"):
        return True
    path = Path(name)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(_PREAMBLE).endswith(b"DICM")


def verify_file(name: str) -> str:
    """Look at all fragments of a file, decode all its frames, and return what was seen."""
    array = lazydicom.open_image(name)
    prove(array.images[0].reader)
    for frame in array:
        del frame
    frames = f"{len(array)} frame{'' if len(array) == 1 else 's'}"
    origin = array.images[0].index.origin
    table = _TABLES.get(origin, "without an offset table that fits")
    return f"{redact_url(name)}: {frames} decoded, {table}"


_TABLES: Final = {
    "native": "not compressed",
    "basic": "the Basic Offset Table is right",
    "extended": "the Extended Offset Table is right",
    "tiff": "the tile table of TIFF is right",
}


@click.command()
@click.argument("store")
@click.argument("source", required=False)
@series_options
@debug_option
def verify(store: str, source: str | None, **choice: Unpack[SeriesChoice]) -> None:
    """Read a whole STORE again; with SOURCE, compare every pixel with it.

    STORE may be a DICOM file: its offset table is then held against all its fragments, and
    every frame is decoded. The exit code is 1 where anything differs.
    """
    if source is None and is_dicom_file(store):
        click.echo(verify_file(store))
        return
    array: DicomArray | list[DicomArray] | None = None
    if source is not None:  # levels are those of a series or of a slide
        array = (image_of if copies.is_image(store) else array_of)(source, **choice)
    report = lazydicom.verify(store, array)
    if report.ok:
        compared = " and ".join(report.compared_with)
        click.echo(
            f"{report.url}: {report.number_of_chunks} chunks equal the {compared}"
        )
        return
    for difference in report.differences[:_SHOWN]:
        click.echo(str(difference))
    differences = len(report.differences)
    message = f"{differences} of {report.number_of_chunks} chunks differ"
    raise click.ClickException(f"{message} in {report.url}")
