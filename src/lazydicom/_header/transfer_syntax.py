"""What a Transfer Syntax UID says about the bytes (PS3.5 section 10, PS3.6 table A-1)."""

from dataclasses import field
from typing import Final

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header.walker import Framing

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"


@dataclass(frozen=True)
class TransferSyntax:
    """How the elements of a file, and its frames, are encoded."""

    uid: str
    name: str

    little_endian: bool = True
    implicit_vr: bool = False
    deflated: bool = False
    """Everything after the File Meta Information is one deflate stream."""
    codec: str | None = None
    """Codec family of encapsulated frames; ``None`` for native Pixel Data."""
    big_endian_pixels: bool = False
    """Whether pixels are big endian in a little endian file, as one vendor writes them."""

    native: bool = field(init=False, repr=False, compare=False)
    """Whether frames follow each other without items."""
    pixels_little_endian: bool = field(init=False, repr=False, compare=False)
    """Whether words of native pixels are little endian."""

    def __post_init__(self) -> None:
        little = self.little_endian and not self.big_endian_pixels
        object.__setattr__(self, "native", self.codec is None)
        object.__setattr__(self, "pixels_little_endian", little)


@dataclass(frozen=True, slots=True)
class FileMeta:
    """How the data set is encoded and where it starts."""

    transfer_syntax: TransferSyntax
    framing: Framing
    start: int
    """First byte of the data set."""
    meta_start: int
    """First byte of the File Meta Information."""
    declared: str = ""
    """UID that the file gives, where the caller gives another one."""


_NATIVE: Final = (
    TransferSyntax(IMPLICIT_LITTLE, "Implicit VR Little Endian", implicit_vr=True),
    TransferSyntax(EXPLICIT_LITTLE, "Explicit VR Little Endian"),
    TransferSyntax(
        DEFLATED_LITTLE, "Deflated Explicit VR Little Endian", deflated=True
    ),
    TransferSyntax(EXPLICIT_BIG, "Explicit VR Big Endian", little_endian=False),
    TransferSyntax(
        "1.2.840.113619.5.2",
        "GE Private Implicit VR Little Endian, Big Endian Pixels",
        implicit_vr=True,
        big_endian_pixels=True,
    ),
    TransferSyntax(
        "1.2.840.10008.1.20", "Papyrus 3 Implicit VR Little Endian", implicit_vr=True
    ),
)

_ENCAPSULATED: Final = {
    "1.2.840.10008.1.2.1.98": ("Encapsulated Uncompressed", "uncompressed"),
    "1.2.840.10008.1.2.4.50": ("JPEG Baseline (Process 1)", "jpeg"),
    "1.2.840.10008.1.2.4.51": ("JPEG Extended (Process 2 and 4)", "jpeg"),
    "1.2.840.10008.1.2.4.53": ("JPEG Spectral Selection (Process 6 and 8)", "jpeg"),
    "1.2.840.10008.1.2.4.55": ("JPEG Full Progression (Process 10 and 12)", "jpeg"),
    "1.2.840.10008.1.2.4.57": ("JPEG Lossless (Process 14)", "jpeg"),
    "1.2.840.10008.1.2.4.70": ("JPEG Lossless SV1", "jpeg"),
    "1.2.840.10008.1.2.4.80": ("JPEG-LS Lossless", "jpeg-ls"),
    "1.2.840.10008.1.2.4.81": ("JPEG-LS Near-Lossless", "jpeg-ls"),
    "1.2.840.10008.1.2.4.90": ("JPEG 2000 Lossless", "jpeg-2000"),
    "1.2.840.10008.1.2.4.91": ("JPEG 2000", "jpeg-2000"),
    "1.2.840.10008.1.2.4.92": ("JPEG 2000 Part 2 Lossless", "jpeg-2000"),
    "1.2.840.10008.1.2.4.93": ("JPEG 2000 Part 2", "jpeg-2000"),
    "1.2.840.10008.1.2.4.110": ("JPEG XL Lossless", "jpeg-xl"),
    "1.2.840.10008.1.2.4.111": ("JPEG XL JPEG Recompression", "jpeg-xl"),
    "1.2.840.10008.1.2.4.112": ("JPEG XL", "jpeg-xl"),
    "1.2.840.10008.1.2.4.201": ("High-Throughput JPEG 2000 Lossless", "htj2k"),
    "1.2.840.10008.1.2.4.202": ("High-Throughput JPEG 2000 Lossless RPCL", "htj2k"),
    "1.2.840.10008.1.2.4.203": ("High-Throughput JPEG 2000", "htj2k"),
    "1.2.840.10008.1.2.4.100": ("MPEG2 Main Profile / Main Level", "video"),
    "1.2.840.10008.1.2.4.100.1": ("Fragmentable MPEG2 Main / Main", "video"),
    "1.2.840.10008.1.2.4.101": ("MPEG2 Main Profile / High Level", "video"),
    "1.2.840.10008.1.2.4.101.1": ("Fragmentable MPEG2 Main / High", "video"),
    "1.2.840.10008.1.2.4.102": ("MPEG-4 AVC/H.264 High / 4.1", "video"),
    "1.2.840.10008.1.2.4.102.1": ("Fragmentable H.264 High / 4.1", "video"),
    "1.2.840.10008.1.2.4.103": ("MPEG-4 AVC/H.264 BD-compatible", "video"),
    "1.2.840.10008.1.2.4.103.1": ("Fragmentable H.264 BD-compatible", "video"),
    "1.2.840.10008.1.2.4.104": ("MPEG-4 AVC/H.264 High / 4.2 2D", "video"),
    "1.2.840.10008.1.2.4.104.1": ("Fragmentable H.264 High / 4.2 2D", "video"),
    "1.2.840.10008.1.2.4.105": ("MPEG-4 AVC/H.264 High / 4.2 3D", "video"),
    "1.2.840.10008.1.2.4.105.1": ("Fragmentable H.264 High / 4.2 3D", "video"),
    "1.2.840.10008.1.2.4.106": ("MPEG-4 AVC/H.264 Stereo / 4.2", "video"),
    "1.2.840.10008.1.2.4.106.1": ("Fragmentable H.264 Stereo / 4.2", "video"),
    "1.2.840.10008.1.2.4.107": ("HEVC/H.265 Main / 5.1", "video"),
    "1.2.840.10008.1.2.4.108": ("HEVC/H.265 Main 10 / 5.1", "video"),
    "1.2.840.10008.1.2.5": ("RLE Lossless", "rle"),
    "1.2.840.10008.1.2.8.1": ("Deflated Image Frame Compression", "deflate"),
}

TRANSFER_SYNTAXES: Final[dict[str, TransferSyntax]] = {
    syntax.uid: syntax for syntax in _NATIVE
} | {
    uid: TransferSyntax(uid, name, codec=codec)
    for uid, (name, codec) in _ENCAPSULATED.items()
}
"""Every transfer syntax that lazydicom can index, by UID."""
