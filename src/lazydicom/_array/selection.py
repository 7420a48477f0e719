"""NumPy's indexing, taken apart: what must be read, and how the result is cut from it.

An expression is split axis by axis into the positions it touches. Their outer product is
the *box* that is read; the expression, counted anew in the box, then gives the result as
NumPy defines it.
"""

import math
from collections.abc import Mapping, Sequence
from operator import index
from types import EllipsisType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass

Positions: TypeAlias = range | NDArray[np.int64]
AxisKey: TypeAlias = int | slice | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Selection:
    """What an index expression touches on each axis."""

    positions: tuple[Positions, ...]
    """Positions to read, by axis."""
    by_axis: tuple[AxisKey, ...]
    """The expression, counted in the box of these positions, one key per axis."""
    ellipsis: int | None = None
    """Where an ellipsis stands that covers no axis: it still parts advanced indices."""

    @property
    def in_box(self) -> tuple[AxisKey | EllipsisType, ...]:
        """The expression, counted in the box of these positions."""
        if self.ellipsis is None:
            return self.by_axis
        before, after = self.by_axis[: self.ellipsis], self.by_axis[self.ellipsis :]
        return (*before, Ellipsis, *after)

    @property
    def box_shape(self) -> tuple[int, ...]:
        """Shape of the box."""
        return tuple(len(positions) for positions in self.positions)

    def box_in(self, out: NDArray[Any]) -> NDArray[Any] | None:
        """Return `out` as the box, where the box has its values in the same order.

        Raises
        ------
        ValueError
            If `out` has not the shape of the result.
        """
        plain = all(type(key) is int or type(key) is slice for key in self.by_axis)
        if plain:
            pairs = zip(self.box_shape, self.by_axis, strict=True)
            expected = tuple(n for n, key in pairs if type(key) is not int)
        else:
            box_of_nothing = np.broadcast_to(np.False_, self.box_shape)
            expected = box_of_nothing[self.in_box].shape
        if out.shape != expected:
            raise ValueError(f"Expected out of shape {expected}, got {out.shape}")
        if plain and out.flags.c_contiguous:
            return out.reshape(self.box_shape)
        if out.size != math.prod(self.box_shape) or not out.flags.c_contiguous:
            return None
        box: NDArray[Any] = out.reshape(self.box_shape)
        there: Any = box[self.in_box]
        same = isinstance(there, np.ndarray) and there.strides == out.strides
        return box if same and there.ctypes.data == out.ctypes.data else None


def select(key: Any, shape: tuple[int, ...]) -> Selection:  # noqa: ANN401
    """Take an index expression apart.

    Raises
    ------
    IndexError
        If it has too many axes, a position out of range, or a new axis.
    """
    sliced = key if type(key) is tuple else (key,)
    if len(sliced) <= len(shape) and all(type(one) is slice for one in sliced):
        return _select_slices(sliced, shape)
    keys, ellipsis = _expand(key, shape)
    by_length = enumerate(zip(keys, shape, strict=True))
    axes = [_axis(one, axis, length) for axis, (one, length) in by_length]
    positions = tuple(positions for positions, _ in axes)
    by_axis = _simplify(positions, tuple(key for _, key in axes))
    return Selection(positions, by_axis, ellipsis)


def _select_slices(keys: tuple[slice, ...], shape: tuple[int, ...]) -> Selection:
    """Return a selection of slices alone, the commonest one: it takes 2 µs, not 8."""
    every = (*keys, *(slice(None),) * (len(shape) - len(keys)))
    positions = [range(length)[one] for length, one in zip(shape, every, strict=True)]
    return Selection(tuple(positions), (slice(None),) * len(shape))


def is_whole(plane: tuple[Positions, ...], lengths: tuple[int, ...]) -> bool:
    """Return whether positions are all of each axis, in order."""
    for positions, length in zip(plane, lengths, strict=True):
        if not isinstance(positions, range) or positions != range(length):
            return False
    return True


def as_slice(positions: Positions) -> slice | NDArray[np.int64]:
    """Return positions as an index; a range as a slice, so that NumPy takes a view."""
    if not isinstance(positions, range):
        return positions
    if not positions:
        return slice(0)  # what counts down from before the first one starts at -1
    stop: int | None = positions.stop
    if stop is not None and stop < 0:
        stop = None
    return slice(positions.start, stop, positions.step)


