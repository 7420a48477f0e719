"""Which plugin of pydicom decodes: by name, whatever else is installed.

pylibjpeg means pylibjpeg-openjpeg here, never -libjpeg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydicom import Dataset

JPEG: Final = "1.2.840.10008.1.2.4."
ORACLES: Final = {
    "1.2.840.10008.1.2.5": ("pydicom",),
    **{f"{JPEG}{tail}": ("gdcm", "pillow") for tail in (50, 51)},
    **{f"{JPEG}{tail}": ("gdcm",) for tail in (57, 70)},
    **{f"{JPEG}{tail}": ("pyjpegls",) for tail in (80, 81)},
    **{f"{JPEG}{tail}": ("pylibjpeg",) for tail in (90, 91, 201, 202, 203)},
}
"""Plugins by Transfer Syntax, in the order in which they are asked."""


def name_plugin(dataset: Dataset) -> Dataset:
    """Let the first oracle decode, where the pixels are compressed."""
    for plugin in ORACLES.get(dataset.file_meta.TransferSyntaxUID, ())[:1]:
        dataset.pixel_array_options(decoding_plugin=plugin)
    return dataset
