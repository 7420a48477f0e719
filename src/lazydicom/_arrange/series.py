"""From the frames of a series to arrays: grouped, cut where allowed, placed on a grid."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.axes.find import COUNTERS, Axis, find_axes, intervals_contradict
from lazydicom._arrange.axes.labels import (
    axis_labels,
    component_label,
    frame_labels,
    geometry_labels,
    moved_origins,
)
from lazydicom._arrange.concatenation import object_order
from lazydicom._arrange.cuts import (
    header_cut,
    mixed_repetition,
    overlapping_acquisitions,
    place_moved,
    shifted_acquisitions,
)
from lazydicom._arrange.faults import Fault, PlacedFrames, faults_of
from lazydicom._arrange.frame_table import tabulate_images
from lazydicom._arrange.geometry import (
    Planes,
    find_planes,
    group_orientations,
    group_spacings,
    has_position,
    has_spacing,
    normal_of,
    spans_plane,
    stack_planes,
)
from lazydicom._arrange.unplaced import faults_without_places, line_up
from lazydicom._array.array import DicomArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import (
    Codes,
    FrameTable,
    coded,
    combine,
    count_objects,
    determined,
)
from lazydicom._array.grid import HOLE, FrameGrid, empty_places
from lazydicom._array.image import DicomImage
from lazydicom._array.table_loader import FrameTableLoader
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import InvalidDicomError, warn

OnGap: TypeAlias = Literal["error", "fill", "split"]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the caller decided."""

    on_gap: OnGap = "error"
    fill_value: float | None = None
    source: bool = False


def make_choices(on_gap: OnGap, fill_value: float | None, *, source: bool) -> Choices:
    """Check what the caller decided.

    Raises
    ------
    ValueError
        If `on_gap` is a word that nobody knows: it must not stand for another.
    """
    if on_gap not in get_args(OnGap):
        message = f"on_gap must be 'error', 'fill' or 'split', not {on_gap!r}"
        raise ValueError(message)
    return Choices(on_gap, fill_value, source)


def uniform_parts(table: FrameTable) -> list[FrameTable]:
    """Cut frames into those of one orientation, spacing, size, type and colour."""
    kinds: dict[tuple[object, ...], int] = {}
    places = zip(
        group_orientations(table.numbers("orientation")).tolist(),
        group_spacings(table.numbers("pixel_spacing")).tolist(),
        _has_position(table).tolist(),
        strict=True,
    )
    looks = _looks(table.images)
    keys = np.array(
        [
            kinds.setdefault((*place, looks[image]), len(kinds))
            for place, image in zip(places, table.image.tolist(), strict=True)
        ]
    )
    parts = [table.take(np.flatnonzero(keys == k)) for k in range(len(kinds))]
    return sorted(parts, key=_first_instance)


def _looks(images: Sequence[DicomImage]) -> list[int]:
    """Return a number for each image; arrays hold frames of images of one number."""
    numbers: dict[tuple[object, ...], int] = {}
    known: dict[tuple[int, int], int] = {}  # images read together share their format
    for image in images:
        key = (id(image.format), id(image.parts))
        if key not in known:
            known[key] = numbers.setdefault(_look(image), len(numbers))
    return [known[id(image.format), id(image.parts)] for image in images]


def _look(image: DicomImage) -> tuple[object, ...]:
    """Return what decoded frames of one array have in common."""
    format_, pixel = image.format, image.format.pixel
    meaning = pixel.photometric_interpretation
    if pixel.samples_per_pixel > 1 and format_.converts_to_rgb:
        meaning = "RGB"
    return (pixel.frame_shape, image.parts, pixel.dtype, meaning)


def arrange(table: FrameTable, choices: Choices) -> list[DicomArray]:
    """Arrange the frames of a uniform part; several arrays if cut.

    Raises
    ------
    InvalidDicomError
        If frames are missing, stand twice or lie at uneven distances, and the caller
        chose nothing that helps.
    """
    table = table.take(_in_order(table))
    if not _has_geometry(table):
        pieces = _cut(table, faults_without_places(table), choices)
        if pieces is not None:
            return [array for piece in pieces for array in arrange(piece, choices)]
        return [_array(table, *line_up(table, source=choices.source), fill_value=None)]
    placed, faults = _find_faults(_place(table))
    pieces = _cut(table, faults, choices)
    if pieces is not None:
        return [array for piece in pieces for array in arrange(piece, choices)]
    return [_on_grid(placed, choices)]


