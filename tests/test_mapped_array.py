"""Computed values on the roads that stored ones take, and not taken for these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from pydicom import Dataset

import lazydicom
from lazydicom.errors import ExportError, UnsupportedError
from test_luts import windowed

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray


@pytest.fixture
def stored(tmp_path_factory: pytest.TempPathFactory) -> DicomArray:
    """Open a file whose Modality LUT gives values of the type of the stored ones."""
    dataset, item = windowed(), Dataset()
    del dataset.RescaleSlope, dataset.RescaleIntercept
    item.add_new(0x00283002, "US", [4096, 0, 16])
    item.add_new(0x00283006, "OW", np.arange(4096, dtype="<u2")[::-1].tobytes())
    dataset.ModalityLUTSequence = [item]
    path = tmp_path_factory.mktemp("stored") / "inverse.dcm"
    dataset.save_as(path, enforce_file_format=True)
    array = lazydicom.open_image(path)
    assert lazydicom.apply_modality_lut(array).dtype == array.dtype
    return array


def test_references_do_not_lead_behind_a_lut(
    stored: DicomArray, tmp_path: Path
) -> None:
    values = lazydicom.apply_modality_lut(stored)

    with pytest.raises(UnsupportedError, match="not behind a Modality LUT"):
        lazydicom.to_references(values, tmp_path / "out.json")

    assert not list(tmp_path.iterdir())


def test_copy_of_stored_values_is_not_resumed_with_computed_ones(
    stored: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_zarr(stored, tmp_path / "out.zarr", metadata="none")

    with pytest.raises(ExportError, match="another source"):
        lazydicom.to_zarr(
            lazydicom.apply_modality_lut(stored),
            tmp_path / "out.zarr",
            metadata="none",
            resume=True,
        )


def test_store_of_computed_values_is_another_store(stored: DicomArray) -> None:
    values = lazydicom.apply_modality_lut(stored)

    assert lazydicom.ZarrStore(values) != lazydicom.ZarrStore(stored)
    assert lazydicom.ZarrStore(values) == lazydicom.ZarrStore(
        lazydicom.apply_modality_lut(stored)
    )
    view = zarr.open_array(lazydicom.ZarrStore(values), mode="r")
    np.testing.assert_array_equal(view[...], values)