def axis_keys(
    named: Mapping[str, int | slice], dims: Sequence[str], shape: Sequence[int]
) -> tuple[int | range, ...]:
    """Return the positions on each axis, of keys by the names of axes.

    Raises
    ------
    ValueError
        If no axis has such a name.
    TypeError
        If a key is neither an integer nor a slice.
    IndexError
        If an integer is out of range.

    >>> axis_keys({"y": -1}, ("z", "y"), (3, 8))
    (range(0, 3), 7)
    """
    unknown = [name for name in named if name not in dims]
    if unknown:
        raise ValueError(f"Expected axes of {tuple(dims)}, found {unknown}")
    keys: list[int | range] = []
    for axis, (name, length) in enumerate(zip(dims, shape, strict=True)):
        key = named.get(name, slice(None))
        if isinstance(key, slice):
            keys.append(range(length)[key])
        elif _is_integer(key) and not isinstance(key, bool):
            keys.append(_one(index(key), axis, length)[0].start)
        else:
            kind = type(key).__name__
            raise TypeError(f"Expected an integer or a slice for {name}, found {kind}")
    return tuple(keys)


def _expand(
    key: Any,  # noqa: ANN401
    shape: tuple[int, ...],
) -> tuple[list[Any], int | None]:
    """Write one key per axis, masks as positions; tell where an empty ellipsis stands."""
    keys: list[Any] = []
    for one in key if isinstance(key, tuple) else (key,):
        keys.extend(_without_masks(one))
    ellipses = [place for place, one in enumerate(keys) if one is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    place = ellipses[0] if ellipses else len(keys)
    missing = len(shape) - len(keys) + len(ellipses)
    if missing < 0:
        message = f"too many indices: array is {len(shape)}-dimensional"
        raise IndexError(message)
    keys[place : place + len(ellipses)] = [slice(None)] * missing
    return keys, place if ellipses and missing == 0 else None


def _without_masks(key: Any) -> list[Any]:  # noqa: ANN401
    """Replace a mask by the positions where it is true, one key per axis it covers."""
    if key is Ellipsis or isinstance(key, slice):
        return [key]
    if key is None or isinstance(key, bool | np.bool_):
        raise IndexError("new axes are not supported: index the result")
    array = np.asarray(key)
    if array.dtype != np.bool_ or array.ndim == 0:
        return [key]
    lengths = array.shape
    return [_Masked(at, n) for at, n in zip(array.nonzero(), lengths, strict=True)]


class _Masked(NamedTuple):
    """Positions from a mask, which must be as long as its axis."""

    positions: NDArray[np.int64]
    length: int


def _axis(key: Any, axis: int, length: int) -> tuple[Positions, AxisKey]:  # noqa: ANN401
    if isinstance(key, slice):
        return range(length)[key], slice(None)
    if isinstance(key, int) or _is_integer(key):
        return _one(index(key), axis, length)
    if isinstance(key, _Masked):
        if key.length != length:
            message = (
                f"boolean index did not match: axis {axis} has size {length}, "
                f"the mask {key.length}"
            )
            raise IndexError(message)
        key = key.positions
    array = np.asarray(key)
    if array.size == 0 and not isinstance(key, np.ndarray):
        array = array.astype(np.int64)  # NumPy makes an empty list one of floats
    if array.dtype.kind not in "iu":
        raise IndexError(
            "only integers, slices, ellipsis and integer or boolean arrays are indices"
        )
    if array.ndim == 0:
        return _one(int(array), axis, length)
    outside = array[(array < -length) | (array >= length)]
    if outside.size:
        raise _out_of_bounds(int(outside[0]), axis, length)
    array = array.astype(np.int64)  # small types do not hold a long axis
    array = np.where(array < 0, array + length, array)
    positions, in_box = np.unique(array, return_inverse=True)
    return positions, in_box.reshape(array.shape).astype(np.int64)


def _is_integer(key: Any) -> bool:  # noqa: ANN401
    """Return whether an object stands for an integer: of NumPy, or of anybody."""
    return hasattr(key, "__index__") and not isinstance(key, np.ndarray)


def _one(position: int, axis: int, length: int) -> tuple[range, int]:
    """Touch one position; its axis goes."""
    if not -length <= position < length:
        raise _out_of_bounds(position, axis, length)
    position %= length
    return range(position, position + 1), 0


def _out_of_bounds(position: int, axis: int, length: int) -> IndexError:
    message = f"index {position} is out of bounds for axis {axis} of size {length}"
    return IndexError(message)


def _simplify(
    positions: tuple[Positions, ...], keys: tuple[AxisKey, ...]
) -> tuple[AxisKey, ...]:
    """Take a view of the box where one sorted list is all there is."""
    arrays = [
        (axis, key) for axis, key in enumerate(keys) if isinstance(key, np.ndarray)
    ]
    if len(arrays) != 1 or any(isinstance(key, int) for key in keys):
        return keys
    axis, key = arrays[0]
    if not np.array_equal(key, np.arange(len(positions[axis]))):
        return keys
    return (*keys[:axis], slice(None), *keys[axis + 1 :])