def _find_faults(placed: PlacedFrames) -> tuple[PlacedFrames, list[Fault]]:
    """Return why frames are no full grid, by what the header says before geometry.

    Volumes that moved by a fraction of a pixel are put above each other.
    """
    if _is_full(placed):
        repeated = any(axis.source in COUNTERS for axis in placed.axes)
        mixed = mixed_repetition(placed) if repeated else None
        return placed, _alternating_acquisitions(placed) if mixed is None else [mixed]
    faults = list(faults_of(placed))
    if not any(fault.is_of_places for fault in faults):
        passes = overlapping_acquisitions(placed, _place)
        return placed, faults if passes is None else [passes]
    planes = place_moved(placed, _place, _pixel_mm(placed.table))
    if planes is not None:
        moved = _with_planes(placed.table, planes)
        return moved, list(faults_of(moved))
    cut = header_cut(placed, _place)
    if cut is None:
        return placed, faults
    fillable = all(fault.can_be_filled for fault in faults)
    return placed, [replace(cut, can_be_filled=fillable)]


def _is_full(placed: PlacedFrames) -> bool:
    """Return whether one frame stands at each place of an even grid."""
    planes, stack, axes = placed.planes, placed.stack, placed.axes
    if stack is None or placed.segments is not None or planes.fields.max():
        return False
    shape = (*(axis.length for axis in axes), int(stack.slots[-1]) + 1)
    if math.prod(shape) != len(placed.table):
        return False
    codes = (*(axis.codes for axis in axes), stack.slots[planes.index])
    counts = np.bincount(np.ravel_multi_index(codes, shape))
    return int(counts.max()) == 1


def _alternating_acquisitions(placed: PlacedFrames) -> list[Fault]:
    """Return why a full grid is of several volumes; a warning does where it may be one."""
    if len(np.unique(placed.table.numbers("acquisition_number"))) == 1:
        return []
    shifted = shifted_acquisitions(placed, _place)
    if shifted is not None and _is_ct(placed.table):
        return [shifted]
    if shifted is not None:
        warn(shifted.message, url=placed.table.images[0].url)
    return []


def _is_ct(table: FrameTable) -> bool:
    """Return whether planes are taken one after the other: others interleave them."""
    return set(table.text("modality").tolist()) == {"CT"}


def _in_order(table: FrameTable) -> Rows:
    """Order frames in a way that does not depend on the names of files."""
    own = count_objects(table.instances["sop_instance_uid"])
    by_instance: list[NDArray[Any]] = [own]
    if table.has_text("concatenation_uid"):
        whole, offset = object_order(table)
        by_instance = [own, offset, whole]
    number = table.numbers("instance_number")[:, 0]
    keys = [key[table.image] for key in by_instance]
    return np.lexsort((table.frame, *keys, number))


def _first_instance(table: FrameTable) -> tuple[float, int, str]:
    number = table.numbers("instance_number")[:, 0]
    uid = min(table.text("sop_instance_uid").tolist())
    return (float(np.nan_to_num(number, nan=np.inf).min()), -len(table), uid)


def _has_geometry(table: FrameTable) -> bool:
    return bool(_has_position(table).all())


def _has_position(table: FrameTable) -> NDArray[np.bool_]:
    oriented = spans_plane(table.numbers("orientation"))
    return np.logical_and(has_position(table.numbers("position")), oriented)


def _pixel_mm(table: FrameTable) -> float:
    spacing = table.numbers("pixel_spacing")[:1]
    return float(spacing.min()) if has_spacing(spacing).all() else 1.0


def _place(table: FrameTable) -> PlacedFrames:
    normal = normal_of(table.numbers("orientation")[0])
    planes = find_planes(table.numbers("position"), normal, _pixel_mm(table))
    return _with_planes(table, planes)


def _with_planes(table: FrameTable, planes: Planes) -> PlacedFrames:
    normal = normal_of(table.numbers("orientation")[0])
    stack = stack_planes(planes, normal, _pixel_mm(table))
    alone = np.bincount(planes.index).max() == 1
    axes = [] if alone else find_axes(table, planes.index)
    return PlacedFrames(table, planes, stack, axes, _mixed_segments(table, axes))


def _cut(
    table: FrameTable, faults: Iterable[Fault], choices: Choices
) -> list[FrameTable] | None:
    """Cut what is no full grid, or say why it is none; ``None`` where it is one."""
    for fault in faults:
        if choices.on_gap == "split":
            cut = fault.cut
            parts = [np.flatnonzero(cut == k) for k in np.unique(cut)]
            if len(parts) > 1:
                return [table.take(rows) for rows in parts]
        elif choices.on_gap == "error" or not fault.can_be_filled:
            raise InvalidDicomError(f"{fault.message}. {fault.advice}")
        else:
            warn(fault.message, url=table.images[0].url)
    return None


