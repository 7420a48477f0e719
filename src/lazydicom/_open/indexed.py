"""Opening with a saved index: no pixel data and no header are read."""

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lazydicom._array.array import DicomArray
from lazydicom._array.image import DicomImage
from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.listing import Urls, list_files
from lazydicom._bytes.location import Url
from lazydicom._bytes.open import name_of, open_source
from lazydicom._bytes.source import ByteSource
from lazydicom._decode.format import check_color, check_size
from lazydicom._frames.index import with_padding
from lazydicom._header.header import read_header
from lazydicom._header.values import technical_attributes
from lazydicom._open.index_file import (
    cached_index,
    may_be_replaced,
    read_instance,
    write_index,
)
from lazydicom._open.index_record import (
    IndexRecord,
    check_version,
    has_version,
    hash_name,
    save_instance,
    saved_reader,
)
from lazydicom._open.instance import OpenOptions, open_instance, stack_frames
from lazydicom.errors import (
    ExportError,
    InvalidDicomError,
    LimitError,
    SourceChangedError,
    SourceError,
    noted_warnings,
    redact_url,
    warn,
)


def open_indexed(
    url: Url | Member, storage_options: Mapping[str, Any], options: OpenOptions
) -> DicomArray:
    """Open an instance by the index file that was named, or by the cached one.

    Raises
    ------
    InvalidDicomError
        If the file that was named is no index or holds nothing about the instance.
    SourceChangedError
        If the instance changed since that index was made.
    """
    if options.index is not None:
        return open_with_index(url, storage_options, options.index, options)
    return open_with_cache(url, storage_options, options)


def open_with_index(
    url: Url | Member,
    storage_options: Mapping[str, Any],
    index: str | os.PathLike[str],
    options: OpenOptions,
) -> DicomArray:
    """Open an instance of an index file.

    Raises
    ------
    InvalidDicomError
        If the file is no index or holds nothing about the instance.
    SourceChangedError
        If the instance changed since it was indexed.
    """
    saved = read_instance(index, hash_name(name_of(url)))
    if saved is None:
        message = f"{redact_url(os.fspath(index))} is an index of other files"
        raise InvalidDicomError(message, url=name_of(url))
    source = open_source(url, storage_options, first_block=1, **options.of_source)
    return _open_saved(saved, source, os.fspath(index), options)


def open_with_cache(
    url: Url | Member, storage_options: Mapping[str, Any], options: OpenOptions
) -> DicomArray:
    """Open an instance by its cached index; without one, open it and keep its index."""
    name = hash_name(name_of(url))
    path = cached_index(name)
    open_it = partial(open_source, url, storage_options, **options.of_source)
    saved = _read_cached(path, name)
    if saved is not None:
        with suppress(SourceChangedError):
            return _open_saved(saved, open_it(first_block=1), str(path), options)
    source = open_it()
    if not has_version(source):
        return stack_frames(open_instance(partial(read_header, source), options))
    array, saved = _open_and_save(source, options)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_index(path, [saved])
    except OSError as error:
        warn(f"The index could not be cached: {error.strerror}", url=str(path))
    return array


def _read_cached(path: Path, name: str) -> IndexRecord | None:
    """Read what is cached; a file that is damaged is as good as none."""
    with suppress(InvalidDicomError, LimitError, SourceError):
        return read_instance(path, name)
    return None


def save_index(
    urls: Urls,
    path: str | os.PathLike[str],
    storage_options: Mapping[str, Any] | None = None,
) -> int:
    """Save where the frames of files lie, so that opening them again reads no pixel data.

    Parameters
    ----------
    urls : str, os.PathLike, bytes, or a list of them
        Files, a folder or a pattern; what is no image in a folder is left out.
    path : str or os.PathLike
        The index file to write; an older one is replaced in one step.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.

    Returns
    -------
    int
        How many instances the index holds.

    Raises
    ------
    LazyDicomError
        If a file cannot be opened, or its server tells neither an etag nor a date.
    ExportError
        If the index cannot be written, or something else stands in its place.

    Examples
    --------
    >>> import lazydicom, tempfile
    >>> from pydicom.data import get_testdata_file
    >>> file = get_testdata_file("rtdose.dcm", download=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = lazydicom.save_index(file, f"{folder}/rtdose.index")
    ...     array = lazydicom.open_image(file, index=f"{folder}/rtdose.index")
    >>> saved, array.shape
    (1, (15, 10, 10))
    """
    place, options = Path(path), storage_options or {}
    if not may_be_replaced(place):
        message = "Something else than an index stands here; it is not overwritten"
        raise ExportError(message, url=str(place))
    plain = OpenOptions(color="stored")
    records: list[IndexRecord] = []
    for file in list_files(urls, options):
        try:
            records.append(_open_and_save(open_source(file.file, options), plain)[1])
        except InvalidDicomError:
            if file.named:
                raise
    if not records:
        raise SourceError("There are no images to index")
    try:
        write_index(place, records)
    except OSError as error:
        message = f"Could not write the index: {error.strerror}"
        raise ExportError(message, url=str(place)) from error
    return len(records)


def _open_and_save(
    source: ByteSource, options: OpenOptions
) -> tuple[DicomArray, IndexRecord]:
    with noted_warnings() as warnings:
        image = open_instance(partial(read_header, source), options)
        attributes = technical_attributes(image.header.elements, url=source.url)
        saved = save_instance(
            image.header,
            image.format,
            image.reader,
            source,
            attributes=attributes,
            warnings=warnings,
        )
    return stack_frames(image, attributes), saved


def _open_saved(
    saved: IndexRecord, source: ByteSource, index_name: str, options: OpenOptions
) -> DicomArray:
    check_version(saved, source, index_name=index_name)
    check_size(saved.pixel.frame_nbytes, options.max_frame_bytes)
    format_ = options.frame_format(
        saved.pixel, saved.transfer_syntax, swapped_pairs=saved.swapped_pairs
    )
    format_ = with_padding(format_, saved.index)
    check_color(format_, url=source.url, offset=None)
    reader = saved_reader(saved, source, lends=options.lends)
    load_header = partial(read_header, source, tables=False)
    image = DicomImage(reader, format_, load_header, options.frame_cache())
    for message in saved.warnings:
        warn(message, url=source.url)
    return stack_frames(image, saved.attributes)
