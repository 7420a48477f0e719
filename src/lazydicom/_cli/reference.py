"""`lazydicom reference`: where the frames lie, for tools that read Zarr."""

from typing import Unpack

import click

import lazydicom
from lazydicom._cli.array_of import SeriesChoice, array_of, series_options
from lazydicom._cli.debug import debug_option


@click.command()
@click.argument("url")
@click.argument("out")
@click.option(
    "--name",
    default="pixels",
    show_default=True,
    help="Name of the array in its group.",
)
@click.option("--overwrite", is_flag=True, help="Replace references that stand there.")
@series_options
@debug_option
def reference(
    url: str, out: str, *, name: str, overwrite: bool, **choice: Unpack[SeriesChoice]
) -> None:
    """Write where the frames lie: OUT is a .json, .parq or .parquet.

    Nothing is copied; the file must stay where it is, as it is. A folder is a series.
    """
    array = array_of(url, **choice)
    report = lazydicom.to_references(array, out, name=name, overwrite=overwrite)
    needs = f"needs the codec {report.codec}" if report.codec else "needs no codec"
    if report.needs_lazydicom:
        needs += ", so lazydicom has to be installed"
    click.echo(
        f"{report.url}: {report.number_of_references:,} references; reading {needs}"
    )