def _on_grid(placed: PlacedFrames, choices: Choices) -> DicomArray:
    """Put every frame into its place."""
    table, stack, axes = placed.table, placed.stack, placed.axes
    assert stack is not None, "uneven gaps were cut or refused"
    dims = (*(axis.name for axis in axes), "z")
    shape = (*(axis.length for axis in axes), int(stack.slots[-1]) + 1)
    places = empty_places(shape, url=table.images[0].url)
    slot = stack.slots[placed.planes.index]
    places[(*(axis.codes for axis in axes), slot)] = np.arange(len(table))
    frame_shape = table.images[0].plane_shape
    coords, attrs = frame_labels(table, places, dims, source=choices.source)
    for axis in axes:
        coords |= axis_labels(axis, axes, table)
        if axis.name == "repeat":
            message = "Nothing but Instance Number tells frames of one plane apart"
            warn(message, url=table.images[0].url)
    coords |= component_label(table, places, dims)
    coords |= moved_origins(
        table, placed.planes, stack, (places, dims), pixel_mm=_pixel_mm(table)
    )
    _warn_of_contradictions(placed)
    where, geometry = geometry_labels(table, placed.planes, stack, frame_shape)
    holes = int((places == HOLE).sum())
    if holes:
        attrs["number_of_holes"] = holes
    coords, attrs = coords | where, attrs | geometry
    fill_value = choices.fill_value
    return _array(table, places, dims, coords, attrs, fill_value=fill_value)


def _warn_of_contradictions(placed: PlacedFrames) -> None:
    """Warn where something says that frames lie elsewhere."""
    table = placed.table
    if _indices_contradict(table, placed.planes.index):
        message = "In-Stack Positions contradict positions in the patient, which hold"
        warn(message, url=table.images[0].url)
    for axis in placed.axes:
        if intervals_contradict(axis, table, placed.planes.index):
            message = (
                f"Planes do not keep step along {axis.name}: some may lack a frame"
            )
            warn(message, url=table.images[0].url)
    for name in _mixed_kinds(table, placed.axes):
        warn(f"Planes of one volume differ in {name}", url=table.images[0].url)
    frames_of_reference = set(table.text("frame_of_reference_uid").tolist()) - {""}
    if len(frames_of_reference) > 1:
        message = "Positions are taken for those of one Frame of Reference, found "
        warn(f"{message}{len(frames_of_reference)}", url=table.images[0].url)


def _indices_contradict(table: FrameTable, planes: Codes) -> bool:
    """Return whether one position in a stack means several planes, or the other way round."""
    stacks = coded(table.text("stack_id"))
    places = combine(stacks, coded(table.numbers("in_stack_position")))
    known = bool(np.isfinite(table.numbers("in_stack_position")).all())
    return known and not (determined(planes, places) and determined(places, planes))


def _mixed_segments(table: FrameTable, axes: list[Axis]) -> Codes | None:
    """Return the segment of each frame, ``None`` where the axes tell segments apart."""
    segments = coded(table.numbers("segment_number"))
    volumes = _volumes(table, axes)
    return None if determined(volumes, segments) else segments


def _mixed_kinds(table: FrameTable, axes: list[Axis]) -> list[str]:
    """Name what differs between planes of one volume, and no axis tells apart."""
    volumes = _volumes(table, axes)
    kinds = {
        name: coded(table.numbers(name))
        for name in ("echo_time", "inversion_time", "b_value", "diffusion_direction")
    }
    for name in ("complex_component", "frame_type"):
        words = table.text(name)
        if (words != words[0]).any():
            kinds[name] = coded(words)
    return [n for n, codes in kinds.items() if not determined(volumes, codes)]


def _volumes(table: FrameTable, axes: list[Axis]) -> Codes:
    """Return each frame the number of its volume: its place on all axes."""
    return combine(np.zeros(len(table), np.int64), *(axis.codes for axis in axes))


def _array(
    table: FrameTable,
    places: NDArray[np.int64],
    dims: tuple[str, ...],
    coords: dict[str, Coordinate],
    attrs: dict[str, Any],
    *,
    fill_value: float | None,
) -> DicomArray:
    dtype = table.images[0].format.pixel.dtype
    if fill_value is not None and not _fits(fill_value, dtype):
        raise ValueError(f"fill_value {fill_value!r} is no {dtype}")
    own = table.grid_numbers
    numbers = np.append(own, HOLE)[places]
    rows = table.take(np.argsort(own, kind="stable"))  # in the order of files
    loader = FrameTableLoader(table.images, tabulate_images, rows)
    return DicomArray(
        table.images,
        FrameGrid(numbers, table.images[0].parts),
        (*dims, *("y", "x", "sample")[: len(table.images[0].plane_shape)]),
        coords=coords,
        attrs=attrs,
        fill_value=fill_value,
        load_frames=loader,
    )


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max
