"""The array that a URL on the command line means: a file, or a series of many."""

from typing import Final

import click

import lazydicom
from lazydicom._array import DicomArray
from lazydicom._open_files import is_one_file

series_option: Final = click.option(
    "--series", help="Which one, where a folder holds several."
)


def array_of(url: str, series: str | None = None) -> DicomArray:
    """Open a file as it is; a folder, pattern, zip file or DICOMDIR as a series."""
    if series is None and is_one_file(url):
        return lazydicom.open_image(url)
    return lazydicom.open_series(url, series=series)
