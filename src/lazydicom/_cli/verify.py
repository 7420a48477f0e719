"""`lazydicom verify`: whether a copy still holds the pixels it was made from."""

from typing import Final, Unpack

import click

import lazydicom
from lazydicom._cli.array_of import SeriesChoice, array_of, series_options
from lazydicom._cli.debug import debug_option

_SHOWN: Final = 10


@click.command()
@click.argument("store")
@click.argument("source", required=False)
@series_options
@debug_option
def verify(store: str, source: str | None, **choice: Unpack[SeriesChoice]) -> None:
    """Read a whole STORE again; with SOURCE, compare every pixel with it.

    The exit code is 1 where anything differs.
    """
    array = None if source is None else array_of(source, **choice)
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
