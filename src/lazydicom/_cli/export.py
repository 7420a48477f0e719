"""`lazydicom export`: a Zarr copy, with a progress bar where somebody looks on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Final, Unpack

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

import lazydicom
from lazydicom._array.array import DicomArray
from lazydicom._cli.array_of import (
    SeriesChoice,
    array_of,
    image_of,
    series_options,
)
from lazydicom._cli.debug import debug_option

_AXES: Final = "N[,N...]"
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _lengths(text: str) -> tuple[int, ...]:
    """Read frames, or the length on each axis.

    >>> _lengths("16"), _lengths("16,-1,512")
    ((16,), (16, -1, 512))
    """
    try:
        lengths = tuple(map(int, text.split(",")))
    except ValueError:
        lengths = (0,)
    if any(length == 0 or length < -1 for length in lengths):
        message = f"Expected 1 or more for each axis, or -1, found {text!r}"
        raise click.BadParameter(message)
    return lengths


def _bytes(text: str) -> int:
    """Read a number of bytes.

    >>> _bytes("500M"), _bytes("1.5GB"), _bytes("64")
    (500000000, 1500000000, 64)
    """
    short = text.upper().removesuffix("B")
    number = short.rstrip("KMGT")
    unit = short.removeprefix(number)
    try:
        count = float(number) * _UNITS[unit]
    except (KeyError, ValueError):
        count = 0
    if not isfinite(count) or count < 1:
        message = f"Expected a number of bytes such as 500M, found {text!r}"
        raise click.BadParameter(message)
    return int(count)


@click.command()
@click.argument("url")
@click.argument("out")
@click.option("--chunks", type=_lengths, metavar=_AXES, help="Frames per chunk.")
@click.option("--shards", type=_lengths, metavar=_AXES, help="Frames per shard.")
@click.option(
    "--codec",
    type=click.Choice(["zstd", "blosc", "gzip", "none"]),
    default="zstd",
    show_default=True,
    help="Compression; a checksum is always there.",
)
@click.option("--workers", type=click.IntRange(1), help="Objects written at a time.")
@click.option("--memory", type=_bytes, metavar="BYTES", help="At most, such as 500M.")
@click.option(
    "--ome", is_flag=True, help="Write OME-Zarr with coarser levels; URL is a series."
)
@click.option("--keep-tiles", is_flag=True, help="With --ome: JPEG tiles as they are.")
@click.option("--name", help="Write a group: the array by this name, and coordinates.")
@click.option("--source", is_flag=True, help="With --name: UID and number of frames.")
@series_options
@click.option("--overwrite", is_flag=True, help="Replace what stands there.")
@click.option("--resume", is_flag=True, help="Continue an interrupted export.")
@debug_option
def export(
    url: str,
    out: str,
    *,
    chunks: tuple[int, ...] | None,
    shards: tuple[int, ...] | None,
    codec: str,
    workers: int | None,
    memory: int | None,
    name: str | None,
    source: bool,
    ome: bool,
    keep_tiles: bool,
    overwrite: bool,
    resume: bool,
    **choice: Unpack[SeriesChoice],
) -> None:
    """Copy the pixels to a Zarr store: a folder, a .zip or a URL.

    Nothing of a patient is written. The store appears when it is complete.
    """
    named = chunks or shards or memory or name
    wrong = {
        "--overwrite and --resume exclude each other": overwrite and resume,
        "--source needs --name": source and not name,
        "--keep-tiles needs --ome": keep_tiles and not ome,
        "--ome goes without --chunks, --shards, --memory and --name": ome and named,
    }
    _check_none(wrong)
    if ome:
        _export_ome(
            image_of(url, **choice),
            out,
            codec=codec,
            keep_tiles=keep_tiles,
            workers=workers,
            overwrite=overwrite,
            resume=resume,
        )
        return
    array = array_of(url, **choice)
    with _progress_bar(array.nbytes) as progress:
        report = lazydicom.to_zarr(
            array,
            out,
            name=name,
            source=source,
            chunks=_all_or_one(chunks),
            shards=_all_or_one(shards),
            compressors=codec,
            overwrite=overwrite,
            resume=resume,
            workers=workers,
            memory_limit=memory,
            progress=progress,
        )
    click.echo(
        f"{report.url}: {report.number_of_chunks:,} chunks of "
        f"{' × '.join(map(str, report.chunks))}, {decimal(report.stored_nbytes)} "
        f"for {decimal(report.nbytes)} of pixels in {report.seconds:.1f} s"
    )


def _check_none(refused: Mapping[str, object]) -> None:
    """Refuse options that exclude each other."""
    for message, given in refused.items():
        if given:
            raise click.UsageError(message)


def _export_ome(
    image: DicomArray | list[DicomArray],
    out: str,
    *,
    codec: str,
    keep_tiles: bool,
    workers: int | None,
    overwrite: bool,
    resume: bool,
) -> None:
    array = image if isinstance(image, DicomArray) else image[0]
    with _progress_bar(array.nbytes) as progress:
        report = lazydicom.to_ome_zarr(
            image,
            out,
            compressors=codec,
            transcode=not keep_tiles,
            overwrite=overwrite,
            resume=resume,
            workers=workers,
            progress=progress,
        )
    shapes = ", ".join(" × ".join(map(str, shape)) for shape in report.shapes)
    axes, seconds = " ".join(report.axes), report.seconds
    click.echo(f"{report.url}: OME-Zarr ({axes}) of {shapes} in {seconds:.1f} s")
    if keep_tiles:
        kept, levels = sum(report.tiles_kept), len(report.shapes)
        click.echo(f"Tiles are kept as they are in {kept} of {levels} levels")


@contextmanager
def _progress_bar(nbytes: int) -> Iterator[Callable[[int, int, int], None]]:
    """Show bytes, rate and time left on a terminal, and nothing elsewhere."""
    columns = (
        TextColumn("Exporting"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=nbytes)
        yield lambda _done, _chunks, nbytes_done: bar.update(
            task, completed=nbytes_done
        )


def _all_or_one(lengths: tuple[int, ...] | None) -> int | tuple[int, ...] | None:
    return lengths[0] if lengths is not None and len(lengths) == 1 else lengths
