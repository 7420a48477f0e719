"""An index of segment numbers that takes labels, too: ``seg.sel(segment="Liver")``."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from xarray.core.indexing import IndexSelResult
from xarray.indexes import PandasIndex

_SEGMENT, _LABEL = "segment", "label"


class SegmentIndex(PandasIndex):
    """Segment numbers, which may be selected by the label of the segment.

    Examples
    --------
    >>> import xarray as xr
    >>> coords = {"segment": [3, 7], "label": ("segment", ["Liver", "Spleen"])}
    >>> seg = index_by_label(xr.DataArray([30, 70], coords, dims="segment"))
    >>> int(seg.sel(segment="Spleen")), int(seg.sel(segment=7))
    (70, 70)
    """

    labels: Mapping[str, tuple[int, ...]]
    """Numbers by label: nothing forbids that two segments have one."""
    __slots__ = ("labels",)

    @classmethod
    def from_variables(
        cls, variables: Mapping[Any, xr.Variable], *, options: Mapping[str, Any]
    ) -> "SegmentIndex":
        """Make an index of segment numbers; the option `labels` are their labels."""
        index = super().from_variables(variables, options={})
        assert isinstance(index, cls)
        index.labels = options.get("labels", {})
        return index

    def _replace(
        self,
        index: Any,  # noqa: ANN401 (of pandas)
        dim: Any = None,  # noqa: ANN401
        coord_dtype: Any = None,  # noqa: ANN401
    ) -> "SegmentIndex":
        replaced: SegmentIndex = super()._replace(  # type: ignore[no-untyped-call]
            index, dim, coord_dtype
        )
        replaced.labels = self.labels
        return replaced

    def sel(
        self,
        labels: dict[Any, Any],
        method: str | None = None,
        tolerance: Any = None,  # noqa: ANN401
    ) -> IndexSelResult:
        """Select by number or label.

        Raises
        ------
        KeyError
            If no segment has this label, or two have it.
        """
        numbers = {name: self._number(key) for name, key in labels.items()}
        return super().sel(numbers, method, tolerance)

    def _number(self, key: Any) -> Any:  # noqa: ANN401
        if isinstance(key, list | tuple):
            return [self._number(one) for one in key]
        if isinstance(key, np.ndarray) and key.dtype.kind in "UO":
            return self._number(key.tolist())
        if not isinstance(key, str):
            return key
        numbers = self.labels.get(key, ())
        if len(numbers) != 1:
            raise KeyError(f"{len(numbers)} segments are {key!r}")
        return numbers[0]


def index_by_label(array: xr.DataArray) -> xr.DataArray:
    """Let segments be selected by label, where labels are a coordinate."""
    coords = array.coords
    if _SEGMENT not in array.indexes or _LABEL not in coords:
        return array
    if coords[_LABEL].dims != (_SEGMENT,):
        return array
    labels: dict[str, tuple[int, ...]] = {}
    texts, numbers = coords[_LABEL].to_numpy(), coords[_SEGMENT].to_numpy()
    for label, number in zip(texts.tolist(), numbers.tolist(), strict=True):
        labels[label] = (*labels.get(label, ()), number)
    plain = array.drop_indexes(_SEGMENT)
    return plain.set_xindex(_SEGMENT, SegmentIndex, labels=labels)
