"""JPEG 2000 and High-Throughput JPEG 2000 (PS3.5 sections 8.2.4 and 8.2.14)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec, Elsewhere, fits
from lazydicom._decode.codecs.headers.jpeg_2000 import (
    FIRST_BYTES,
    Jpeg2000Header,
    check_tile_parts,
    is_one_tile_part,
    read_jpeg_2000_header,
    read_main_segments,
)
from lazydicom._decode.codecs.unraised import call_and_raise
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import check_codestream
from lazydicom._decode.samples import (
    allowed_threads,
    call_codec,
    decode_planes,
    decode_samples,
    fitting,
    to_rgb,
)
from lazydicom.errors import UnsupportedError

_OPENJPEG_BITS: Final = 24
"""With 25 bits it gives other pixels than were encoded, and no error."""
_LOSSLESS: Final = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202")


class Jpeg2000Decoding(NamedTuple):
    """How codestreams of the same main header are decoded, decided once for all of a file."""

    format: FrameFormat
    """What the file says of the frame."""
    encoded: bytes
    """The bytes up to the end of the first marker behind the main header."""
    header: Jpeg2000Header
    decode: Callable[..., Any]
    """Decodes samples of a codestream into ``out=``."""
    threads: bool
    """Whether the decoder has threads of its own."""
    fit: Callable[[NDArray[Any]], None] | None
    """Makes stored values of samples, ``None``: they are."""
    least: int
    """Bytes that the codestream has at the very least."""
    alone: bool
    """Whether a tile-part without segments changes nothing of it."""

    @property
    def subsampled(self) -> bool:
        """Whether chrominance is coded in fewer samples."""
        return self.header.subsampled


_last: Jpeg2000Decoding | None = None
"""The frames of a file mostly have the same main header, and reading it takes 10 µs."""


def decode_jpeg_2000(
    data: BytesLike, decoding: Jpeg2000Decoding, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame; its own header tells how blocks are coded.

    The decoder undoes YBR_RCT and YBR_ICT, which belong to the codestream.
    """
    header = decoding.header
    codestream = data[header.start :] if header.start else data  # no boxes of JP2
    if decoding.threads:
        decoding.decode(codestream, out=out, numthreads=allowed_threads(out))
    else:
        decoding.decode(codestream, out=out)
    if decoding.fit is not None:
        decoding.fit(out)
    if format_.converts_to_rgb:
        to_rgb(out)


def preflight_jpeg_2000(data: BytesLike, format_: FrameFormat) -> Jpeg2000Decoding:
    """Check a codestream before OpenJPEG or OpenJPH see it."""
    global _last  # noqa: PLW0603 (replaced as a whole: threads never see half of it)
    seen = _last
    if (
        seen is None
        or seen.format is not format_
        or data[: len(seen.encoded)] != seen.encoded
    ):
        seen = _last = _read_main_header(data, format_)
    place = len(seen.encoded) - 2
    if (
        seen.alone
        and len(data) >= seen.least
        and is_one_tile_part(data, place, seen.header)
    ):
        return seen
    header = check_tile_parts(data, place, seen.header)
    if header is seen.header:
        return seen
    return _decided(format_, seen.encoded, header)


def _read_main_header(data: BytesLike, format_: FrameFormat) -> Jpeg2000Decoding:
    header = read_jpeg_2000_header(data)
    check_codestream(header.codestream, format_.pixel)
    if header.part_2:
        raise UnsupportedError("JPEG 2000 with extensions of Part 2 has no decoder")
    if header.subsampled and (
        format_.decoder != "pydicom" or format_.color == "stored"
    ):
        raise UnsupportedError(
            "JPEG 2000 with subsampled colour has no decoder here that is right: open it"
            ' with decoder="pydicom" and color="rgb", for Pillow or pylibjpeg-openjpeg'
        )
    at, header = read_main_segments(data, header)
    return _decided(format_, bytes(data[: at + 2]), header)


def _decided(
    format_: FrameFormat, encoded: bytes, header: Jpeg2000Header
) -> Jpeg2000Decoding:
    """Decide how codestreams of a main header are decoded."""
    bits, fast = header.codestream.bits, _is_for_openjph(header, format_)
    if bits > _OPENJPEG_BITS and not fast:
        raise UnsupportedError(
            f"JPEG 2000 of {bits} bits has no decoder that is right: OpenJPEG is exact"
            f" up to {_OPENJPEG_BITS}"
        )
    lossy = header.quantized or not header.reversible
    return Jpeg2000Decoding(
        format_,
        encoded,
        header,
        decode=_decoder(header, format_, fast=fast),
        threads=not fast,
        fit=fitting(bits, format_.pixel, signed=header.signed, lossy=lossy),
        least=header.layers * header.codestream.samples,
        alone=header.reversible or header.quantized,
    )


def _decoder(
    header: Jpeg2000Header, format_: FrameFormat, *, fast: bool
) -> Callable[..., Any]:
    """Return the call of OpenJPH or of OpenJPEG for such codestreams."""
    import imagecodecs

    bits, planes = header.codestream.bits, fast and _holds_planes(header)
    decode: Callable[..., Any] = imagecodecs.jpeg2k_decode
    if fast:
        decode = partial(call_and_raise, imagecodecs.htj2k_decode)
    if not planes and fits(bits, format_):
        return partial(call_codec, decode)
    put = decode_planes if planes else decode_samples
    return partial(put, decode, bits=bits, signed=header.signed)


def _is_for_openjph(header: Jpeg2000Header, format_: FrameFormat) -> bool:
    """Return whether a frame is high-throughput and lossless.

    OpenJPH is twice as fast as OpenJPEG; but a value that loss carries beyond its range
    begins anew at the other end there, and black becomes white.
    """
    lossless = format_.transfer_syntax.uid in _LOSSLESS and not header.quantized
    return header.high_throughput and lossless


def _holds_planes(header: Jpeg2000Header) -> bool:
    """Return whether OpenJPH gives colour as one plane after the other."""
    return header.codestream.samples > 1 and not header.mixed


def _elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    header = preflight_jpeg_2000(data, format_).header
    signed = header.signed == bool(format_.pixel.pixel_representation)
    bits = header.codestream.bits
    exact = signed and fits(bits, format_) and bits <= format_.pixel.bits_stored
    fast = _is_for_openjph(header, format_)
    if (
        not exact
        or header.start
        or format_.converts_to_rgb
        or (fast and _holds_planes(header))
    ):
        return None
    # Tile-parts may be missing, which decoders make up: each frame is looked at.
    return Elsewhere({"id": "imagecodecs_htj2k" if fast else "imagecodecs_jpeg2k"})


JPEG_2000: Final = Codec(
    "jpeg-2000",
    preflight_jpeg_2000,
    decode_jpeg_2000,
    first_bytes=FIRST_BYTES,
    ends_with_marker=True,
    elsewhere=_elsewhere,
    media_types={
        "image/jp2": "1.2.840.10008.1.2.4.90",
        "image/jpx": "1.2.840.10008.1.2.4.92",
    },
)
HTJ2K: Final = replace(
    JPEG_2000,
    name="htj2k",
    media_types={"image/jphc": "1.2.840.10008.1.2.4.201"},
)
