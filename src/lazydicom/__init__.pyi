from . import errors as errors
from . import numpy_handler as numpy_handler
from ._array import DicomArray as DicomArray
from ._dask import to_dask as to_dask
from ._export.verify import verify as verify
from ._export.zarr import to_zarr as to_zarr
from ._open import open_image as open_image
