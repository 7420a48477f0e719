"""`stored_mask`: where pixels are stored, and where there are holes."""

from dataclasses import replace
from typing import Any

import numpy as np

from lazydicom._array.array import DicomArray
from lazydicom._array.pieces import pieces
from lazydicom._array.selection import select


def stored_mask(array: DicomArray, key: Any = ...) -> Any:  # noqa: ANN401 (NumPy's own)
    """Return whether each pixel is stored; nothing is read.

    Parameters
    ----------
    array : DicomArray
        A level of a slide, or a series with holes.
    key : index expression
        As that of `array`, without the axis of samples; by default everything.

    Returns
    -------
    ndarray of bool
        Of the shape of ``array[key]``, without the axis of samples.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> array = lazydicom.open_image(get_testdata_file("rtdose.dcm", download=False))
    >>> lazydicom.stored_mask(array, (3, slice(4, 6), 0))
    array([ True,  True])
    """
    colored = array.dims[-1:] == ("sample",)
    lengths = array.shape[:-1] if colored else array.shape
    selection = select(key, lengths)
    if 0 in selection.box_shape:
        return np.zeros(selection.box_shape, bool)[selection.in_box]
    whole = selection
    if colored:
        samples = (range(array.shape[-1]),)
        whole = replace(selection, positions=(*selection.positions, *samples))
    wanted = pieces(array.grid, whole, array.images[0].format.pixel.frame_shape)
    mask = np.zeros(wanted.box_shape[:3], bool)
    stored = np.argwhere(wanted.frames >= 0).tolist()
    for plane, row, column in stored:
        mask[wanted.target(plane, row, column)] = True
    return mask.reshape(selection.box_shape)[selection.in_box]
