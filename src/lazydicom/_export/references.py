"""`to_references`: byte ranges for Zarr tools instead of a copy."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from lazydicom._array.array import DicomArray
from lazydicom._array.computed import FrameArray
from lazydicom._bytes.location import is_local, local_path
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.inputs import check_kinds, warn_of_burned_in_text
from lazydicom._export.kerchunk import encode_json, encode_parquet
from lazydicom._export.store.folder import Folder, LocalFolder
from lazydicom._export.store.object_folder import FsspecFolder
from lazydicom._export.store.target import errors_named, put_in_place
from lazydicom._views.references.plan import plan_references
from lazydicom._views.zarr_codec import CODEC_ID
from lazydicom._views.zarr_metadata import check_name
from lazydicom.errors import ExportError, redact_url

_PARQUET: Final = (".parq", ".parquet")
_HEAD: Final = 4096
"""Bytes in which a JSON document says what it is."""


@dataclass(frozen=True, slots=True)
class ReferenceReport:
    """What `to_references` wrote."""

    url: str
    chunks: tuple[int, ...]
    number_of_references: int
    codec: str | None
    """What decodes a chunk, by its name among codecs; ``None``: nothing is needed."""

    @property
    def needs_lazydicom(self) -> bool:
        """Whether lazydicom has to be installed where the references are read."""
        return self.codec == CODEC_ID


def to_references(
    array: DicomArray,
    url: str | os.PathLike[str],
    *,
    name: str = "pixels",
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> ReferenceReport:
    """Write where the bytes of each frame lie, for tools that read Zarr; copy nothing.

    fsspec's ``reference`` filesystem reads it as a Zarr v2 group. Where their output is
    exactly ours, chunks name codecs of imagecodecs; elsewhere they name one of lazydicom.

    Parameters
    ----------
    array : DicomArray
        Of files that stay where they are, as they are.
    url : str or os.PathLike
        ``….json``, or ``….parq`` or ``….parquet`` for a folder of Parquet files; a path
        or any fsspec URL.
    name : str
        Name of the array in its group.
    overwrite : bool
        Replace references that stand there.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem that is written to. None of them, nor those
        that the array was opened with, is ever written.

    Returns
    -------
    ReferenceReport

    Raises
    ------
    UnsupportedError
        If references cannot say it: deflated files, mosaics, DICOMweb, bytes in memory,
        URLs with secrets, values behind a LUT.
    ExportError
        If something stands there already, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> array = lazydicom.open_image(get_testdata_file("rtdose.dcm", download=False))
    >>> folder = tempfile.TemporaryDirectory()
    >>> report = lazydicom.to_references(array, f"{folder.name}/dose.json")
    >>> report.number_of_references, report.codec, report.needs_lazydicom
    (15, None, False)
    >>> folder.cleanup()
    """
    if not isinstance(array, FrameArray):
        message = "to_references takes arrays of files, which have bytes to refer to"
        raise TypeError(f"{message}; found {type(array).__name__}")
    target = os.fspath(url).rstrip("/")
    if not target.endswith((".json", *_PARQUET)):
        message = f"Expected a URL that ends in .json, .parq or .parquet, found {url!r}"
        raise ValueError(redact_url(message))
    check_kinds(storage_options=storage_options, name=name)
    check_name(array, name)
    warn_of_burned_in_text(array)
    plan = plan_references(array)
    parent, _, last = _absolute(target).rpartition("/")
    folder = _folder(parent, storage_options or {})
    _check_replaceable(folder, last, overwrite=overwrite)
    with errors_named(target, "write", "references"):
        if last.endswith(".json"):
            folder.put(last, encode_json(array, plan, name))
        else:
            _write_folder(folder, last, encode_parquet(array, plan, name))
    return ReferenceReport(
        url=redact_url(target),
        chunks=plan.chunks,
        number_of_references=int((plan.files >= 0).sum()),
        codec=None if plan.codec is None else plan.codec["id"],
    )


def _check_replaceable(folder: Folder, last: str, *, overwrite: bool) -> None:
    """Refuse to replace references unasked, and anything else even if it is asked for."""
    is_json = last.endswith(".json")
    mark, sign = (
        (last, b'"refs"') if is_json else (f"{last}/.zmetadata", b"record_size")
    )
    beginning = folder.get(mark, 0, _HEAD if is_json else None)
    if beginning is None:
        return
    if sign not in beginning:
        message = "Something else than references stands here; it is not overwritten"
        raise ExportError(message, url=f"{folder.url}/{last}")
    if not overwrite:
        message = "References stand here already; overwrite=True replaces them"
        raise ExportError(message, url=f"{folder.url}/{last}")


def _write_folder(
    folder: Folder, last: str, files: Iterable[tuple[str, bytes]]
) -> None:
    """Write a folder whose last file makes it complete; after an error nothing is left."""
    staged = f"{last}.partial" if isinstance(folder, LocalFolder) else last
    place = folder.inside(staged)
    place.clear()
    try:
        for key, data in files:
            place.put(key, data)
        if isinstance(folder, LocalFolder):
            put_in_place(f"{folder.path}/{staged}", f"{folder.path}/{last}")
    except BaseException:
        with suppress(OSError):
            place.clear()
        raise


def _absolute(target: str) -> str:
    return local_path(target) if is_local(target) else target


def _folder(parent: str, storage_options: Mapping[str, Any]) -> Folder:
    if parent.endswith(":/"):  # memory://name.json
        parent += "/"
    if "://" in parent:
        return FsspecFolder(parent, dict(storage_options))
    return LocalFolder(parent)
