"""`lazydicom preview`: a contact sheet."""

from pathlib import Path

import click

import lazydicom
from lazydicom._cli.debug import debug_option
from lazydicom._contact_sheet import contact_sheet, encode_png


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
@debug_option
def preview(url: str, out: Path, *, frames: int, tile: int) -> None:
    """Write a PNG of evenly spaced frames; only these are read."""
    if out.suffix.lower() != ".png":  # a slip of the hand must not replace a DICOM file
        raise click.BadParameter("Expected a name that ends in .png", param_hint="OUT")
    sheet = contact_sheet(lazydicom.open_image(url), frames=frames, tile=tile)
    out.write_bytes(encode_png(sheet))
    click.echo(f"{out}: {sheet.shape[1]} × {sheet.shape[0]} pixels")
