"""What a codec family is: one frozen value, made in one file of `codecs`.

`codecs.registry` lists the values; marks, decoding, references and DICOMweb are functions of
them. Another codec is such a file, a row there and a row of the transfer syntaxes.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, NamedTuple

from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat


class Elsewhere(NamedTuple):
    """A codec of numcodecs that decodes a codestream to exactly our values."""

    config: dict[str, Any]
    """As numcodecs writes it into JSON."""
    prefix: int = 0
    """Leading bytes that say so: a frame that begins with the same says the same. 0: every
    frame must be looked at."""


@dataclass(frozen=True, slots=True)
class Codec:
    """All that is known of one codec family."""

    name: str
    """As the table of transfer syntaxes names it."""
    preflight: Callable[[BytesLike, FrameFormat], Any]
    """Compares a codestream with the header of the file; returns what it read."""
    decode: Callable[[BytesLike, Any, FrameFormat, NDArray[Any]], None]
    """Decodes a codestream, with what `preflight` returned."""
    first_bytes: tuple[bytes, ...] = ()
    """How a codestream may begin, in up to 8 bytes; empty: it has no mark of its own."""
    ends_with_marker: bool = False
    """Whether a codestream ends with FFD9: EOI of JPEG and JPEG-LS, EOC of JPEG 2000."""
    probe: bytes = b""
    """Bytes that change pixels if any must be read behind the data that are there; empty: a
    codestream without end marker is never decoded."""
    one_fragment: bool = False
    """Whether each frame is one fragment by the standard."""
    oddities: Callable[[Any, FrameFormat], tuple[str, ...]] | None = None
    """Returns what is odd about a codestream that is decoded all the same, by what
    `preflight` returned."""
    elsewhere: Callable[[BytesLike, FrameFormat], Elsewhere | None] | None = None
    """Returns who else decodes a codestream, for references."""
    media_types: Mapping[str, str] = field(default_factory=dict)
    """Of DICOMweb, with the transfer syntax that each means by default."""

    @property
    def marked(self) -> bool:
        """Whether anything tells where a codestream begins or ends."""
        return bool(self.first_bytes) or self.ends_with_marker

    @property
    def evident(self) -> bool:
        """Whether a fragment shows by itself that it is a whole frame."""
        return bool(self.first_bytes) and (self.ends_with_marker or self.one_fragment)


def is_plain(bits: int, format_: FrameFormat) -> bool:
    """Return whether any decoder gives our values of gray samples of `bits` bits.

    Unsigned, in words of our size and without spare bits: signs would be lost.
    """
    pixel = format_.pixel
    unsigned = pixel.pixel_representation == 0 and pixel.samples_per_pixel == 1
    return unsigned and fits(bits, format_) and bits <= pixel.bits_stored


def fits(bits: int, format_: FrameFormat) -> bool:
    """Return whether samples of `bits` bits come out in words of our size."""
    itemsize = 1 if bits <= 8 else 2 if bits <= 16 else 4
    return itemsize == format_.pixel.dtype.itemsize
