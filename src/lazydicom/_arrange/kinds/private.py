"""What vendors say in private elements, for instances that lack the public attribute.

Diffusion weightings of GE, Siemens, Philips, Canon and United Imaging, directions in the
patient's coordinates; whether an image of GE is magnitude, phase, real or imaginary; the
scale slope of Philips, which gives the values of the scanner (vendors' conformance
statements; the readers of others agree).
"""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.csa import csa_numbers
from lazydicom._arrange.geometry import spans_plane, unit_directions
from lazydicom._array.frame_table import FrameTable, complete
from lazydicom._header import tags
from lazydicom._header.columns.column import in_capitals

Numbers = NDArray[np.float64]

_B_VALUES: Final = (
    "ge_b_value",
    "siemens_b_value",
    "philips_b_value",
    "uih_b_value",
)
_GE_FLAG: Final = 1_000_000_000
"""GE adds it to b-values of some sequences."""
_GE_KINDS: Final = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")
"""By number."""
_SIGNS: Final = {
    "COL": ((1, 1, -1), (-1, 1, 1), (-1, -1, 1)),
    "ROW": ((1, -1, -1), (1, 1, 1), (-1, 1, 1)),
}
"""Of gradients of GE along rows, columns and normal, by phase encoding; for planes that are
nearly sagittal, coronal, axial. As other readers have found out."""
_CANON: Final = re.compile(r"b=([0-9.]+)\(([-0-9.]+),([-0-9.]+),([-0-9.]+)\)")
"""What Canon writes into Image Comments."""
_CSA_NAMES: Final = ("B_value", "DiffusionGradientDirection")


def complete_private(table: FrameTable) -> None:
    """Let what vendors say stand where the public attribute is absent."""
    _complete_from_csa(table)
    _complete_from_comments(table)
    b_values = np.full((len(table) if _has(table, *_B_VALUES) else 0, 1), np.nan)
    for name in _B_VALUES if len(b_values) else ():
        column = table.numbers(name)
        flagged = column >= _GE_FLAG
        known = np.isfinite(column) & np.isnan(b_values)
        b_values[known] = np.where(flagged, column - _GE_FLAG, column)[known]
    if len(b_values):
        complete(table, "b_value", b_values)
    for directions in (_siemens(table), _philips(table), _uih(table), _ge(table)):
        if directions is not None:
            complete(table, "diffusion_direction", directions)
    _complete_components(table)
    _complete_scale(table)


def _has(table: FrameTable, *names: str) -> bool:
    """Return whether there is a column of one of these names."""
    return any(name in table.instances or name in table.columns for name in names)


def _siemens(table: FrameTable) -> Numbers | None:
    if not _has(table, "siemens_direction"):
        return None
    return _none_for_zero(table.numbers("siemens_direction"))


def _philips(table: FrameTable) -> Numbers | None:
    if not _has(table, "philips_x"):
        return None
    parts = [table.numbers(f"philips_{name}") for name in "xyz"]
    return _none_for_zero(np.concatenate(parts, axis=1))


def _uih(table: FrameTable) -> Numbers | None:
    """Return directions that count along rows, columns and planes of the image."""
    if not _has(table, "uih_direction"):
        return None
    return _turned(table, _none_for_zero(table.numbers("uih_direction")))


def _ge(table: FrameTable) -> Numbers | None:
    """Return directions that count along frequency, phase and planes."""
    names = ("ge_frequency", "ge_phase", "ge_slice")
    if not _has(table, *names):
        return None
    logical = _none_for_zero(
        np.concatenate([table.numbers(name) for name in names], axis=1)
    )
    if logical is None:
        return None
    by_rows = table.text("phase_encoding") == "ROW"
    along = np.where(by_rows[:, None], logical[:, [1, 0, 2]], logical)
    return _turned(table, along * _signs(table, by_rows))


def _signs(table: FrameTable, by_rows: NDArray[np.bool_]) -> Numbers:
    """Return which way gradients count along rows, columns and normal."""
    orientation = table.numbers("orientation")
    if orientation.shape[1] != 6:
        return np.ones((len(table), 3))
    normals = np.nan_to_num(np.cross(orientation[:, :3], orientation[:, 3:]))
    table_of_signs = np.array([_SIGNS["COL"], _SIGNS["ROW"]], np.float64)
    facing = np.abs(normals).argmax(axis=1)
    signs: Numbers = table_of_signs[by_rows.astype(np.int64), facing]
    return signs


def _none_for_zero(directions: Numbers) -> Numbers | None:
    """Return directions, NaN where there is none; nothing where there is none at all."""
    if directions.shape[1] != 3 or not np.isfinite(directions).any():
        return None
    known = directions.copy()
    known[~np.nan_to_num(directions).any(axis=1)] = np.nan
    return known


