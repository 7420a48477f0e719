"""Opening a series or a study: many instances become labelled arrays, no pixel is read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np

from lazydicom._arrange.concatenation import check_concatenations
from lazydicom._arrange.geometry import with_unit_directions
from lazydicom._arrange.series import (
    Choices,
    OnGap,
    arrange,
    make_choices,
    uniform_parts,
)
from lazydicom._array.array import DicomArray
from lazydicom._array.frame_table import FrameTable
from lazydicom._bytes.deferred import deferred
from lazydicom._open.instance import (
    OpenKeywords,
    OpenOptions,
    check_choice,
    open_options,
)
from lazydicom._open.many.files import (
    Instances,
    open_instances,
    tabulate_files,
    without_copies,
)
from lazydicom._open.many.problems import OnError, Problem, raise_problem, raise_unknown
from lazydicom._open.many.study import Study
from lazydicom.errors import InvalidDicomError, LazyDicomError, redact_url, warn

if TYPE_CHECKING:
    from lazydicom._open.many import freed
else:
    freed = deferred("lazydicom._open.many.freed")

_MANY: Final = 4096
"""Files after which memory is given back: 0.1 µs for each."""
_NAMED: Final = 5
"""Parts that a message describes."""
_STUDY_KEYWORDS: Final = ("on_gap", "fill_value", "source", "on_error")
_SERIES_KEYWORDS: Final = ("series", *_STUDY_KEYWORDS)


def open_series(
    urls: Instances,
    storage_options: Mapping[str, Any] | None = None,
    *,
    series: str | int | None = None,
    on_gap: OnGap = "error",
    fill_value: float | None = None,
    source: bool = False,
    on_error: OnError = "raise",
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
    on_error : {"raise", "warn", "skip"}
        What to do with a file that cannot be read, and is of this series or may be:
        ``"raise"``, or leave it out. Files of other series are none of its business.
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
    check_choice("on_error", on_error, OnError)
    table, problems = _tabulate(urls, storage_options, checked)
    faults = [problem for problem in problems if problem.error is not None]
    name, groups = _group_of(table, faults, series, on_error)
    pieces = _arrange_all(name, groups.pop(name), choices)
    del table, groups
    _give_back(pieces)
    if isinstance(series, str) and series in pieces:
        return pieces[series]
    if len(pieces) == 1 and not _is_piece(series, name):
        return next(iter(pieces.values()))
    asked = f", none is {series!r}" if _is_piece(series, name) else ""
    message = f"{len(pieces)} pieces{asked}; choose one with series=: {_list(pieces)}"
    raise InvalidDicomError(message)


def _group_of(
    table: FrameTable | None,
    faults: list[Problem],
    series: str | int | None,
    on_error: OnError,
) -> tuple[str, dict[str, FrameTable]]:
    """Return the series that the caller means; faults of other series are none of its.

    Raises
    ------
    LazyDicomError
        If a file of it cannot be read, or one that may be of it.
    """
    strict = on_error == "raise"
    meant = [one for one in faults if series in {None, one.series_instance_uid}]
    if table is None or (strict and meant):
        raise_problem((meant or faults)[0])
    groups = _by_series(table)
    name = _choose(groups, series)
    own = str(groups[name].instances["series_instance_uid"][0])
    for fault in faults:
        if strict and fault.series_instance_uid == own:
            raise_problem(fault)
        if strict and not fault.series_instance_uid:
            raise_unknown(fault)
    _warn_of(faults, on_error)
    return name, groups


def _warn_of(faults: list[Problem], on_error: OnError) -> None:
    if on_error == "warn":
        for fault in faults:
            assert fault.error is not None, "asked of faults alone"
            warn(f"Left out. {fault.error.message}", url=fault.url)


def open_study(
    urls: Instances,
    storage_options: Mapping[str, Any] | None = None,
    *,
    on_gap: OnGap = "split",
    fill_value: float | None = None,
    source: bool = False,
    on_error: OnError = "warn",
    **options: Unpack[OpenKeywords],
) -> Study:
    """Open all series among files, each as `open_series` does.

    A key is Series Number and Modality, ``"4-CT"``, and the number of the piece where a
    series is cut, ``"4-CT-2"``. A study nearly always holds a localizer of several
    orientations, so the default is to split. A multi-frame instance without positions is
    an array by itself.

    Parameters
    ----------
    urls, storage_options, on_gap, fill_value, source
        As in `open_series`.
    on_error : {"warn", "raise", "skip"}
        What to do with a file that cannot be read, or a series that contradicts itself:
        the rest opens, and `Study.problems` names it.
    **options
        All options of `open_image`.

    Returns
    -------
    Study
        A mapping of names to arrays; `table()` has their facts, `problems` the files that
        are no part of it, and why.

    Raises
    ------
    LazyDicomError
        If nothing can be opened, or frames are no full grid and `on_gap` is another.
    """
    choices = make_choices(on_gap, fill_value, source=source)
    checked = open_options("open_study", options, others=_STUDY_KEYWORDS)
    check_choice("on_error", on_error, OnError)
    table, problems = _tabulate(urls, storage_options, checked)
    faults = [problem for problem in problems if problem.error is not None]
    if faults and (table is None or on_error == "raise"):
        raise_problem(faults[0])
    _warn_of(faults, on_error)
    assert table is not None, "there are images, or faults"
    arrays: dict[str, DicomArray] = {}
    for name, group in _by_series(table).items():
        try:
            arrays |= _arrange_all(name, group, choices)
        except LazyDicomError as error:
            if on_error == "raise" or on_gap != "split":
                raise
            problem = _problem_of_series(name, group, error)
            _warn_of([problem], on_error)
            problems.append(problem)
    if not arrays:
        raise_problem(next(one for one in problems if one.error is not None))
    del table, name, group
    _give_back(arrays)
    return Study(arrays, tuple(problems))


def _tabulate(
    urls: Instances, storage_options: Mapping[str, Any] | None, options: OpenOptions
) -> tuple[FrameTable | None, list[Problem]]:
    """Open files; nobody keeps their columns by batches beside the table."""
    opened = open_instances(urls, storage_options or {}, options)
    return tabulate_files(opened.batches, opened.problems)


def _give_back(arrays: Mapping[str, DicomArray]) -> None:
    """Let the system have what opening many files took beside what stays."""
    if sum(len(array.images) for array in arrays.values()) >= _MANY:
        freed.give_back()


def _problem_of_series(name: str, table: FrameTable, error: LazyDicomError) -> Problem:
    uid = str(table.instances["series_instance_uid"][0])
    url = redact_url(table.images[0].url)
    return Problem(url, f"Series {name!r}: {error}", error, uid)


def _by_series(table: FrameTable) -> dict[str, FrameTable]:
    """Group frames by series, and name the groups without anything of a patient.

    Neither Series Number nor Modality stands in PS3.15 table E.1-1.
    """
    table = without_copies(table)
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
    names = [name for name in groups if series in {None, name}]
    names = names or [name for name in groups if series in _ids(groups[name])]
    names = names or [name for name in groups if _is_piece(series, name)]
    if len(names) == 1:
        return names[0]
    counts = (f"{name!r} ({len(one.images)} files)" for name, one in groups.items())
    asked = ""
    if series is not None:
        asked = f", {len(names) or 'none'} {'are' if names else 'is'} {series!r}"
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
    if table.has_text("concatenation_uid"):
        check_concatenations(table, may_lack=choices.on_gap != "error")
    parts = uniform_parts(table)
    if len(parts) > 1 and choices.on_gap != "split":
        texts = "; ".join(_describe(part) for part in parts[:_NAMED])
        texts += f"; and {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
        message = "Frames of several orientations, spacings, sizes, types or colours"
        raise InvalidDicomError(f"{message}: {texts}. Choose on_gap='split'")
    try:
        arrays = [array for part in parts for array in arrange(part, choices)]
    except InvalidDicomError as error:
        if set(table.text("modality").tolist()) == {"SEG"}:
            error.message += "; open_segmentation knows that frames are left out"
        raise
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
