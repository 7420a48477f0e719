"""The series among the shared data, and the axes a radiographer would name."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, NamedTuple

from tools import require_shared_data

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from lazydicom import DicomArray


class Series(NamedTuple):
    """What a real series is, and why."""

    path: str
    dims: str
    shape: tuple[int, ...]
    reason: str
    on_gap: Literal["error", "fill", "split"] = "error"
    """What the caller must choose; a series that is cut has pieces of one shape."""
    pieces: int = 1
    missing: int = 0
    """Planes that are missing in the files."""

    def open(self) -> list[DicomArray]:
        """Open the pieces of the series, without its warnings."""
        path = require_shared_data(self.path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LazyDicomWarning)
            if self.pieces > 1:
                return list(lazydicom.open_study(path, on_gap=self.on_gap).values())
            return [lazydicom.open_series(path, on_gap=self.on_gap, fill_value=0)]


VOLUME = "z y x"
REAL_SERIES = [
    Series("10_series/bad_gantry_tilt", VOLUME, (4, 512, 512), "CT, tilted planes"),
    Series("10_series/bad_missing_slice", VOLUME, (5, 512, 512),
           "CT, 5 mm apart, one plane is missing", on_gap="fill", missing=1),
    Series("10_series/bad_two_slices", VOLUME, (2, 256, 256), "MR, only two slices"),
    Series("10_series/ct_head_93slices", VOLUME, (93, 64, 64), "CT volume"),
    Series("10_series/ge_dti_classic", "b_value z y x", (2, 4, 128, 128),
           "b = 0 and 1000 in GE's private element, one direction"),
    Series("10_series/ge_fmri_4d_phantom", "time z y x", (5, 10, 64, 64),
           "Temporal Position Identifier; seconds from Trigger Time"),
    Series("10_series/ge_mr_anatomical_4slices", VOLUME, (4, 256, 256), "oblique MR"),
    Series("10_series/hitachi_mr", VOLUME, (4, 64, 64), "oblique MR, order reversed"),
    Series("10_series/jpegls_compressed", VOLUME, (4, 256, 256), "JPEG-LS"),
    Series("10_series/rle_compressed", VOLUME, (4, 256, 256), "RLE"),
    Series("10_series/mag_phase_fieldmap", "repeat z y x", (2, 16, 128, 128),
           "magnitude and field map: GE marks them nowhere, only numbers differ"),
    Series("10_series/non_isotropic", VOLUME, (4, 28, 64), "pixels of 4 × 6.4 mm"),
    Series("10_series/orientation_test", VOLUME, (3, 50, 100), "oblique CT"),
    Series("10_series/pet_per_slice_rescale", VOLUME, (67, 39, 35),
           "PET, one slope per plane"),
    Series("10_series/philips_fmri_4d_classic", "repeat z y x", (4, 2, 80, 80),
           "fMRI that lost every time but the Instance Number"),
    Series("10_series/philips_fmri_phantom", "time z y x", (3, 9, 64, 64),
           "fMRI, 2 s apart"),
    Series("10_series/private_groups_moved_by_pacs/011-0001.img", VOLUME,
           (25, 64, 64), "Enhanced ASL, one of its time points"),
    Series("10_series/private_groups_moved_by_pacs/011-0001__2.img", VOLUME,
           (25, 64, 64), "the same instance from the scanner"),
    Series("10_series/rgb_slices", "z y x sample", (4, 77, 52, 3), "colour maps"),
    Series("10_series/siemens_mosaic_fmri_vb", "time z y x", (2, 50, 80, 80),
           "mosaics of 8 × 8; the protocol says 50 slices"),
    Series("10_series/siemens_mosaic_interleave", "time z y x", (4, 36, 64, 64),
           "mosaics of 6 × 6, 3.2 s apart"),
    Series("01_native_multiframe/3000.dcm", "diffusion z y x", (13, 40, 80, 80),
           "Canon DTI: b = 0 and 12 directions"),
    Series("01_native_multiframe/DTI.dcm", "diffusion z y x", (8, 10, 80, 80),
           "Philips DTI: b = 0, the trace and 6 directions"),
    Series("01_native_multiframe/IM_0027_fMAP.dcm", "component z y x",
           (2, 32, 64, 64), "Philips field map and its magnitude"),
    Series("01_native_multiframe/MRI_102TD_PHA_S.MR.Chen_Matthews_1.3.1.2022.11.16."
           "15.50.20.357.31204541.dcm", VOLUME, (1, 162, 162),
           "three planes of the heart, each turned its own way",
           on_gap="split", pieces=3),
    Series("01_native_multiframe/T1.dcm", VOLUME, (10, 80, 80), "Enhanced MR"),
    Series("01_native_multiframe/T2_.dcm", "time z y x", (2, 10, 80, 80),
           "Temporal Position Index varies fastest"),
    Series("01_native_multiframe/cine-test.dcm", VOLUME, (8, 256, 256),
           "a stack, whatever its name; implicit VR"),
    Series("01_native_multiframe/ibsi_digital_phantom_pixelmed.dcm", VOLUME,
           (4, 4, 5), "coronal phantom without dimension indices"),
    Series("01_native_multiframe/neurolabusc+dcm_qa_xa30_In_14_DWI_dir80_PA__0001_"
           "1.3.12.2.1107.5.2.43.67093.20220711", "z y x sample", (39, 72, 72, 3),
           "Siemens colour FA map; slice times are no axis"),
    Series("01_native_multiframe/philips_enhanced_anatomical_001__IM-0001-0170-0001.dcm",
           VOLUME, (8, 256, 256), "Enhanced MR, right to left"),
    Series("01_native_multiframe/philips_enhanced_fmri_001__IM-0001-9600-0001.dcm",
           "time z y x", (4, 8, 64, 64), "Enhanced fMRI"),
    Series("01_native_multiframe/segmentations_24x38x3_multiframe__mf.dcm", VOLUME,
           (3, 38, 24), "legacy converted CT: In-Stack Position runs backwards"),
    Series("01_native_multiframe/siemens_xa10_4d_split", "time z y x",
           (4, 6, 64, 64), "one Enhanced instance per time point"),
    Series("05_encapsulated_multiframe/j2k_multifragment_series", VOLUME,
           (8, 128, 128), "JPEG 2000 in fragments"),
    Series("12_zip/pm-example-dcm.zip", VOLUME, (20, 256, 256), "ADC map in a zip"),
]  # fmt: skip
