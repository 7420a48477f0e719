"""A segmentation on the voxels of another array: by geometry alone, or not at all.

Both must lie in one Frame of Reference, in the same directions, with pixels of one size, and
each plane of one on a plane of the other. Nothing is resampled.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.segments.heights import (
    has_all_planes,
    heights_of,
    is_by_height,
    nearest_planes,
    plane_positions,
    smallest_gap,
)
from lazydicom._arrange.slides.stated import height_of
from lazydicom._array.array import DicomArray
from lazydicom._array.computed import FrameArray
from lazydicom._array.coordinate import SAME_HEIGHT
from lazydicom._array.grid import HOLE, Tiles
from lazydicom.errors import InvalidDicomError, warn

_SAME_DIRECTION: Final = 1e-4
_SAME_SPACING: Final = 1e-3
_LARGEST_PART: Final = 0.1
"""Of a pixel: those of slides are smaller than any tolerance in mm."""
_GEOMETRY: Final = ("orientation", "spacing", "affine", "gantry_tilt")
_ELSEWHERE: Final = "Another Frame of Reference"
_ADVICE: Final = (
    "nothing is resampled here; SimpleITK, ITK, nibabel and highdicom do that"
)


class _Offsets(NamedTuple):
    """Where the planes of a segmentation lie among those of `like`."""

    plane: NDArray[np.int64]
    """The nearest plane of `like` for each, which may be outside of it."""
    beside: NDArray[np.float64]
    """What is left along the normal, in mm."""
    pixels: NDArray[np.float64]
    """Position of the first pixel of `like` in each, counted along x and y."""


def lay_on(array: DicomArray, like: FrameArray, *, tolerance_mm: float) -> DicomArray:
    """Return the array on exactly the z, y and x of `like`, in its order.

    Parameters
    ----------
    array : DicomArray
        With the axes z, y and x, and others before them.
    like : DicomArray or ComputedArray
        A volume, in any order of files; a part of one; a level of a slide.
    tolerance_mm : float
        By how much planes and pixels may lie beside each other, in any direction.

    Raises
    ------
    InvalidDicomError
        If they do not lie on each other: by how many mm, and where first.
    """
    url = array.images[0].url
    _check_reference(array, like, url)
    ours, theirs = _affine(array), _affine(like)
    if ours is None or theirs is None:
        return _same_matrix(array, like, url)
    steps = [_step(like, k, ours, theirs) for k in range(3)]
    theirs[:3, :3] /= steps  # as it was before positions were left out
    if is_by_height(like):
        steps[2] = 1
    elif not _knows_distance(like):
        theirs[:3, 2] = ours[:3, 2] if _knows_distance(array) else 0
    signs = [_direction(ours, theirs, k, url) for k in (0, 1)]
    for one, affine in ((array, ours), (like, theirs)):
        _check_distance(one, affine, url)
    stored = np.flatnonzero((_planes(array) >= 0).any(axis=0))
    offsets = _offsets(array, like, ours, theirs, stored)
    sizes = [*np.linalg.norm(ours[:3, :2], axis=0).tolist(), smallest_gap(array, like)]
    _check_offsets(offsets, stored, sizes, tolerance_mm, url)
    _check_inside(offsets.plane, stored, array, like)
    first = np.rint(offsets.pixels[0]).astype(int).tolist() if stored.size else [0, 0]
    inside = {
        name: _slice(array, like, name, start=first[k], step=signs[k] * steps[k])
        for k, name in enumerate("xy")
    }
    there = offsets.plane % steps[2] == 0
    plane, stored = offsets.plane[there] // steps[2], stored[there]
    placed = _with_planes(array.isel(**inside), like, plane, stored)
    _compare_references(placed, like, url)
    return placed


def say_misfit(array: DicomArray, like: FrameArray, *, tolerance_mm: float) -> str:
    """Return how far something lies beside the voxels of `like`, and what resamples it."""
    try:
        lay_on(array, like, tolerance_mm=tolerance_mm)
    except InvalidDicomError as error:
        ours, theirs = _affine(array), _affine(like)
        if _ELSEWHERE in error.message or ours is None or theirs is None:
            return error.message
        if not np.linalg.det(theirs[:3, :3]):
            return error.message
        inside = np.linalg.solve(theirs, ours[:, 3])
        beside = np.linalg.norm(theirs[:3, :3] @ (inside - np.rint(inside))[:3])
        first = f"its first voxel lies {_mm(float(beside))} beside the nearest of like="
        return f"{first}. {error.message}"
    return "it lies on the voxels of like= as it is"


def _check_reference(array: DicomArray, like: FrameArray, url: str) -> None:
    ours, theirs = (
        {uid for uid in one.frames.text("frame_of_reference_uid").tolist() if uid}
        for one in (array, like)
    )
    if ours and theirs and not ours & theirs:
        raise _misfit(f"{_ELSEWHERE}: positions cannot be compared", url)


def _check_distance(array: FrameArray, affine: NDArray[np.float64], url: str) -> None:
    """Refuse several planes whose distance nobody tells: of focal planes it may lack."""
    count = array.shape[array.dims.index("z")] if "z" in array.dims else 1
    if count > 1 and not affine[:3, 2].any() and heights_of(array) is None:
        message = (
            f"Nothing tells how far {count} planes are apart: none finds its place"
        )
        raise _misfit(message, url)


def _knows_distance(array: FrameArray) -> bool:
    """Return whether the distance of planes is known: of a single one it may be none."""
    single = "z" not in array.dims or array.shape[array.dims.index("z")] == 1
    spacing = array.attrs.get("spacing", [np.nan])
    return not single or bool(np.isfinite(spacing[0]))


def _compare_references(array: DicomArray, like: FrameArray, url: str) -> None:
    """Warn where frames say that they were drawn on another plane than lies there."""
    if like.dims[:1] != ("z",) or like.grid.numbers.ndim != 1 or like.grid.layout:
        return
    table, images = array.frames, like.frames
    places = array.grid.numbers.reshape(-1, like.shape[0])
    segment, plane = np.nonzero((places >= 0) & (like.grid.numbers >= 0))
    rows = table.rows_of(places[segment, plane])
    theirs = images.rows_of(like.grid.numbers[plane])
    named = table.text("source_sop_instance_uid")[rows]
    own = images.text("sop_instance_uid")
    other = named != own[theirs]
    numbers = table.numbers("source_frame_number")[:, 0][rows]
    other |= np.isfinite(numbers) & (numbers != images.frame[theirs] + 1)
    other &= np.isin(named, own)
    if other.any():
        first, count = int(plane[other][0]), int(other.sum())
        message = (
            f"{count} of {len(named)} frames refer to other planes of like= than they lie on,"
            f" the first in plane {first}; positions hold"
        )
        warn(message, url=url)


def _step(
    like: FrameArray, axis: int, ours: NDArray[np.float64], theirs: NDArray[np.float64]
) -> int:
    """Return every how many-th pixel of the segmentation `like` has, after `isel`."""
    sizes = [float(np.linalg.norm(one[:3, axis])) for one in (ours, theirs)]
    if axis < 2 and abs(sizes[0] / sizes[1] - 1) <= _SAME_SPACING:
        return 1
    name = "xyz"[axis]
    if name in like.coords:
        return like.coords[name].step
    crop = dict(zip("yx", like.grid.crop or (), strict=False)).get(name)
    return abs(crop.step) if isinstance(crop, range) and len(crop) > 1 else 1


def _affine(array: FrameArray) -> NDArray[np.float64] | None:
    affine = array.attrs.get("affine")
    return None if affine is None else np.array(affine, np.float64)


def _direction(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], axis: int, url: str
) -> int:
    """Return 1 where both run the same way along an axis of the plane, -1 where not."""
    sizes = [float(np.linalg.norm(one[:3, axis])) for one in (ours, theirs)]
    own, other = ours[:3, axis] / sizes[0], theirs[:3, axis] / sizes[1]
    sign = 1 if float(own @ other) > 0 else -1
    if np.abs(own - sign * other).max() > _SAME_DIRECTION:
        degrees = np.degrees(np.arccos(min(abs(float(own @ other)), 1.0)))
        raise _misfit(f"Axis {'xy'[axis]} is turned by {degrees:.3f} degrees", url)
    if abs(sizes[0] / sizes[1] - 1) > _SAME_SPACING:
        message = (
            f"Pixels along {'xy'[axis]} are {sizes[0]:.6g} mm, in like= {sizes[1]:.6g}"
        )
        raise _misfit(message, url)
    return sign


def _planes(array: DicomArray) -> NDArray[np.int64]:
    """Return the frames of all segments in each plane: (segments, planes)."""
    numbers = array.grid.numbers
    return numbers.reshape(-1, array.shape[array.dims.index("z")])


def _offsets(
    array: DicomArray,
    like: FrameArray,
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    stored: NDArray[np.int64],
) -> _Offsets:
    positions = plane_positions(array, ours)[stored]
    normal = np.cross(theirs[:3, 0], theirs[:3, 1])
    normal /= np.linalg.norm(normal)
    heights = (positions - theirs[:3, 3]) @ normal
    if is_by_height(like):
        most = np.inf if has_all_planes(like) else smallest_gap(array, like) / 2
        plane, first = nearest_planes(
            positions, plane_positions(like, theirs), normal, most
        )
    else:
        step = float(theirs[:3, 2] @ normal)
        nearest = np.rint(heights / step) if step else np.zeros(len(heights))
        plane = nearest.astype(np.int64)
        first = theirs[:3, 3] + plane[:, None] * theirs[:3, 2]
    corner = first - positions
    pixels = np.stack(
        [corner @ one / (one @ one) for one in (ours[:3, 0], ours[:3, 1])], axis=1
    )
    beside = heights - (first - theirs[:3, 3]) @ normal
    return _Offsets(plane, beside, pixels)


def _check_inside(
    plane: NDArray[np.int64],
    stored: NDArray[np.int64],
    array: DicomArray,
    like: FrameArray,
) -> None:
    """Refuse what lies on a focal plane that the level lacks, or on nobody knows which."""
    count = like.shape[like.dims.index("z")] if "z" in like.dims else 1
    outside = np.flatnonzero((plane < 0) | (plane >= count))
    if not outside.size or not isinstance(like.grid.layout, Tiles):
        return
    url = array.images[0].url
    if len(stored) == 1 and height_of(array.images) is None:
        raise _misfit("Nothing tells on which focal plane the segments lie", url)
    if has_all_planes(like):
        first = int(stored[outside[0]])
        raise _misfit(f"Plane {first} lies on no focal plane of like=", url)


def _check_offsets(
    found: _Offsets,
    stored: NDArray[np.int64],
    sizes: Sequence[float],
    tolerance_mm: float,
    url: str,
) -> None:
    """Refuse planes beside those of `like`, and pixels beside its pixels."""
    within = [min(tolerance_mm, _LARGEST_PART * size) for size in sizes]
    _check(np.abs(found.beside), stored, "z", within[2], url)
    if not stored.size:
        return
    whole = np.rint(found.pixels[0])
    for k, name in enumerate("xy"):
        beside = np.abs(found.pixels[:, k] - whole[k]) * sizes[k]
        _check(beside, stored, name, within[k], url)


def _check(
    beside: NDArray[np.float64],
    stored: NDArray[np.int64],
    axis: str,
    tolerance_mm: float,
    url: str,
) -> None:
    wrong = np.flatnonzero(beside > tolerance_mm)
    if wrong.size:
        first = int(wrong[0])
        raise _misfit(
            f"Plane {stored[first]} lies {_mm(beside[first])} beside the nearest of like="
            f" along {axis}",
            url,
        )


def _mm(length: float) -> str:
    """Write a length: micrometres, where the pixels of slides are smaller."""
    return f"{length:.3f} mm" if length >= 0.001 or not length else f"{length:.2g} mm"


def _slice(
    array: DicomArray, like: FrameArray, name: str, *, start: int, step: int
) -> slice:
    """Return the positions of `like` along an axis of the plane."""
    have = array.shape[array.dims.index(name)]
    want = like.shape[like.dims.index(name)]
    last = start + step * (want - 1)
    if min(start, last) < 0 or max(start, last) >= have:
        message = (
            f"Planes have {have} pixels along {name}, those of like= {want}, the first of"
            f" them at {start}"
        )
        raise _misfit(message, array.images[0].url)
    stop = last + step
    return slice(start, None if stop < 0 else stop, step)


def _with_planes(
    array: DicomArray,
    like: FrameArray,
    plane: NDArray[np.int64],
    stored: NDArray[np.int64],
) -> DicomArray:
    """Put the planes where `like` has them; what it has beside them is empty."""
    axis = array.dims.index("z")
    count = like.shape[like.dims.index("z")] if "z" in like.dims else 1
    numbers = array.grid.numbers
    shape = (*numbers.shape[:axis], count, *numbers.shape[axis + 1 :])
    placed = np.full(shape, HOLE, np.int64)
    there = (plane >= 0) & (plane < count)
    from_, to = np.moveaxis(numbers, axis, 0), np.moveaxis(placed, axis, 0)
    to[plane[there]] = from_[stored[there]]
    coords = {k: one for k, one in array.coords.items() if "segment" in one.dims}
    coords |= {k: one for k, one in like.coords.items() if k in {"z", "y", "x"}}
    attrs: dict[str, Any] = dict(array.attrs)
    attrs |= {k: like.attrs[k] for k in _GEOMETRY if k in like.attrs}
    grid = replace(array.grid, numbers=placed)
    return replace(array, grid=grid, coords=coords, attrs=attrs)


def _same_matrix(array: DicomArray, like: FrameArray, url: str) -> DicomArray:
    """Take the array as it is where both are whole planes of one size in one slide.

    Without a Total Pixel Matrix Origin nothing tells where a part of one lies.
    """
    if not all("spacing" in one.attrs for one in (array, like)):
        whose = "like=" if "affine" in array.attrs else "the segmentation"
        message = (
            f"Nothing tells where {whose} lies, or how large its pixels are; open_series"
            " and open_slide give images that say so"
        )
        raise InvalidDicomError(message, url=url)
    sizes = [
        tuple(one.shape[one.dims.index(name)] for name in "yx") for one in (array, like)
    ]
    if sizes[0] != sizes[1]:
        message = (
            f"Planes are {sizes[0]} pixels, in like= {sizes[1]}, without positions"
        )
        raise _misfit(message, url)
    spacings = [np.asarray(one.attrs["spacing"][-2:]) for one in (array, like)]
    if not (np.abs(spacings[0] / spacings[1] - 1) <= _SAME_SPACING).all():
        raise _misfit("Pixels have other sizes than in like=", url)
    if not _is_whole(like):
        message = "Nothing tells where like= lies, which is a part or runs backwards"
        raise _misfit(message, url)
    _check_same_planes(array, like, url)
    return array


def _is_whole(like: FrameArray) -> bool:
    """Return whether an array has all rows and columns of its planes, in their order."""
    sizes = tuple(like.shape[like.dims.index(name)] for name in "yx")
    table = like.frames.instances
    whole = [table[name][0, 0] for name in ("total_rows", "total_columns")]
    crop = like.grid.crop
    in_order = crop is None or tuple(crop[:2]) == tuple(map(range, sizes))
    return in_order and (not np.isfinite(whole).all() or sizes == tuple(whole))


def _check_same_planes(array: DicomArray, like: FrameArray, url: str) -> None:
    """Refuse other directions, and other focal planes or these in another order."""
    own, other = (one.attrs.get("orientation") for one in (array, like))
    if own and other and not np.allclose(own, other, rtol=0, atol=_SAME_DIRECTION):
        raise _misfit("Rows and columns run in other directions than in like=", url)
    counts = [
        one.shape[one.dims.index("z")] if "z" in one.dims else 1
        for one in (array, like)
    ]
    heights = [heights_of(one) for one in (array, like)]
    if counts[0] != counts[1] or (
        heights[0] is not None
        and heights[1] is not None
        and np.abs(heights[0] - heights[1]).max() > SAME_HEIGHT
    ):
        raise _misfit("Planes are other ones than in like=, without positions", url)


def _misfit(message: str, url: str) -> InvalidDicomError:
    return InvalidDicomError(f"{message}; {_ADVICE}", url=url)
