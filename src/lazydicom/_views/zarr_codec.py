"""The codec of references: what makes stored values of the bytes of a file.

Where no codec that others know gives exactly our values (sign, planes, colour, unused bits,
packed bits, several fragments per frame), references name this one. It holds the format of
the frames and calls the decoder that `DicomArray` itself calls.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, cast, get_args

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer, NDBuffer
from zarr.abc.codec import ArrayBytesCodec
from zarr.registry import get_codec_class, register_codec

from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._decode.format import Color, FrameFormat, check_size
from lazydicom._header.image_pixel import PIXEL_TAGS, ImagePixel, make_image_pixel
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES
from lazydicom._views.zarr_metadata import JPEG_NAME as JPEG_NAME  # noqa: PLC0414 (handed on)
from lazydicom.errors import DecodeError, InvalidDicomError, UnsupportedError

if TYPE_CHECKING:
    from lazydicom._decode import codestream_marks
    from lazydicom._decode import frame as decoding
    from lazydicom._frames import fragment_reader
else:
    codestream_marks = deferred("lazydicom._decode.codestream_marks")
    decoding = deferred("lazydicom._decode.frame")
    fragment_reader = deferred("lazydicom._frames.fragment_reader")

_T = TypeVar("_T")

CODEC_ID: Final = "lazydicom_frames"
"""Its name among the codecs of numcodecs."""
CODEC_NAME: Final = "lazydicom.frames"
"""Its name in ``zarr.json``."""
_JPEG_FIELDS: Final = ("colorspace_jpeg", "colorspace_data")
MAX_CHUNK_BYTES: Final = 1 << 31
"""2 GiB: who wrote a store has chosen its chunks; more is a claim."""
_COLORS: Final = get_args(Color)
_LARGEST_US: Final = 2**16 - 1
_LONGEST_CS: Final = 16


@dataclass(frozen=True, slots=True)
class ChunkFormat:
    """What decoding a chunk needs besides its bytes."""

    format: FrameFormat
    frames: int = 1
    """Frames of a whole chunk; the bytes of the last chunk may hold fewer."""
    believed: bool = False
    """Nobody has looked at the items: each chunk has to be one codestream."""

    def to_json(self) -> dict[str, Any]:
        """Write as JSON has it."""
        format_ = self.format
        return {
            "transfer_syntax": format_.transfer_syntax.uid,
            "pixel": {**asdict(format_.pixel), "number_of_frames": 1},
            "color": format_.color,
            "swapped_pairs": format_.swapped_pairs,
            "frames": self.frames,
            "believed": self.believed,
        }

    def decode(self, data: memoryview) -> NDArray[Any]:
        """Decode the frames of a chunk, little endian; those that are not there are 0.

        Raises
        ------
        DecodeError
            If the bytes do not decode to exactly these frames.
        """
        pixel = self.format.pixel
        out = np.zeros((self.frames, *pixel.frame_shape), pixel.dtype)
        if not self.format.transfer_syntax.native:
            decoding.decode_frame(self._codestream(data), 0, self.format, out[0])
        else:
            for number, part in self._native_frames(data):
                decoding.decode_frame(part, number, self.format, out[number])
        return out.astype(out.dtype.newbyteorder("<"), copy=False)

    def _codestream(self, data: memoryview) -> bytes:
        codec = self.format.transfer_syntax.codec or ""
        fragments = fragment_reader.split_items(data, 0)
        holding = [fragment for fragment in fragments if len(fragment)]
        if self.believed and not codestream_marks.is_one_codestream(codec, holding):
            raise DecodeError("Expected one codestream in the items of a frame")
        return b"".join(fragments)

    def _native_frames(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Return the bytes that each frame touches; the first begins at byte 0."""
        bits, unit = (
            self.format.pixel.frame_bits,
            16 if self.format.swapped_pairs else 8,
        )
        frames = min(8 * len(data) // bits, self.frames)
        if not frames:
            message = f"Expected {bits} bits of a frame, found {8 * len(data)}"
            raise DecodeError(message)
        for number in range(frames):
            first, last = number * bits // unit, -(-(number + 1) * bits // unit)
            yield number, data[first * unit // 8 : last * unit // 8]


def chunk_format(config: Mapping[str, Any]) -> ChunkFormat:
    """Read what `ChunkFormat.to_json` wrote, checked as a header is.

    Who decodes is the choice of who reads, whatever a store says.

    Raises
    ------
    InvalidDicomError
        If a field is missing, or has a value that nobody writes.
    LimitError
        If a chunk would take more memory than a frame may.
    """
    syntax = _field(config, "transfer_syntax", str)
    color = _field(config, "color", str)
    if syntax not in TRANSFER_SYNTAXES or color not in _COLORS:
        raise _malformed("transfer_syntax or color")
    format_ = FrameFormat(
        _pixel(_field(config, "pixel", dict)),
        TRANSFER_SYNTAXES[syntax],
        cast("Color", color),
        _field(config, "swapped_pairs", bool),
        max_frame_bytes=MAX_CHUNK_BYTES,
    )
    frames, believed = _field(config, "frames", int), _field(config, "believed", bool)
    if frames < 1:
        raise _malformed("frames")
    check_size(frames * format_.pixel.frame_nbytes, MAX_CHUNK_BYTES)
    return ChunkFormat(format_, frames, believed)


def _pixel(fields: Mapping[str, Any]) -> ImagePixel:
    """Check the Image Pixel module as that of a file is."""
    keyword = _field(fields, "pixel_keyword", str)
    names = {field.name for field in dataclass_fields(ImagePixel)}
    if keyword not in PIXEL_TAGS.values() or set(fields) != names:
        raise _malformed("pixel")
    words = ("photometric_interpretation", "pixel_keyword")
    for name in names:
        _field(fields, name, str if name in words else int)
    attributes = {name: fields[name] for name in names - {"pixel_keyword"}}
    too_long = max(fields["rows"], fields["columns"]) > _LARGEST_US
    if too_long or len(fields["photometric_interpretation"]) > _LONGEST_CS:
        raise _malformed("pixel")
    return make_image_pixel(attributes, pixel_keyword=keyword)


def _field(config: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    value = config.get(name)
    if type(value) is not kind:  # True is an int
        raise _malformed(name)
    return value


def _malformed(name: str) -> InvalidDicomError:
    return InvalidDicomError(f"Malformed {name} in the configuration of {CODEC_ID}")


class FramesCodec(Codec):  # type: ignore[misc]
    """The codec for Zarr v2 and kerchunk references."""

    codec_id: ClassVar[str] = CODEC_ID

    def __init__(self, **config: Any) -> None:  # noqa: ANN401 (JSON)
        self.chunk = chunk_format(config)

    def get_config(self) -> dict[str, Any]:
        """Write as JSON has it."""
        return {"id": CODEC_ID, **self.chunk.to_json()}

    def encode(self, buf: object) -> bytes:
        """Refuse."""
        del buf
        raise _read_only()

    def decode(self, buf: object, out: Any = None) -> Any:  # noqa: ANN401 (numcodecs')
        """Decode a chunk."""
        data = memoryview(ensure_contiguous_ndarray(buf)).cast("B")
        return ndarray_copy(self.chunk.decode(data), out)


class _ReadCodec(ArrayBytesCodec):
    """A codec of Zarr v3 that reads alone; every chunk has a length of its own."""

    is_fixed_size = False

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: object) -> int:
        """Refuse: every chunk has a length of its own."""
        del input_byte_length, chunk_spec
        raise _read_only()

    @abstractmethod
    def _values(self, data: bytes) -> NDArray[Any]:
        """Decode a chunk."""

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: Any) -> NDBuffer:  # noqa: ANN401
        import asyncio

        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: Any) -> NDBuffer:  # noqa: ANN401
        values = self._values(chunk_data.to_bytes()).reshape(chunk_spec.shape)
        buffer: NDBuffer = chunk_spec.prototype.nd_buffer.from_numpy_array(values)
        return buffer

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: Any) -> Buffer:  # noqa: ANN401
        return self._encode_sync(chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: object) -> Buffer:
        del chunk_data, chunk_spec
        raise _read_only()


