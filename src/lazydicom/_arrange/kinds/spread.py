"""What tells the frames of one classic multi-frame instance apart, whatever its kind."""

from lazydicom._arrange.kinds.cine import cine_columns
from lazydicom._arrange.kinds.dose import dose_columns
from lazydicom._arrange.kinds.nuclear import is_nuclear, nuclear_columns
from lazydicom._arrange.siemens_mosaic import tile_positions, tile_times
from lazydicom._array.image import DicomImage
from lazydicom._header.columns.column import Columns


def frames_of(image: DicomImage) -> Columns:
    """Return the columns of an instance of several frames, a row per frame."""
    if image.parts is not None:
        times = tile_times(image)
        columns = {"position": tile_positions(image)}
        return columns if times is None else {**columns, "slice_time": times[:, None]}
    header, frames = image.header, image.number_of_planes
    if is_nuclear(header):
        return nuclear_columns(header, frames)
    return {**cine_columns(header, frames), **dose_columns(header, frames)}
