"""Calling a codec, and making its samples stored values of the right type and sign."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.color import interleave, ybr_to_rgb
from lazydicom._decode.native import clear_unused_bits
from lazydicom._header.image_pixel import ImagePixel
from lazydicom.errors import DecodeError, UnsupportedError

_THREADS: Final[ContextVar[int]] = ContextVar("_THREADS", default=1)
_MOST: Final[ContextVar[int]] = ContextVar("_MOST", default=1 << 16)
_WORTH_THREADS: Final = 1 << 19
"""Values of a frame from which on threads of a decoder cost less than they save."""


@contextmanager
def codec_threads(count: int) -> Iterator[None]:
    """Allow a decoder so many threads meanwhile, for one frame at a time."""
    token = _THREADS.set(count)
    try:
        yield
    finally:
        _THREADS.reset(token)


def is_worth_threads(out: NDArray[Any]) -> bool:
    """Return whether a frame is so large that a decoder gains by threads of its own."""
    return out.size >= _WORTH_THREADS


def at_most(count: int | None) -> AbstractContextManager[None]:
    """Allow no decoder more threads meanwhile, whatever it is allowed elsewhere."""
    return nullcontext() if count is None else _at_most(count)


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    token = _MOST.set(count)
    try:
        yield
    finally:
        _MOST.reset(token)


def most_threads() -> int:
    """Return how many threads the caller of this read allows."""
    return _MOST.get()


def allowed_threads(out: NDArray[Any]) -> int:
    """Return how many threads may decode a frame into `out`: one, unless it is large."""
    return min(_THREADS.get(), _MOST.get()) if is_worth_threads(out) else 1


def call_codec(
    decode: Callable[..., Any],
    data: BytesLike,
    *arguments: Any,  # noqa: ANN401
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Call a function of imagecodecs; what it raises becomes an error of ours."""
    try:
        return decode(data, *arguments, **options)
    except ImportError as error:
        message = f"This build of imagecodecs lacks a codec: {error}"
        raise UnsupportedError(message) from error
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise DecodeError(f"The codestream does not decode: {error}") from error
    except MemoryError as error:
        raise DecodeError("The codestream asks for too much memory") from error


def decode_samples(
    decode: Callable[..., Any],
    data: BytesLike,
    out: NDArray[Any],
    *,
    bits: int,
    signed: bool = False,
    **options: Any,  # noqa: ANN401
) -> None:
    """Decode samples of `bits` bits into `out`, straight where the sizes agree.

    Codecs give samples of up to 8 bits as bytes, whatever BitsAllocated is; `signed` if
    the codestream says so itself.
    """
    if _itemsize(bits) == out.itemsize:
        call_codec(decode, data, out=out, **options)
        return
    narrow = np.empty(out.shape, f"{'ui'[signed]}{_itemsize(bits)}")
    call_codec(decode, data, out=narrow, **options)
    out[...] = narrow


class SamplesDecoding(NamedTuple):
    """How samples of a codestream become stored values, decided once for many."""

    decode: Callable[..., object]
    """Decodes samples into ``out=``."""
    fit: Callable[[NDArray[Any]], None] | None
    """Makes stored values of samples, ``None``: they are."""
    to_rgb: bool
    """Whether they become RGB afterwards."""

    def into(self, data: BytesLike, out: NDArray[Any]) -> None:
        """Decode one frame."""
        self.decode(data, out=out)
        if self.fit is not None:
            self.fit(out)
        if self.to_rgb:
            to_rgb(out)


def samples_decoder(
    decode: Callable[..., Any],
    bits: int,
    pixel: ImagePixel,
    **options: Any,  # noqa: ANN401
) -> Callable[..., object]:
    """Return what `decode_samples` does, for all frames of `bits` bits: ``(data, out=)``."""
    if _itemsize(bits) == pixel.dtype.itemsize:
        return partial(call_codec, decode, **options)
    return partial(decode_samples, decode, bits=bits, **options)


def decode_planes(
    decode: Callable[..., Any],
    data: BytesLike,
    out: NDArray[Any],
    *,
    bits: int,
    **options: Any,  # noqa: ANN401
) -> None:
    """Decode samples that come as one plane after the other."""
    planes = np.empty((out.shape[-1], *out.shape[:2]), out.dtype)
    decode_samples(decode, data, planes, bits=bits, **options)
    interleave(planes, out)


def fit_bits(
    values: NDArray[Any],
    bits: int,
    pixel: ImagePixel,
    *,
    signed: bool = False,
    lossy: bool = False,
) -> None:
    """Make stored values of samples of `bits` bits (PS3.5 section 8.1.1).

    What is above BitsStored is no part of a value: encoders leave signs there, overlays and
    what was there before. Of a codestream with fewer bits its own count.

    Parameters
    ----------
    values : ndarray
        As the decoder gave them, in the dtype of stored values.
    bits : int
        The precision of the codestream.
    pixel : ImagePixel
        Says how many bits are stored, and whether with a sign.
    signed : bool
        Whether the codestream knows a sign, and the decoder extended it.
    lossy : bool
        Loss may carry an unsigned value beyond the largest one: it becomes the largest, where
        a mask would make black of white.
    """
    fit = fitting(bits, pixel, signed=signed, lossy=lossy)
    if fit is not None:
        fit(values)


def fitting(
    bits: int, pixel: ImagePixel, *, signed: bool = False, lossy: bool = False
) -> Callable[[NDArray[Any]], None] | None:
    """Return what makes stored values of such samples in place; see `fit_bits`.

    ``None`` where they are as they come.
    """
    if are_stored_values(bits, pixel, signed=signed):
        return None
    if _has_low_bits(bits, pixel):
        return partial(clear_unused_bits, pixel=pixel)
    width = min(bits, pixel.bits_stored)
    largest = (1 << width) - 1
    if lossy and not signed and not pixel.pixel_representation:
        return partial(_clip, largest)
    if pixel.dtype.kind == "u":  # a mask takes a quarter of the time of two shifts
        return partial(_mask, pixel.dtype.type(largest))
    return partial(_extend_sign, pixel.dtype.itemsize * 8 - width)


def _clip(largest: int, values: NDArray[Any]) -> None:
    np.minimum(values, largest, out=values)


def _mask(used: np.generic, values: NDArray[Any]) -> None:
    np.bitwise_and(values, used, out=values)


def _extend_sign(spare: int, values: NDArray[Any]) -> None:
    np.left_shift(values, spare, out=values)
    np.right_shift(values, spare, out=values)


def are_stored_values(bits: int, pixel: ImagePixel, *, signed: bool = False) -> bool:
    """Return whether samples of `bits` bits are stored values as they come; see `fit_bits`."""
    if _has_low_bits(bits, pixel):
        return False
    width = min(bits, pixel.bits_stored)
    done = signed == bool(pixel.pixel_representation) and bits == width
    return done or width == 8 * pixel.dtype.itemsize


def _has_low_bits(bits: int, pixel: ImagePixel) -> bool:
    """Return whether there are bits below the lowest stored one."""
    return bool(pixel.low_bits) and bits > pixel.high_bit


def to_rgb(values: NDArray[Any]) -> None:
    """Convert stored YBR_FULL to RGB in place."""
    if values.dtype != np.uint8:
        raise UnsupportedError(
            f"YCbCr of type {values.dtype} is not converted: open it with"
            ' color="stored"'
        )
    ybr_to_rgb(values)


def _itemsize(bits: int) -> int:
    return 1 if bits <= 8 else 2 if bits <= 16 else 4
