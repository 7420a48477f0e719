"""One instance as a stack of its frames, in the order of the file."""

from collections.abc import Mapping

from lazydicom._arrange.frame_table import tabulate_images
from lazydicom._array.array import DicomArray
from lazydicom._array.frame_table import FrameTableLoader
from lazydicom._array.grid import stack_grid
from lazydicom._array.image import DicomImage
from lazydicom._header.elements import technical_attributes


def stack_frames(
    image: DicomImage, attributes: Mapping[str, object] | None = None
) -> DicomArray:
    """Stack the frames of one instance along the axis ``frame``.

    Technical attributes that are known already need no header.
    """
    dims = ("frame", "y", "x", "sample")[: 1 + len(image.format.pixel.frame_shape)]
    if attributes is None:
        attributes = technical_attributes(image.header.elements, url=image.url)
        attributes |= _overruled(image, attributes)
    attrs = dict(attributes)
    if image.format.converts_to_rgb:
        attrs["photometric_interpretation"] = "RGB"
    frames = FrameTableLoader((image,), tabulate_images)
    grid = stack_grid(len(image))
    return DicomArray((image,), grid, dims, attrs=attrs, load_frames=frames)


def _overruled(
    image: DicomImage, attributes: Mapping[str, object]
) -> dict[str, object]:
    """Return what the caller said against the file, and what the file declares."""
    names: dict[str, object] = {}
    if image.format.photometric_given:
        name = "photometric_interpretation"
        names[f"declared_{name}"] = attributes.get(name, "")
        names[name] = image.format.pixel.photometric_interpretation
    if declared := image.header.meta.declared:
        names["declared_transfer_syntax"] = declared
        names["transfer_syntax"] = image.format.transfer_syntax.uid
    return names
