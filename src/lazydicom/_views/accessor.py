"""``DataArray.dicom``: affine, spacing, orientation and origin of what was selected."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lazydicom._views.geometry import (
    AXES,
    Line,
    affine_of_lines,
    assign_axes,
    is_backwards,
    line_of,
)


@xr.register_dataarray_accessor("dicom")  # type: ignore[no-untyped-call]
class DicomAccessor:
    """Geometry of labelled values, computed from the coordinates z, y and x.

    It holds after any selection, after coarsening, interpolation and transposition.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("rtdose.dcm", download=False)
    >>> dose = lazydicom.to_xarray(lazydicom.open_series(path))
    >>> dose.dicom.origin.tolist(), dose.isel(z=slice(2, 4)).dicom.origin.tolist()
    ([189.43125, 199.43125, -761.87], [189.43125, 199.43125, -751.87])
    >>> dose.coarsen(z=5, y=2, x=2).mean().dicom.spacing.round(6).tolist()
    [25.0, 20.0, 20.0]
    """

    def __init__(self, array: xr.DataArray) -> None:
        self._array = array

    @property
    def affine(self) -> NDArray[np.float64]:
        """The matrix from (x, y, z, 1), counted in pixels, to mm in LPS.

        Raises
        ------
        ValueError
            If a coordinate or its direction is missing, or it is not evenly spaced.
        """
        lines = {name: self._line(name) for name in AXES}
        return affine_of_lines(lines, self._attribute("z", "offset"))

    @property
    def origin(self) -> NDArray[np.float64]:
        """Centre of the first pixel in mm, LPS."""
        return self.affine[:3, 3]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Distances along z, y and x in mm."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths[::-1]

    @property
    def orientation(self) -> NDArray[np.float64]:
        """Directions of rows and columns, as Image Orientation (Patient) has them."""
        columns = self.affine[:3, :2]
        units: NDArray[np.float64] = columns / np.linalg.norm(columns, axis=0)
        return units.T.reshape(6)

    def reorient(self, code: str = "LPS") -> xr.DataArray:
        """Permute and flip the axes so that x, y and z lead to the letters of a code.

        No pixel is read or resampled. Series of different orientation have the same names
        of axes for different ways of the patient: reorient them before `xarray.align`.

        Parameters
        ----------
        code : str
            Ways of x, y and z: L or R, P or A, S or I.

        Raises
        ------
        ValueError
            If the code is none.
        """
        directions = {n: np.array(self._attribute(n, "direction")) for n in AXES}
        source_of = assign_axes(directions, code.upper())
        array = self._array
        flipped: dict[str, Any] = {}
        for (name, old), letter in zip(source_of.items(), code.upper(), strict=True):
            coordinate = array.coords[old]
            if is_backwards(directions[old], letter):
                if old in array.dims:
                    array = array.isel({old: slice(None, None, -1)})
                coordinate = -array.coords[old]
                directions[old] = -directions[old]
            attrs = {**self._array.coords[old].attrs}
            attrs["direction"] = directions[old].tolist()
            flipped[name] = (coordinate.values, attrs)
        return self._renamed(array, source_of, flipped)

    def _renamed(
        self, array: xr.DataArray, source_of: dict[str, str], flipped: dict[str, Any]
    ) -> xr.DataArray:
        """Return the array with its axes called and ordered as their new ways are."""
        offset = self._attribute("z", "offset")
        names = {old: new for new, old in source_of.items()}
        inner = [names[str(d)] for d in array.dims if d in names]
        dims = [str(d) for d in array.dims]
        array = array.drop_vars(AXES).rename({d: names[d] for d in dims if d in names})
        for name, (values, attrs) in flipped.items():
            if name == "z":
                attrs["offset"] = offset
            else:
                attrs.pop("offset", None)
            own = (name,) if name in inner else ()
            array = array.assign_coords({name: xr.Variable(own, values, attrs)})
            array.attrs[f"direction_{name}"] = attrs["direction"]
        outer = [d for d in dims if d not in names and d != "sample"]
        order = [*outer, *(n for n in ("z", "y", "x") if n in inner)]
        return array.transpose(*order, *(d for d in dims if d == "sample"))

    def _line(self, name: str) -> Line:
        if name not in self._array.coords:
            raise ValueError(f"There is no coordinate {name}: no affine without it")
        coordinate = self._array.coords[name]
        values = np.atleast_1d(np.asarray(coordinate.values, np.float64))
        spacing = float(coordinate.attrs.get("spacing", 1.0))
        return line_of(name, values, self._attribute(name, "direction"), spacing)

    def _attribute(self, name: str, kind: str) -> list[float]:
        """Return a direction or the offset, of the coordinate or of the array."""
        own = self._array.coords[name].attrs if name in self._array.coords else {}
        key = f"direction_{name}" if kind == "direction" else f"direction_{kind}"
        value = own.get(kind, self._array.attrs.get(key))
        if value is None:
            raise ValueError(
                f"No direction of {name} is known: there is no affine without it"
            )
        return [float(one) for one in value]