def _turned(table: FrameTable, directions: Numbers | None) -> Numbers | None:
    """Turn directions along rows, columns and normal into those of the patient."""
    orientation = table.numbers("orientation")
    if directions is None or not spans_plane(orientation).all():
        return None
    rows, columns = np.split(unit_directions(orientation), 2, axis=1)
    axes = np.stack([rows, columns, np.cross(rows, columns)], axis=2)
    turned: Numbers = np.einsum("nij,nj->ni", axes, directions)
    return turned


def _complete_from_csa(table: FrameTable) -> None:
    """Read the CSA headers of Siemens images whose private elements were lost."""
    lost = _are_made_by(table, "siemens")
    if not lost.any():
        return
    for name in ("b_value", "siemens_b_value"):
        lost &= np.isnan(table.numbers(name)[:, 0])
    if not _share_places(table, lost):
        return
    b_values, directions = (
        np.full((len(table), 1), np.nan),
        np.full((len(table), 3), np.nan),
    )
    for number in np.unique(table.image[lost]).tolist():
        found = csa_numbers(table.images[number].header.elements, _CSA_NAMES)
        own = table.image == number
        for name, column in zip(_CSA_NAMES, (b_values, directions), strict=True):
            if name in found and len(found[name]) == column.shape[1]:
                column[own] = found[name]
    complete(table, "b_value", b_values)
    complete(table, "diffusion_direction", directions)


def _are_made_by(table: FrameTable, maker: str) -> NDArray[np.bool_]:
    """Return which frames are MR of a manufacturer."""
    nothing = np.zeros(len(table.images), np.str_)
    makers, modalities = (
        table.instances.get(name, nothing) for name in ("manufacturer", "modality")
    )
    theirs = np.char.startswith(in_capitals(makers.astype(np.str_)), maker.upper())
    of_images: NDArray[np.bool_] = theirs & (modalities == "MR")
    return of_images[table.image]


def _share_places(table: FrameTable, rows: NDArray[np.bool_]) -> bool:
    """Return whether several frames of a series lie at one place, or in one mosaic."""
    if not rows.any():
        return False
    if any(table.images[k].parts is not None for k in np.unique(table.image[rows])):
        return True
    series = np.unique(table.text("series_instance_uid")[rows], return_inverse=True)[1]
    places = np.concatenate([series[:, None], table.numbers("position")[rows]], axis=1)
    return len(np.unique(places, axis=0)) < len(places)


def _complete_from_comments(table: FrameTable) -> None:
    """Read b-value and direction that Canon writes as text; the text is not kept."""
    theirs = _are_made_by(table, "canon") | _are_made_by(table, "toshiba")
    if not theirs.any():
        return
    theirs &= np.isnan(table.numbers("diffusion_direction")[:, 0])
    if not _share_places(table, theirs):
        return
    b_values, directions = (
        np.full((len(table), 1), np.nan),
        np.full((len(table), 3), np.nan),
    )
    for number in np.unique(table.image[theirs]).tolist():
        texts = table.images[number].header.elements.get(tags.IMAGE_COMMENTS, "LO")
        match = _CANON.search(str(texts[0])) if texts else None
        if match is not None:
            b_values[table.image == number] = float(match[1])
            y, x, z = (float(match[k]) for k in (2, 3, 4))
            directions[table.image == number] = (x, y, z)
    complete(table, "b_value", b_values)
    signs = _signs(table, np.zeros(len(table), np.bool_))
    turned = _turned(table, _none_for_zero(directions * signs))
    if turned is not None:
        complete(table, "diffusion_direction", turned)


def _complete_components(table: FrameTable) -> None:
    """Let what GE says stand where types of frames do not tell phase from magnitude."""
    if not _has(table, "ge_image_kind"):
        return
    kinds = table.numbers("ge_image_kind")[:, 0]
    if not np.isfinite(kinds).any():
        return
    public = table.text("complex_component")
    series, types = table.text("series_instance_uid"), table.text("frame_type")
    words = public.astype(np.promote_types("U9", public.dtype))
    for uid in np.unique(series):
        own = series == uid
        if (public[own] == "").all() and len(np.unique(types[own])) == 1:
            for number, word in enumerate(_GE_KINDS):
                words[own & (kinds == number)] = word
    table.columns["complex_component"] = words


def _complete_scale(table: FrameTable) -> None:
    """Let the scale slope of Philips map values where no Real World Value Mapping does.

    The value of the scanner is (stored · rescale slope + intercept) / (rescale slope · scale
    slope).
    """
    scale = table.numbers("philips_scale_slope")
    if not np.isfinite(scale).any():
        return
    slope, intercept = (
        table.numbers("rescale_slope"),
        table.numbers("rescale_intercept"),
    )
    free = table.numbers("has_real_world_values") == 0
    usable = (
        free & (scale > 0) & np.isfinite(slope) & (slope != 0) & np.isfinite(intercept)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.where(usable, 1 / scale, np.nan)
        intercepts = np.where(usable, intercept / (slope * scale), np.nan)
    complete(table, "real_world_slope", slopes)
    complete(table, "real_world_intercept", intercepts)
