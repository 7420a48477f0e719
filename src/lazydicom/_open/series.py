"""Opening a series or a study: many instances become labelled arrays, no pixel is read."""

from collections.abc import Mapping
from typing import Any, Final, Unpack

import numpy as np

from lazydicom._arrange.concatenation import check_concatenations
from lazydicom._arrange.frame_table import tabulate
from lazydicom._arrange.orientation import with_unit_directions
from lazydicom._arrange.series import (
    Choices,
    OnGap,
    arrange,
    make_choices,
    uniform_parts,
)
from lazydicom._array.array import DicomArray
from lazydicom._array.frame_table import FrameTable
from lazydicom._open.files import Instances, open_instances
from lazydicom._open.options import OpenKeywords, open_options
from lazydicom.errors import InvalidDicomError, redact_url

_NAMED: Final = 5
"""Parts that a message describes."""
_STUDY_KEYWORDS: Final = ("on_gap", "fill_value", "source")
_SERIES_KEYWORDS: Final = ("series", *_STUDY_KEYWORDS)


def open_series(
    urls: Instances,
    storage_options: Mapping[str, Any] | None = None,
    *,
    series: str | int | None = None,
    on_gap: OnGap = "error",
    fill_value: float | None = None,
    source: bool = False,
    **options: Unpack[OpenKeywords],
) -> DicomArray:
    """Open the instances of one series as a labelled lazy array.

    The axes are found in the files: ``('z', 'y', 'x')`` for a volume,
    ``('time', 'z', 'y', 'x')`` for one that was taken again and again, ``'echo'``,
    ``'b_value'``, ``'diffusion'``, ``'component'`` and others where the frames differ in
    that; see ``docs/how-to/axes.md``.

    Parameters
    ----------
    urls : str, os.PathLike, bytes, pydicom Dataset, or a list of them
        A folder, a pattern, a zip file, a DICOMDIR, files; any fsspec URL.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.
    series : str or int, optional
        Which one, where there are several: a key of `open_study`, a Series Number or a
        Series Instance UID.
    on_gap : {"error", "fill", "split"}
        What to do where frames are missing, stand twice, lie at uneven distances or in
        several orientations. ``"fill"`` leaves holes, ``"split"`` cuts the series into
        regular pieces, one of which `series` chooses.
    fill_value : number, optional
        What stands in holes; without it, reading one is an error.
    source : bool
        Add the coordinates ``sop_instance_uid`` and ``frame_number`` of each frame, and
        the UIDs of series and frame of reference.
    **options
        All options of `open_image`: `color`, `decoder`, `isolation`, `local` …

    Returns
    -------
    DicomArray
        With coordinates in mm and s, and ``attrs["affine"]`` from (x, y, z, 1), counted in
        pixels, to mm in LPS.

    Raises
    ------
    LazyDicomError
        If a file cannot be read, there are several series, or frames are no full grid.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> dose = lazydicom.open_series(get_testdata_file("rtdose.dcm", download=False))
    >>> dose.dims, dose.shape, dose.attrs["spacing"]
    (('z', 'y', 'x'), (15, 10, 10), [5.0, 10.0, 10.0])
    """
    choices = make_choices(on_gap, fill_value, source=source)
    checked = open_options("open_series", options, others=_SERIES_KEYWORDS)
    groups = _by_series(tabulate(open_instances(urls, storage_options or {}, checked)))
    name = _choose(groups, series)
    pieces = _arrange_all(name, groups[name], choices)
    if isinstance(series, str) and series in pieces:
        return pieces[series]
    if len(pieces) == 1 and not _is_piece(series, name):
        return next(iter(pieces.values()))
    asked = f", none is {series!r}" if _is_piece(series, name) else ""
    message = f"{len(pieces)} pieces{asked}; choose one with series=: {_list(pieces)}"
    raise InvalidDicomError(message)


def open_study(
    urls: Instances,
    storage_options: Mapping[str, Any] | None = None,
    *,
    on_gap: OnGap = "split",
    fill_value: float | None = None,
    source: bool = False,
    **options: Unpack[OpenKeywords],
) -> dict[str, DicomArray]:
    """Open all series among files, each as `open_series` does.

    A key is Series Number and Modality, ``"4-CT"``, and the number of the piece where a
    series is cut, ``"4-CT-2"``. A study nearly always holds a localizer of several
    orientations, so the default is to split.

    Raises
    ------
    LazyDicomError
        If a file cannot be read, or frames are no full grid and `on_gap` is another.
    """
    choices = make_choices(on_gap, fill_value, source=source)
    checked = open_options("open_study", options, others=_STUDY_KEYWORDS)
    groups = _by_series(tabulate(open_instances(urls, storage_options or {}, checked)))
    return {
        key: array
        for name, table in groups.items()
        for key, array in _arrange_all(name, table, choices).items()
    }


