"""JPEG: baseline, extended, progressive and lossless (PS3.5 section 8.2.1, annex A.4.1)."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec, Elsewhere, fits, is_plain
from lazydicom._decode.codecs.headers.jpeg import (
    FIRST_BYTES,
    SOF_LOSSLESS,
    SOF_PROGRESSIVE,
    JpegHeader,
    read_jpeg_header,
)
from lazydicom._decode.codecs.jpeg_color import holds_ybr, overruled
from lazydicom._decode.codecs.jpeg_scans import check_scans, has_one_scan, least_bytes
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import (
    END_OF_IMAGE,
    check_codestream,
    check_end,
    check_least,
    find_last,
)
from lazydicom._decode.samples import (
    call_codec,
    decode_samples,
    fitting,
    to_rgb,
)
from lazydicom.errors import DecodeError, UnsupportedError

_HUFFMAN: Final = frozenset((0xC0, 0xC1, SOF_PROGRESSIVE, SOF_LOSSLESS))
_MORE_DATA: Final = bytes(range(64))
"""Anything but a marker, to stand between the last pixel and EOI."""


class _Decode(Protocol):
    """Decodes a codestream into an array that is there."""

    def __call__(self, data: BytesLike, /, *, out: NDArray[Any]) -> object:
        """Decode."""
        ...


class JpegDecoding(NamedTuple):
    """How the codestreams of a file that begin alike are decoded, decided once for all."""

    header: JpegHeader
    """What they begin with."""
    format: FrameFormat
    """What the file says of them."""
    decode: _Decode
    """Decodes samples, in the colours that are wanted unless `to_rgb`."""
    least: int
    """Bytes that the scans have at the very least."""
    plain: bool
    """Whether all components are in one scan, which is sequential and without restarts."""
    one_scan: bool
    """Whether the first scan of a sequential codestream has all components."""
    fit: Callable[[NDArray[Any]], None] | None
    """Makes stored values of samples, ``None``: they are."""
    to_rgb: bool
    """Whether they become RGB afterwards: libjpeg converts no lossless colour."""
    odd: tuple[str, ...]
    """What is odd about them."""


_last: JpegDecoding | None = None
"""Most frames are decoded as the one before, and to decide it takes as long as to read one."""


def decode_jpeg(
    data: BytesLike, decoding: JpegDecoding, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame of any Huffman-coded, sequential or progressive process."""
    del format_  # it was looked at before
    decoding.decode(data, out=out)
    if _may_be_made_up(decoding, out):
        _check_pixels(data, decoding, out)
    if decoding.fit is not None:
        decoding.fit(out)
    if decoding.to_rgb:
        to_rgb(out)


def _bits_given(header: JpegHeader, format_: FrameFormat) -> tuple[int, bool]:
    """Return of how many bits samples come, and whether without loss.

    Bits that the codestream lacks are zeros and no sign, as in every other reader.
    """
    lossless = header.process == SOF_LOSSLESS
    pixel = format_.pixel
    wide = max(header.codestream.bits, pixel.bits_stored)
    return (8 * pixel.dtype.itemsize if lossless else wide), lossless


def _decoder(header: JpegHeader, format_: FrameFormat) -> _Decode:
    """Return the call of libjpeg for such codestreams."""
    import imagecodecs

    color = holds_ybr(header, format_) and format_.color == "rgb"
    options: dict[str, Any] = {}
    marked = header.jfif or header.adobe_transform == 1
    # libjpeg converts by the marks itself, 4 % faster
    as_marked = color and marked and header.process != SOF_LOSSLESS
    if format_.pixel.samples_per_pixel > 1 and not as_marked:
        space = _components(header, format_)
        options = {"colorspace": space, "outcolorspace": "rgb"}
    bits = header.codestream.bits
    if fits(bits, format_):
        return partial(call_codec, imagecodecs.jpeg8_decode, **options)
    return partial(decode_samples, imagecodecs.jpeg8_decode, bits=bits, **options)


def _components(header: JpegHeader, format_: FrameFormat) -> str:
    """Return what libjpeg is told that components are.

    It is always told: without markers it takes RGB for YCbCr. "rgb" to "rgb" is no
    conversion, whatever the components are.
    """
    color = holds_ybr(header, format_) and format_.color == "rgb"
    return "ycbcr" if color and header.process != SOF_LOSSLESS else "rgb"


def decode_told(
    data: BytesLike, colorspace: str | None, outcolorspace: str | None
) -> NDArray[Any]:
    """Decode a codestream whose colours are told by others, as a store of tiles does.

    Raises
    ------
    DecodeError
        If it does not decode, or is cut.
    """
    import imagecodecs

    check_end(data, read_jpeg_header(data).scan, "EOI")
    spaces = {"colorspace": colorspace, "outcolorspace": outcolorspace}
    values: NDArray[Any] = call_codec(imagecodecs.jpeg8_decode, data, **spaces)
    return values