@dataclass(frozen=True)
class ZarrFramesCodec(_ReadCodec):
    """The codec for Zarr v3: Icechunk and virtual stores."""

    chunk: ChunkFormat

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read from ``zarr.json``."""
        return cls(chunk_format(data["configuration"]))

    def to_dict(self) -> dict[str, Any]:
        """Write as ``zarr.json`` has it."""
        return {"name": CODEC_NAME, "configuration": self.chunk.to_json()}

    def _values(self, data: bytes) -> NDArray[Any]:
        return self.chunk.decode(memoryview(data))


@dataclass(frozen=True)
class JpegCodec(_ReadCodec):
    """The JPEG codec of Zarr v3, named and configured as imagecodecs does it.

    A chunk is one codestream. What its components are is said in ``zarr.json``, never left to
    the markers of the codestream, so that every reader gives the same values. imagecodecs has
    such a codec in newer versions (``imagecodecs.zarr.register_codecs()``); with lazydicom
    installed nothing has to be called.
    """

    colorspace_jpeg: str | None = None
    """What the components of the codestream are, ``None`` for intensities."""
    colorspace_data: str | None = None
    """What they become."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read from ``zarr.json``.

        Raises
        ------
        UnsupportedError
            If more is configured than colours.
        """
        config = {k: v for k, v in data.get("configuration", {}).items() if v}
        if not set(config) <= set(_JPEG_FIELDS):
            others = ", ".join(sorted(set(config) - set(_JPEG_FIELDS)))
            raise UnsupportedError(f"{JPEG_NAME} is configured with {others}")
        return cls(**config)

    def to_dict(self) -> dict[str, Any]:
        """Write as ``zarr.json`` has it."""
        named = {name: getattr(self, name) for name in _JPEG_FIELDS}
        config = {name: value for name, value in named.items() if value}
        return {"name": JPEG_NAME, **({"configuration": config} if config else {})}

    def _values(self, data: bytes) -> NDArray[Any]:
        return decoding.decode_told(data, self.colorspace_jpeg, self.colorspace_data)


def _read_only() -> UnsupportedError:
    return UnsupportedError("DICOM frames are read, not written")


try:  # an entry point names it, and imagecodecs may have registered its own
    get_codec_class(JPEG_NAME)
except (KeyError, ValueError):  # zarr 3.1, and 3.4
    register_codec(JPEG_NAME, JpegCodec)
