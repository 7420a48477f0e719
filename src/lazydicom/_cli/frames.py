"""`lazydicom frames`: where every frame lies."""

import json
from collections.abc import Iterator

import click

import lazydicom
from lazydicom._cli.debug import debug_option
from lazydicom._frames.index import FrameIndex


@click.command()
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
def frames(url: str, *, as_json: bool) -> None:
    """Print number, offset and length in bytes of every frame."""
    index = lazydicom.open_image(url).images[0].index
    click.echo(json.dumps(_records(index)) if as_json else "\n".join(_lines(index)))


def _records(index: FrameIndex) -> list[dict[str, int]]:
    columns = zip(index.offsets.tolist(), index.lengths.tolist(), strict=True)
    return [
        {"frame": number, "offset": offset, "length": length}
        for number, (offset, length) in enumerate(columns)
    ]


def _lines(index: FrameIndex) -> Iterator[str]:
    """Align three columns that `awk` and a person can read."""
    names = ("frame", "offset", "length")
    records = [tuple(record.values()) for record in _records(index)]
    largest = [max(column) for column in zip(*records, strict=True)]
    widths = [
        max(len(name), len(str(most)))
        for name, most in zip(names, largest or [0, 0, 0], strict=True)
    ]
    for row in (names, *records):
        yield "  ".join(
            f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)
        )