def _may_be_made_up(decoding: JpegDecoding, out: NDArray[Any]) -> bool:
    """Return whether EOI may have come before the last pixel.

    Then libjpeg goes on in medium grey, without an error. What one of several scans lacks
    need not show there.
    """
    if not decoding.one_scan:
        return True
    grey = 1 << decoding.header.codestream.bits - 1
    if abs(out.item(-1)) != grey:  # negative where DICOM has a sign that JPEG has not
        return False
    last = out[-1, -1:].ravel().tolist()
    return last.count(grey) + last.count(-grey) == len(last)


def _check_pixels(data: BytesLike, decoding: JpegDecoding, out: NDArray[Any]) -> None:
    """Refuse pixels that come from no data: more data before EOI would change them.

    Behind the last pixel libjpeg steps over whatever stands there.
    """
    end = find_last(data, END_OF_IMAGE, decoding.header.scan)
    longer = np.empty_like(out)
    decoding.decode(bytes(data[:end]) + _MORE_DATA + END_OF_IMAGE, out=longer)
    if not np.array_equal(out, longer):
        raise DecodeError("Expected data of all pixels before EOI (FFD9): it is cut")


def preflight_jpeg(data: BytesLike, format_: FrameFormat) -> JpegDecoding:
    """Check a codestream before libjpeg decodes it."""
    global _last  # noqa: PLW0603 (replaced as a whole: threads never see half of it)
    header, decoding = read_jpeg_header(data), _last
    if decoding is None or decoding.format is not format_:
        decoding = _last = _decoding_of(data, header, format_)
    elif decoding.header is not header:
        same = header._replace(scan=decoding.header.scan) == decoding.header
        other_tables = decoding._replace(header=header) if same else None
        decoding = _last = other_tables or _decoding_of(data, header, format_)
    length = len(data) - header.scan
    if length < decoding.least:
        check_least(length, decoding.least, "JPEG scans")
    if length < 2 or data[-2:] != END_OF_IMAGE:  # as ever it ends there
        check_end(data, header.scan, "EOI")
    if not decoding.plain:
        check_scans(data, header)
    return decoding


def _decoding_of(
    data: BytesLike, header: JpegHeader, format_: FrameFormat
) -> JpegDecoding:
    """Decide how to decode codestreams that begin as `data` does, up to its first scan."""
    if header.process not in _HUFFMAN:
        raise UnsupportedError(
            f"JPEG process SOF{header.process - 0xC0} has no decoder"
        )
    check_codestream(header.codestream, format_.pixel)
    one_scan = header.process != SOF_PROGRESSIVE and has_one_scan(data, header)
    bits, lossless = _bits_given(header, format_)
    color = holds_ybr(header, format_) and format_.color == "rgb"
    return JpegDecoding(
        header,
        format_,
        decode=_decoder(header, format_),
        least=least_bytes(header),
        plain=one_scan and not header.restart_interval,
        one_scan=one_scan,
        fit=fitting(bits, format_.pixel, lossy=not lossless),
        to_rgb=color and lossless,
        odd=overruled(header, format_),
    )


def _odd(decoding: JpegDecoding, format_: FrameFormat) -> tuple[str, ...]:
    """Return what is odd about a codestream, as it was decided."""
    del format_
    return decoding.odd


def _elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    header = preflight_jpeg(data, format_).header
    config = {"id": "imagecodecs_jpeg"}
    if _is_plain_color(header, format_):
        space = _components(header, format_)
        config |= {"colorspace_jpeg": space, "colorspace_data": "rgb"}
    elif not is_plain(header.codestream.bits, format_):
        return None
    prefix = 0 if header.restart_interval else header.scan  # an interval may be missing
    return Elsewhere(config, prefix)


def _is_plain_color(header: JpegHeader, format_: FrameFormat) -> bool:
    """Return whether samples of three colours come out as we give them, bit by bit."""
    pixel = format_.pixel
    bytes_alone = header.codestream.bits == pixel.bits_stored == 8
    lossy = header.process != SOF_LOSSLESS
    return (
        pixel.samples_per_pixel == 3
        and pixel.dtype == np.uint8
        and bytes_alone
        and lossy
    )


JPEG: Final = Codec(
    "jpeg",
    preflight_jpeg,
    decode_jpeg,
    first_bytes=FIRST_BYTES,
    ends_with_marker=True,
    probe=b"\xfe" * 64,  # libjpeg reads zeros behind the end
    oddities=_odd,
    elsewhere=_elsewhere,
    media_types={"image/jpeg": "1.2.840.10008.1.2.4.70"},
)
