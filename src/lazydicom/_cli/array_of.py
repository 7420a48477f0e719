"""The array that a URL on the command line means: a file, a series, or a slide."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import click

import lazydicom
from lazydicom._array.array import DicomArray
from lazydicom._bytes.deferred import deferred
from lazydicom.errors import InvalidDicomError, LazyDicomError

if TYPE_CHECKING:
    from lazydicom._arrange.series import OnGap
    from lazydicom._open.many import files
else:
    files = deferred("lazydicom._open.many.files")

_Command = TypeVar("_Command", bound=Callable[..., Any])


class SeriesChoice(TypedDict):
    """What to make of a folder, as `open_series` has it."""

    series: str | None
    on_gap: "OnGap"
    fill_value: float | None


def series_options(command: _Command) -> _Command:
    """Return a subcommand the options of `SeriesChoice`."""
    options = (
        click.option("--series", help="Which one, where a folder holds several."),
        click.option(
            "--on-gap",
            type=click.Choice(["error", "fill", "split"]),
            default="error",
            show_default=True,
            help="What to do where frames of a series are missing.",
        ),
        click.option("--fill-value", type=float, help="What stands in holes."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def array_of(url: str, **choice: Unpack[SeriesChoice]) -> DicomArray:
    """Open a file as it is; a folder, pattern, zip file or DICOMDIR as a series."""
    if choice["series"] is None and files.is_one_file(url):
        return lazydicom.open_image(url)
    return lazydicom.open_series(url, **choice)


def image_of(url: str, **choice: Unpack[SeriesChoice]) -> DicomArray | list[DicomArray]:
    """Open a series, or the levels of a slide."""
    try:
        array = lazydicom.open_series(url, **choice)
    except InvalidDicomError as error:
        return levels_of(url, error)
    return levels_of(url, None) if is_slide([array]) else array


def is_slide(arrays: Iterable[DicomArray]) -> bool:
    """Return whether there are slides and nothing else."""
    kinds = {array.attrs.get("modality") for array in arrays}
    return kinds == {"SM"}


def levels_of(url: str, error: InvalidDicomError | None) -> list[DicomArray]:
    """Open what is no series as a slide.

    Raises
    ------
    InvalidDicomError
        If it is none either: `error`, which says why it is no series; of instances that
        are tiled, why they are no slide.
    """
    try:
        return lazydicom.open_slide(url)
    except InvalidDicomError as reason:
        raise (reason if error is None or _is_tiled(url) else error) from None


def _is_tiled(url: str) -> bool:
    try:
        rows = lazydicom.slide_table(url)
    except LazyDicomError:
        return False
    return any(row["tiles"] > 1 for row in rows)
