"""`lazydicom reference`: where the frames lie, for tools that read Zarr."""

import click

import lazydicom
from lazydicom._cli.array_of import array_of, series_option
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
@series_option
@debug_option
def reference(
    url: str, out: str, *, name: str, series: str | None, overwrite: bool
) -> None:
    """Write where the frames lie: OUT is a .json, .parq or .parquet.

    Nothing is copied; the file must stay where it is, as it is. A folder is a series.
    """
    array = array_of(url, series)
    report = lazydicom.to_references(array, out, name=name, overwrite=overwrite)
    needs = f"needs the codec {report.codec}" if report.codec else "needs no codec"
    if report.needs_lazydicom:
        needs += ", so lazydicom has to be installed"
    click.echo(
        f"{report.url}: {report.number_of_references:,} references; reading {needs}"
    )