def _by_series(table: FrameTable) -> dict[str, FrameTable]:
    """Group frames by series, and name the groups without anything of a patient.

    Neither Series Number nor Modality stands in PS3.15 table E.1-1.
    """
    uids, first, series = np.unique(
        table.instances["series_instance_uid"], return_index=True, return_inverse=True
    )
    numbers = table.instances["series_number"][first, 0]
    of_frame = series[table.image]
    groups: dict[str, FrameTable] = {}
    for which in np.lexsort((uids, numbers)).tolist():
        number = numbers[which]
        modality = str(table.instances["modality"][first[which]])
        name = "-".join(
            filter(None, ("0" if np.isnan(number) else f"{number:.0f}", modality))
        )
        same = sum(other == name or other.startswith(f"{name}~") for other in groups)
        rows = np.flatnonzero(of_frame == which)
        groups[f"{name}~{same + 1}" if same else name] = table.take(rows)
    return groups


def _choose(groups: Mapping[str, FrameTable], series: str | int | None) -> str:
    """Find the one series that the caller means: a key says more than a number."""
    found = [name for name in groups if series in {None, name}]
    found = found or [name for name in groups if series in _ids(groups[name])]
    found = found or [name for name in groups if _is_piece(series, name)]
    if len(found) == 1:
        return found[0]
    counts = (f"{name!r} ({len(one.images)} files)" for name, one in groups.items())
    asked = ""
    if series is not None:
        asked = f", {len(found) or 'none'} {'are' if found else 'is'} {series!r}"
    raise InvalidDicomError(
        f"{len(groups)} series{asked}; choose one with series=: {', '.join(counts)}"
    )


def _ids(table: FrameTable) -> set[str | int]:
    """Return what else a series is called: its UID, its number as number and as text."""
    uid = str(table.instances["series_instance_uid"][0])
    number = float(table.instances["series_number"][0, 0])
    return {uid} if np.isnan(number) else {uid, int(number), str(int(number))}


def _is_piece(series: str | int | None, name: str) -> bool:
    """Return whether the caller asks for a piece of a series."""
    return isinstance(series, str) and series.rpartition("-")[0] == name != series


def _arrange_all(
    name: str, table: FrameTable, choices: Choices
) -> dict[str, DicomArray]:
    """Arrange the pieces of one series."""
    table = with_unit_directions(table)
    check_concatenations(table, may_lack=choices.on_gap != "error")
    parts = uniform_parts(table)
    if len(parts) > 1 and choices.on_gap != "split":
        texts = "; ".join(_describe(part) for part in parts[:_NAMED])
        texts += f"; and {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
        message = "Frames of several orientations, spacings, sizes, types or colours"
        raise InvalidDicomError(f"{message}: {texts}. Choose on_gap='split'")
    arrays = [array for part in parts for array in arrange(part, choices)]
    if len(arrays) == 1:
        return {name: arrays[0]}
    return {f"{name}-{k}": array for k, array in enumerate(arrays, start=1)}


def _describe(part: FrameTable) -> str:
    """Return what the frames of a part have in common, and where the first one is."""
    image = part.images[part.image[0]]
    pixel = image.format.pixel
    look = f"{pixel.rows}×{pixel.columns} {pixel.dtype}"
    look += f" {pixel.photometric_interpretation}"
    orientation = [round(one, 2) for one in part.numbers("orientation")[0].tolist()]
    spacing = part.numbers("pixel_spacing")[0].tolist()
    where = f"{look}, spacing {spacing}, orientation {orientation}"
    position = [round(one, 2) for one in part.numbers("position")[0].tolist()]
    frame = f" frame {part.frame[0]}" if image.number_of_planes > 1 else ""
    first = f"{redact_url(image.url)}{frame} at {position}"
    return f"{len(part)} frames of {where}, from {first}"


def _list(pieces: Mapping[str, DicomArray]) -> str:
    return ", ".join(f"{name!r} {array.shape}" for name, array in pieces.items())
