"""The list of codecs; another one is a row here and a row of the transfer syntaxes."""

from typing import Final

from lazydicom._decode.codec import Codec
from lazydicom._decode.codecs.jpeg import JPEG
from lazydicom._decode.codecs.jpeg_2000 import HTJ2K, JPEG_2000
from lazydicom._decode.codecs.jpeg_ls import JPEG_LS
from lazydicom._decode.codecs.jpeg_xl import JPEG_XL
from lazydicom._decode.codecs.native_fragments import DEFLATE, UNCOMPRESSED
from lazydicom._decode.codecs.rle import RLE

CODECS: Final[dict[str, Codec]] = {
    codec.name: codec
    for codec in (
        DEFLATE,
        HTJ2K,
        JPEG,
        JPEG_2000,
        JPEG_LS,
        JPEG_XL,
        RLE,
        UNCOMPRESSED,
    )
}
"""By name, as the table of transfer syntaxes has it."""
