"""`lazydicom index`: where every frame lies, saved for later openings."""

from pathlib import Path

import click

import lazydicom
from lazydicom._cli.debug import debug_option


@click.command()
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The index file to write.",
)
@debug_option
def index(urls: tuple[str, ...], *, output: Path) -> None:
    """Save where frames lie, so that opening reads no pixel data.

    A file, many files, or a folder: open_image(url, index=FILE) finds each in it.
    """
    count = lazydicom.save_index(urls, output)
    files = "file" if count == 1 else "files"
    click.echo(f"{output}: {count:,} {files}, {output.stat().st_size:,} bytes")
