"""`lazydicom info`: what is in a file."""

import json
from dataclasses import asdict
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

import lazydicom
from lazydicom._array.array import DicomArray
from lazydicom._bytes.deferred import deferred
from lazydicom._cli.array_of import is_slide
from lazydicom._cli.debug import debug_option
from lazydicom._cli.series_table import (
    printable,
    problem_lines,
    series_facts,
    series_rows,
    slide_rows,
)
from lazydicom._frames.reader import frame_index
from lazydicom.errors import redact_url

if TYPE_CHECKING:
    from lazydicom._header import pydicom as of_pydicom
    from lazydicom._open.many import files
else:
    of_pydicom = deferred("lazydicom._header.pydicom")
    files = deferred("lazydicom._open.many.files")

_ORIGINS: Final = {
    "native": "none needed: native frames follow each other",
    "basic": "Basic Offset Table",
    "extended": "Extended Offset Table",
    "tiff": "tile offsets of the TIFF part",
    "scanned": "a walk over the items",
    None: "none: a server gives frames by number",
}


@click.command()
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--plan",
    "selection",
    metavar="SELECTION",
    help='Tell what reading "10:20" or "3,:,0:64" would cost.',
)
@debug_option
def info(urls: tuple[str, ...], *, as_json: bool, selection: str | None) -> None:
    """Show what is in a file, or list the series of a folder; no pixel is read.

    URL is a file, or a folder (far away: ending in a slash), a pattern, a zip file or a
    DICOMDIR. Several are listed together, as one folder. Files that are left out are named
    with the reason; with --json, on stderr.
    """
    url = urls[0]
    if len(urls) == 1 and files.is_one_file(url):
        array = lazydicom.open_image(url)
        facts = facts_of(array, url)
        if selection is not None:
            facts["plan"] = _plan_of(array, selection)
        _print(facts, facts_table(facts), as_json=as_json)
    elif selection is not None:
        raise click.BadParameter("Expected one file", param_hint="--plan")
    else:
        _print_folder(list(urls) if len(urls) > 1 else url, as_json=as_json)


def _print_folder(urls: str | list[str], *, as_json: bool) -> None:
    """List the series of a folder, or the images of the slides in it, and the problems."""
    study = lazydicom.open_study(urls, on_error="skip")
    if is_slide(study.values()):
        slides = lazydicom.slide_table(urls)
        _print(slides, slide_rows(slides), as_json=as_json)
    else:
        series = series_facts(study)
        _print(series, series_rows(series), as_json=as_json)
    for line in problem_lines(study.problems):
        click.echo(line, err=as_json)


def _plan_of(array: DicomArray, text: str) -> dict[str, Any]:
    selection = parse_selection(text)
    try:
        return asdict(array.plan(selection))
    except (IndexError, ValueError) as error:  # no such frame, a step of 0
        raise click.BadParameter(str(error), param_hint="--plan") from None


def _print(facts: object, table: Table, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, indent=2, allow_nan=False))
    else:
        Console(highlight=False).print(table)


def facts_of(array: DicomArray, url: str) -> dict[str, Any]:
    """Collect what `info` prints: technical attributes, nothing of a patient."""
    image = array.images[0]
    pixel, syntax = image.format.pixel, image.format.transfer_syntax
    uids = array.attrs.get("sop_class_uid", "")
    sop_class_uid = uids if isinstance(uids, str) else "\\".join(uids)
    index = frame_index(image.reader)
    return {
        "url": redact_url(url),
        "kind": of_pydicom.uid_name(sop_class_uid),
        "sop_class_uid": sop_class_uid,
        "frames": len(image),
        "dims": array.dims,
        "shape": array.shape,
        "dtype": str(array.dtype),
        "bits_stored": pixel.bits_stored,
        "photometric_interpretation": pixel.photometric_interpretation,
        "read_as": array.attrs.get("photometric_interpretation"),
        "transfer_syntax": syntax.name,
        "transfer_syntax_uid": syntax.uid,
        "index_origin": index and index.origin,
        "shortest_frame": index and int(index.lengths.min()),
        "longest_frame": index and int(index.lengths.max()),
        "encoded_nbytes": index and index.nbytes,
        "decoded_nbytes": array.nbytes,
    }


def facts_table(facts: dict[str, Any]) -> Table:
    """Set the facts as a table that a person reads."""
    axes = " × ".join(map(str, facts["shape"]))
    rows = {
        "File": facts["url"],
        "Kind": facts["kind"] or "not said",
        "Frames": f"{facts['frames']:,}",
        "Shape": f"{axes} ({', '.join(facts['dims'])})",
        "Values": f"{facts['dtype']}, {facts['bits_stored']} bits stored, "
        + _photometric(facts),
        "Transfer syntax": facts["transfer_syntax"],
        "Frame index": _ORIGINS[facts["index_origin"]],
        "Bytes per frame": _frame_bytes(facts),
        "Decoded size": decimal(facts["decoded_nbytes"]),
    }
    if "plan" in facts:
        rows["Read plan"] = _plan(facts["plan"])
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), Text(printable(value), overflow="fold"))
    return table


def _photometric(facts: dict[str, Any]) -> str:
    stored, read_as = facts["photometric_interpretation"], facts["read_as"]
    return f"{stored} read as RGB" if read_as == "RGB" != stored else f"{stored}"


def _frame_bytes(facts: dict[str, Any]) -> str:
    shortest, longest = facts["shortest_frame"], facts["longest_frame"]
    if shortest is None:
        return "as the server sends"
    if shortest == longest:
        return f"{longest:,}"
    return f"{shortest:,} to {longest:,}"


def _plan(plan: dict[str, Any]) -> str:
    frames, requests = f"{plan['frames']:,} frames", f"{plan['requests']:,} requests"
    known = plan["read_nbytes"] is not None
    read = decimal(plan["read_nbytes"]) if known else "?"
    decoded = decimal(plan["decoded_nbytes"])
    return f"{frames}: {requests}, {read} to read, {decoded} decoded"


def parse_selection(text: str) -> tuple[int | slice | EllipsisType, ...]:
    """Take an index expression apart as Python writes it.

    >>> parse_selection("3, 10:20, ...")
    (3, slice(10, 20, None), Ellipsis)
    """
    try:
        return tuple(_parse_axis(part.strip()) for part in text.split(","))
    except ValueError:
        message = f"Expected an index such as 10:20 or 3,:,0:64, found {text!r}"
        raise click.BadParameter(message, param_hint="--plan") from None


def _parse_axis(text: str) -> int | slice | EllipsisType:
    if text == "...":
        return ...
    if ":" not in text:
        return int(text)
    bounds = [int(one) if one.strip() else None for one in text.split(":")]
    if len(bounds) > 3:
        raise ValueError
    return slice(*bounds)
