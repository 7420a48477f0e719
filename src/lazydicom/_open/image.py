"""Opening: from a URL, bytes or a `Dataset` to a `DicomArray`, without reading a pixel."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from lazydicom._array.array import DicomArray
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.local.source import LocalAccess
from lazydicom._bytes.location import (
    DICOMWEB,
    URL_TYPES,
    OnChange,
    is_local,
    local_path,
)
from lazydicom._bytes.open import File, is_file, open_source
from lazydicom._bytes.source import MINIMUM_RATE, ByteSource
from lazydicom._decode.format import MAX_FRAME_BYTES, Color, Decoder, Isolation
from lazydicom._frames.tolerance import FramePadding, OnExtraFrames
from lazydicom._header.header import Header, read_header
from lazydicom._open.instance import (
    OpenOptions,
    open_instance,
    open_options,
    stack_frames,
)
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from pydicom import Dataset

    from lazydicom._bytes import listing
    from lazydicom._bytes.location import Url
    from lazydicom._header import dataset as in_memory
    from lazydicom._header import pydicom as of_pydicom
    from lazydicom._open import indexed, web
else:
    listing = deferred("lazydicom._bytes.listing")
    in_memory = deferred("lazydicom._header.dataset")
    of_pydicom = deferred("lazydicom._header.pydicom")
    indexed = deferred("lazydicom._open.indexed")
    web = deferred("lazydicom._open.web")


def open_image(
    url: "Url | Dataset",
    storage_options: Mapping[str, Any] | None = None,
    *,
    color: Color = "rgb",
    decoder: Decoder = "imagecodecs",
    isolation: Isolation = "none",
    local: LocalAccess = "pread",
    allow_truncated: bool = False,
    on_extra_frames: OnExtraFrames = "warn",
    frame_padding: FramePadding = "auto",
    fill_truncated: float | None = None,
    frame_cache_bytes: int = 0,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    on_change: OnChange = "error",
    minimum_rate: int = MINIMUM_RATE,
    follow_links: bool = False,
    photometric_interpretation: str | None = None,
    transfer_syntax: str | None = None,
    index: str | os.PathLike[str] | None = None,
    cache: bool = False,
) -> DicomArray:
    """Open one SOP Instance as a lazy array of its frames.

    The header is read and no pixel (a deflated file is inflated once).

    Parameters
    ----------
    url : str, os.PathLike, bytes, file object or pydicom.Dataset
        A path, any fsspec URL, the bytes of a file, a seekable binary file object, an
        fsspec `OpenFile`, a `UPath`, or a `Dataset` with Pixel Data;
        ``dicomweb+https://…/studies/S/series/E/instances/I`` behind DICOMweb.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem; of DICOMweb `headers`, `auth`, `timeout`
        and `verify`.
    color : {"rgb", "stored"}
        ``"stored"`` keeps YCbCr instead of converting it to RGB (PS3.3 C.7.6.3.1.2).
    decoder : {"imagecodecs", "pydicom"}
        Who decodes encapsulated frames; ``"pydicom"`` tries the plugins that are
        installed for it, GDCM among them.
    isolation : {"none", "process"}
        ``"process"`` decodes encapsulated frames in a worker process, for files that
        nobody trusts: where a decoder crashes or hangs, the frame is a `DecodeError`.
    local : {"pread", "mmap"}
        ``"mmap"`` gives single frames of a local file as views of a memory map: without
        a copy, but a file truncated meanwhile kills the process.
    allow_truncated : bool
        Take the complete frames of a file that ends too early, instead of an error.
    on_extra_frames : {"warn", "keep"}
        Frames stored behind the declared ones are left out with a warning, or kept.
    frame_padding : {"auto", "none", "byte", "word"}
        Whether each native frame is padded by itself. By default it is where Pixel Data has
        exactly that length and all padding is zero, with a warning.
    fill_truncated : float, optional
        A value that stands for what the last native frame of a file that ends too early
        lacks; a warning tells how many values that are.
    frame_cache_bytes : int
        Decoded frames to keep for viewers that scrub: ``array[k]`` of a frame used
        lately is a copy of it. By default none.
    max_frame_bytes : int
        Largest decoded frame, by default 256 MiB: a header may claim what no memory holds.
    on_change : {"error", "size"}
        A file that changed since it was opened is a `SourceChangedError`; ``"size"``
        notices other sizes only, for servers behind a balancer whose entity tags
        differ, and for network mounts whose inodes do.
    minimum_rate : int
        Bytes in a second that a body over a network must have on average, its first five
        seconds aside; by default 1 KiB, 0 waits for ever. Silence is asked again sooner.
    follow_links : bool
        Openers of folders follow symbolic links that lead out of the folder. A file
        that is named may always be a link.
    photometric_interpretation : str, optional
        What the samples are, ``"RGB"`` or ``"YBR_FULL"`` for one, where header and
        codestream are wrong. What the file declares stands in `attrs`, too.
    transfer_syntax : str, optional
        UID of how the pixels are encoded, where the file declares another or a private
        one; likewise.
    index : str or os.PathLike, optional
        An index file of `save_index`: neither header nor pixel data are read to open.
    cache : bool
        Keep an index in the user's cache folder, and use it while size and version of
        the file hold.

    Returns
    -------
    DicomArray
        With axes ``('frame', 'y', 'x')``, and ``'sample'`` for colour. Values are the
        stored ones, equal to pydicom's `pixel_array`.

    Raises
    ------
    LazyDicomError
        If the file cannot be read (`SourceError`), contradicts the standard
        (`InvalidDicomError`) or needs what is not here (`UnsupportedError`).

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> array = lazydicom.open_image(get_testdata_file("rtdose.dcm", download=False))
    >>> array.shape
    (15, 10, 10)
    >>> array[3:5, 0].shape
    (2, 10)
    """
    return open_array(
        url,
        storage_options or {},
        open_options(
            "open_image",
            {
                "color": color,
                "decoder": decoder,
                "isolation": isolation,
                "local": local,
                "allow_truncated": allow_truncated,
                "on_extra_frames": on_extra_frames,
                "frame_padding": frame_padding,
                "fill_truncated": fill_truncated,
                "frame_cache_bytes": frame_cache_bytes,
                "max_frame_bytes": max_frame_bytes,
                "on_change": on_change,
                "minimum_rate": minimum_rate,
                "follow_links": follow_links,
                "photometric_interpretation": photometric_interpretation,
                "transfer_syntax": transfer_syntax,
                "index": index,
                "cache": cache,
            },
        ),
    )


def open_array(
    url: "Url | Dataset", storage_options: Mapping[str, Any], options: OpenOptions
) -> DicomArray:
    """Open one SOP Instance, with options that are checked."""
    if options.uses_index:
        if _is_web(url) or not isinstance(url, URL_TYPES):
            message = "An index holds the frames that a file declares, and is of a file"
            raise ValueError(message)
        return indexed.open_indexed(url, storage_options, options)
    if _is_web(url):
        return stack_frames(web.open_web_instance(url, storage_options, options))
    load_header = _header_loader(url, storage_options, options)
    return stack_frames(open_instance(load_header, options))


def _is_web(url: "Url | Dataset") -> TypeGuard[str]:
    return isinstance(url, str) and url.startswith(DICOMWEB)


def _header_loader(
    url: "Url | Dataset", storage_options: Mapping[str, Any], options: OpenOptions
) -> Callable[[], Header]:
    if is_file(url):
        source = _open_file(url, storage_options, options)
        return partial(read_header, source, options.given)
    if listing.is_list(url) and not of_pydicom.is_dataset(url):
        kind = type(url).__name__
        message = (
            f"Expected one file, found {kind}: open_series and open_study take many"
        )
        raise TypeError(message)
    return partial(in_memory.header_of_dataset, cast("Dataset", url), options.given)


def _open_file(
    url: File, storage_options: Mapping[str, Any], options: OpenOptions
) -> ByteSource:
    """Open one file; the empty name means the folder one stands in."""
    if isinstance(url, str | os.PathLike) and not os.fspath(url):
        raise ValueError("Expected the name of a file, found an empty text")
    try:
        return open_source(url, storage_options, **options.of_source)
    except SourceError:
        _check_no_folder(url)
        raise


def _check_no_folder(url: File) -> None:
    """Say what a folder is opened with."""
    if not isinstance(url, str | os.PathLike):
        return
    name = os.fsdecode(url)
    if is_local(name) and os.path.isdir(local_path(name)):  # noqa: PTH112
        message = "Expected a file, found a folder: open_series and open_study take it"
        raise SourceError(message, url=name) from None
