from . import errors as errors
from ._array import DicomArray as DicomArray
from ._open import open_image as open_image
