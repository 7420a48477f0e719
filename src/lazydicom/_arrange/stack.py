"""One instance as a stack of its frames, in the order of the file."""

from lazydicom._array import DicomArray
from lazydicom._attributes import TECHNICAL_ATTRIBUTES
from lazydicom._elements import Elements
from lazydicom._grid import stack_grid
from lazydicom._image import DicomImage


def stack_frames(image: DicomImage) -> DicomArray:
    """Stack the frames of one instance along the axis ``frame``."""
    dims = ("frame", "y", "x", "sample")[: 1 + len(image.format.pixel.frame_shape)]
    attrs = technical_attributes(image.header.elements)
    if image.format.converts_to_rgb:
        attrs["photometric_interpretation"] = "RGB"
    return DicomArray((image,), stack_grid(len(image)), dims, attrs=attrs)


def technical_attributes(elements: Elements) -> dict[str, object]:
    """Collect the technical attributes that stand at the top level."""
    attributes: dict[str, object] = {}
    for name, (tag, vr) in TECHNICAL_ATTRIBUTES.items():
        values = elements.get(tag, vr)
        if values:
            attributes[name] = values[0] if len(values) == 1 else list(values)
    return attributes
