"""Opening an instance behind DICOMweb."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from lazydicom._array.grid import MAX_PLACES
from lazydicom._array.image import DicomImage
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._decode.format import check_color, too_large
from lazydicom._frames.dicomweb.reader import open_dicomweb
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import ImagePixel
from lazydicom._open.instance import OpenOptions
from lazydicom.errors import LimitError, SourceChangedError, redact_url


@dataclass(frozen=True, slots=True, repr=False)
class LoadHeader:
    """Asks for the metadata again, after unpickling."""

    url: str
    storage_options: Mapping[str, Any]
    version: str
    """Hash of the metadata that the format of the frames was made of."""
    minimum_rate: int
    max_frame_bytes: int

    def __repr__(self) -> str:
        """Name the instance, without secrets."""
        return f"<LoadHeader {redact_url(self.url)}>"

    def __call__(self) -> Header:
        """Return the header.

        Raises
        ------
        SourceChangedError
            If it is not the one that was opened.
        """
        header, reader = open_dicomweb(
            self.url,
            self.storage_options,
            minimum_rate=self.minimum_rate,
            check=partial(_check_claims, self.url, self.max_frame_bytes),
        )
        if reader.metadata_hash != self.version:
            message = "The metadata changed since the instance was opened"
            raise SourceChangedError(message, url=self.url)
        return header


def open_web_instance(
    url: str, storage_options: Mapping[str, Any], options: OpenOptions
) -> DicomImage:
    """Open an instance by its metadata; frames come by WADO-RS.

    Raises
    ------
    LazyDicomError
        As `lazydicom.open_image` says.
    """
    header, reader = open_dicomweb(
        url,
        storage_options,
        minimum_rate=options.minimum_rate,
        check=partial(_check_claims, url, options.max_frame_bytes),
    )
    format_ = options.frame_format(header.image_pixel, header.transfer_syntax)
    check_color(format_, url=url, offset=None)
    load_header = LoadHeader(
        url,
        dict(storage_options),
        reader.metadata_hash,
        options.minimum_rate,
        options.max_frame_bytes,
    )
    image = DicomImage(reader, format_, load_header, options.frame_cache())
    vars(image)["header"] = header
    return image


def _check_claims(url: str, max_frame_bytes: int, pixel: ImagePixel) -> None:
    """Refuse what nobody has, before a frame is asked for."""
    if pixel.frame_nbytes > max_frame_bytes:
        raise too_large(pixel.frame_nbytes, max_frame_bytes).locate(url=url)
    if pixel.number_of_frames > MAX_PLACES:  # no size of a file bounds it
        message = (
            f"Expected {MAX_PLACES} frames at most, found {pixel.number_of_frames}"
        )
        raise LimitError(message, url=url)
