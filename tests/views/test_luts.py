"""The LUTs as lazy functions: equal to pydicom, over arrays of any kind."""

from __future__ import annotations

import pickle
import warnings
from functools import cache, partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import dask.array as da
import numpy as np
import pytest
from counting import open_counted
from dicom_files import element, make_native, sequence
from noting import noting
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError as NotDicomError
from pydicom.pixels.processing import (
    apply_color_lut,
    apply_modality_lut,
    apply_voi_lut,
    apply_windowing,
)
from pydicom.uid import (
    ImplicitVRLittleEndian,
)
from real_files import ROOTS, first_of_each_series, names_of_all, real_file
from windowed_files import windowed

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLOATS: Final = {"FloatPixelData": np.float32, "DoubleFloatPixelData": np.float64}
_RESCALE: Final = ("RescaleSlope", "RescaleIntercept")


@cache
def headers() -> dict[str, Dataset]:
    """Read the headers of all real files that are not too large."""
    found = {
        name: _header(real_file(name)) for name in first_of_each_series(names_of_all())
    }
    return {name: dataset for name, dataset in found.items() if dataset is not None}


def _header(path: Path) -> Dataset | None:
    if path.stat().st_size > 1 << 24:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(path, stop_before_pixels=True)
            if dataset.get("Rows") and "PhotometricInterpretation" in dataset:
                return dataset
    except (NotDicomError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def files_with(*keywords: str, most: int = 40) -> list[str]:
    """Name files of all kinds: the first of those that look the same."""
    kinds: dict[object, str] = {}
    for name, dataset in headers().items():
        if any(word in dataset for word in keywords):
            looks = tuple(
                str(dataset.get(word))
                for word in (*keywords, "BitsStored", "PixelRepresentation")
                if not word.endswith(("Data", "Sequence"))
            )
            kinds.setdefault((name.rpartition("/")[0], looks), name)
    return list(kinds.values())[:most]


def open_quietly(name: str) -> lazydicom.DicomArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            array = lazydicom.open_image(real_file(name))
            array[0]
        except LazyDicomError as error:
            pytest.skip(f"does not open: {error}")
    return array


def oracle(function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def test_modality_lut_equals_that_of_pydicom() -> None:
    for name in files_with(*_RESCALE, "ModalityLUTSequence"):
        with noting(file=name):
            array = open_quietly(name)

            values = lazydicom.apply_modality_lut(array)[0]

            expected = oracle(apply_modality_lut, array[0], headers()[name])
            assert values.dtype == expected.dtype
            np.testing.assert_array_equal(values, expected)


def test_a_dataset_has_the_functional_groups_of_its_file() -> None:
    rescale = element(0x00281052, "DS", b"-5") + element(0x00281053, "DS", b"3")
    groups = sequence(0x52009229, sequence(0x00289145, rescale))
    data = make_native(number_of_frames=2, extra_before=groups)
    expected = lazydicom.apply_modality_lut(lazydicom.open_image(data))

    values = lazydicom.apply_modality_lut(lazydicom.open_image(dcmread(BytesIO(data))))

    assert values[0, 0, 0] == 3.0 * lazydicom.open_image(data)[0, 0, 0] - 5
    assert np.array_equal(values, expected)


def test_voi_lut_equals_that_of_pydicom() -> None:
    for name in files_with("WindowCenter", "VOILUTSequence"):
        dataset = headers()[name]
        if dataset.PhotometricInterpretation in {"MONOCHROME1", "MONOCHROME2"}:
            with noting(file=name):
                assert_voi_lut_equals(open_quietly(name), dataset)


def assert_voi_lut_equals(array: lazydicom.DicomArray, dataset: Dataset) -> None:
    try:
        scaled = oracle(apply_modality_lut, array[0], dataset)
        expected = oracle(apply_voi_lut, scaled, dataset)
    except (ValueError, TypeError):
        with pytest.raises(LazyDicomError):
            lazydicom.apply_voi_lut(array)
        return

    values = lazydicom.apply_voi_lut(array)[0]
    assert values.dtype == expected.dtype
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-9)


def test_palette_equals_that_of_pydicom() -> None:
    for name in files_with("RedPaletteColorLookupTableDescriptor"):
        with noting(file=name):
            assert_palette_equals(open_quietly(name), headers()[name])


def assert_palette_equals(array: lazydicom.DicomArray, dataset: Dataset) -> None:
    if dataset.get("PixelPresentation") in {"MIXED", "COLOR"}:
        with pytest.raises(UnsupportedError, match="Supplemental"):
            lazydicom.apply_palette(array)
        return

    values = lazydicom.apply_palette(array)

    expected = oracle(apply_color_lut, array[0], dataset)
    assert values.dims == (*array.dims, "sample")
    np.testing.assert_array_equal(values[0], expected)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("signed", [False, True])
def test_every_window_function_equals_that_of_pydicom(
    function: str, signed: bool
) -> None:
    dataset = windowed(function=function, signed=signed)
    array = lazydicom.open_image(dataset)
    scaled = apply_modality_lut(array[0], dataset)

    for number in (0, 1):
        values = lazydicom.apply_voi_lut(array, window=number)[0]

        expected = apply_windowing(scaled, dataset, number)
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-9)


def test_narrowest_linear_window_is_a_step() -> None:
    dataset = windowed(width="1")
    array = lazydicom.open_image(dataset)

    values = lazydicom.apply_voi_lut(array)[0]

    scaled = apply_modality_lut(array[0], dataset)
    np.testing.assert_array_equal(values, apply_windowing(scaled, dataset))


@pytest.mark.parametrize(
    ("function", "width"), [("LINEAR", "0.5"), ("LINEAR_EXACT", "0"), ("SIGMOID", "0")]
)
def test_window_that_is_too_narrow_is_an_error(function: str, width: str) -> None:
    array = lazydicom.open_image(windowed(function=function, width=width))

    with pytest.raises(InvalidDicomError, match=r"window of width .*\(0028,1051\)"):
        lazydicom.apply_voi_lut(array)


def test_window_that_is_not_there_is_an_error() -> None:
    array = lazydicom.open_image(windowed())

    with pytest.raises(InvalidDicomError, match="Expected window 2, found 2"):
        lazydicom.apply_voi_lut(array, window=2)


def test_window_of_the_caller_counts_in_units_of_the_modality() -> None:
    dataset = windowed()
    array = lazydicom.open_image(dataset)

    values = lazydicom.apply_voi_lut(array, window=(100.0, 50.0))[0]

    dataset.WindowCenter, dataset.WindowWidth = 100, 50
    scaled = apply_modality_lut(array[0], dataset)
    np.testing.assert_allclose(values, apply_windowing(scaled, dataset), rtol=1e-12)


def test_unknown_window_function_is_refused() -> None:
    array = lazydicom.open_image(windowed(function="CUBIC"))

    with pytest.raises(UnsupportedError, match="none that is known"):
        lazydicom.apply_voi_lut(array)


def test_file_without_luts_keeps_its_values() -> None:
    array = lazydicom.open_image(make_native())

    assert lazydicom.apply_modality_lut(array) is array
    assert lazydicom.apply_voi_lut(array) is array
    with pytest.raises(InvalidDicomError, match="No palette"):
        lazydicom.apply_palette(array)


@pytest.mark.parametrize(
    "names",
    [
        ("gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm"),
        ("OBXXXX1A.dcm", "OBXXXX1A_expb.dcm"),
    ],
)
def test_file_of_another_byte_order_has_the_same_luts(names: tuple[str, str]) -> None:
    little, big = (open_quietly(f"pydicom-data/{name}") for name in names)

    np.testing.assert_array_equal(
        lazydicom.apply_palette(little)[0], lazydicom.apply_palette(big)[0]
    )


def test_dataset_has_the_luts_of_its_file() -> None:
    for name in ("mlut_18.dcm", "vlut_04.dcm"):
        path = real_file(f"pydicom-data/{name}")
        by_path = lazydicom.open_image(path)
        by_dataset = lazydicom.open_image(dcmread(path))

        values = lazydicom.apply_voi_lut(by_path)[0]

        np.testing.assert_array_equal(values, lazydicom.apply_voi_lut(by_dataset)[0])


def _ramp(vr: str, first: int, count: int) -> Dataset:
    """Make an item of a LUT Sequence whose entries count from 0."""
    item = Dataset()
    item.add_new(0x00283002, vr, [count, first, 16])
    item.add_new(0x00283006, "OW", np.arange(count, dtype="<u2").tobytes())
    return item


@pytest.mark.parametrize(("vr", "first"), [("SS", -1024), ("US", 0x10000 - 1024)])
@pytest.mark.parametrize("implicit", [False, True])
def test_voi_lut_of_unsigned_ct_begins_below_zero(
    vr: str, first: int, implicit: bool
) -> None:
    dataset = windowed()
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.VOILUTSequence = [_ramp(vr, first, 4096)]
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    array = lazydicom.open_image(_file_of(dataset))

    np.testing.assert_array_equal(lazydicom.apply_voi_lut(array)[0], array[0])


def test_voi_lut_may_begin_high_above_zero_where_its_vr_says_so() -> None:
    dataset = windowed(signed=True)
    dataset.RescaleSlope, dataset.RescaleIntercept = 20, 0
    dataset.VOILUTSequence = [_ramp("US", 40000, 1000)]
    array = lazydicom.open_image(_file_of(dataset))

    values = lazydicom.apply_voi_lut(array)[0]

    np.testing.assert_array_equal(values, np.clip(array[0] * 20.0 - 40000, 0, 999))


def test_table_of_bytes_has_entries_behind_the_first_256() -> None:
    entries = np.arange(4096) // 16
    dataset = windowed()
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.VOILUTSequence = [_ramp("US", 0, 4096)]
    dataset.VOILUTSequence[0].LUTDescriptor = [4096, 0, 8]
    for dtype in ("<u2", "u1"):
        dataset.VOILUTSequence[0].LUTData = entries.astype(dtype).tobytes()
        array = lazydicom.open_image(_file_of(dataset))

        values = lazydicom.apply_voi_lut(array)[0]

        assert values.dtype == np.uint8
        np.testing.assert_array_equal(values, array[0] // 16)


@pytest.mark.parametrize("width", [0, 7, 17, 32, 65535])
@pytest.mark.parametrize(("largest", "dtype"), [(255, np.uint8), (299, np.uint16)])
def test_entries_of_an_unknown_width_have_the_bits_that_they_need(
    width: int, largest: int, dtype: type[np.unsignedinteger[Any]]
) -> None:
    dataset = windowed()
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.VOILUTSequence = [_ramp("US", 0, 4096)]
    dataset.VOILUTSequence[0].LUTDescriptor = [4096, 0, width]
    entries = np.arange(4096, dtype="<u2") % (largest + 1)
    dataset.VOILUTSequence[0].LUTData = entries.tobytes()
    array = lazydicom.open_image(_file_of(dataset))

    values = lazydicom.apply_voi_lut(array)[0]

    assert values.dtype == dtype
    np.testing.assert_array_equal(values, array[0] % (largest + 1))


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID", "LINEAR"])
@pytest.mark.parametrize("slope", [b"1", b"-3.5"])
def test_a_window_of_floating_point_gives_zero_to_one(
    keyword: Any,  # noqa: ANN401 (a literal)
    function: str,
    slope: bytes,
) -> None:
    rescale = element(0x00281052, "DS", b"2") + element(0x00281053, "DS", slope)
    window = element(0x00281050, "DS", b"0") + element(0x00281051, "DS", b"4")
    window += rescale + element(0x00281056, "CS", function.encode())
    pixels = np.linspace(-9, 9, 60, dtype=FLOATS[keyword]).reshape(3, 4, 5)
    array = lazydicom.open_image(
        make_native(pixels, keyword=keyword, extra_before=window)
    )

    values = np.asarray(lazydicom.apply_voi_lut(array))

    assert values.dtype == np.float64
    assert 0 <= values.min() < 0.01
    assert 0.99 < values.max() <= 1


def test_entries_that_do_not_fit_their_bits_are_an_error() -> None:
    dataset = windowed()
    dataset.VOILUTSequence = [_ramp("US", 0, 300)]
    dataset.VOILUTSequence[0].LUTDescriptor = [300, 0, 8]
    array = lazydicom.open_image(_file_of(dataset))

    with pytest.raises(InvalidDicomError, match="entries of 8 bits, found 299"):
        lazydicom.apply_voi_lut(array)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00283002, "US", [4096, 0]),
        (0x00283002, "OB", b"\0\0\0\0\1"),
        (0x00283002, "US", None),
        (0x00283006, "US", None),
        (0x00283006, "LO", "none"),
    ],
)
def test_table_that_is_none_names_its_element(tag: int, vr: str, value: object) -> None:
    dataset = windowed()
    dataset.VOILUTSequence = [_ramp("US", 0, 4096)]
    dataset.VOILUTSequence[0].add_new(tag, vr, value)
    for source in (dataset, _file_of(dataset)):
        array = lazydicom.open_image(source)

        with pytest.raises(InvalidDicomError, match=r"\(0028,30(02|06|10)\)"):
            lazydicom.apply_voi_lut(array)


def test_table_has_no_entry_for_nan() -> None:
    dataset = windowed()
    dataset.VOILUTSequence = [_ramp("US", 0, 4096)]
    array = lazydicom.open_image(_file_of(dataset))
    values = lazydicom.apply_modality_lut(array)[...]
    values[0, 3, 5] = np.nan

    with pytest.raises(UnsupportedError, match="no entry for NaN"):
        lazydicom.apply_voi_lut(values, like=array)


def test_bad_segments_name_the_file_and_the_element(tmp_path: Path) -> None:
    path = tmp_path / "segmented.dcm"
    tags = {0x00281101 + k: ("US", b"\0\1\0\0\x10\0") for k in range(3)}
    tags |= {0x00281221 + k: ("OW", b"\7\0\1\0\5\0") for k in range(3)}
    elements = {tag: element(tag, vr, value) for tag, (vr, value) in tags.items()}
    path.write_bytes(make_native(elements=dict(elements)))

    with pytest.raises(InvalidDicomError, match=r"kind 7.*0028,1221.*segmented\.dcm"):
        lazydicom.apply_palette(lazydicom.open_image(path))


EXPRESSIONS: Final = [
    (...,),
    (3,),
    (slice(1, None, 2), slice(4, 1, -1)),
    ([4, 0, 4],),
    ([0, 2], 1, [1, 0]),
    (slice(0, 0),),
    (-1, 0, 0),
]


@pytest.fixture(scope="module")
def pet() -> lazydicom.DicomArray:
    folder = ROOTS["shared"] / "10_series" / "pet_per_slice_rescale"
    if not folder.exists():
        pytest.skip("../shared/data is absent")
    return lazydicom.open_series(folder)


def test_every_slice_has_its_own_slope(pet: lazydicom.DicomArray) -> None:
    activity = lazydicom.apply_modality_lut(pet)

    assert len({float(image.header.dataset.RescaleSlope) for image in pet.images}) > 9
    for z in (0, 7, len(pet) - 1):
        image = pet.images[pet.grid.numbers[z]]
        expected = apply_modality_lut(pet[z], image.header.dataset)
        np.testing.assert_array_equal(activity[z], expected)


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_lazy_values_index_like_numpy(
    pet: lazydicom.DicomArray, expression: tuple[Any, ...]
) -> None:
    activity = lazydicom.apply_modality_lut(pet)
    everything = np.asarray(activity)

    np.testing.assert_array_equal(activity[expression], everything[expression])
    part = lazydicom.apply_modality_lut(pet[expression], like=pet, at=expression)
    np.testing.assert_array_equal(part, everything[expression])


def test_dask_values_are_those_of_the_array(pet: lazydicom.DicomArray) -> None:
    expected = np.asarray(lazydicom.apply_modality_lut(pet))
    stored = lazydicom.to_dask(pet, frames_per_chunk=3)

    by_function = lazydicom.apply_modality_lut(stored, like=pet)
    by_view = lazydicom.to_dask(lazydicom.apply_modality_lut(pet), frames_per_chunk=5)

    assert isinstance(by_function, da.Array)
    assert by_function.dtype == by_view.dtype == np.float64
    np.testing.assert_array_equal(np.asarray(by_function), expected)
    np.testing.assert_array_equal(np.asarray(by_view[2:9]), expected[2:9])


def test_numbers_of_each_frame_are_not_spread_over_its_pixels(
    pet: lazydicom.DicomArray,
) -> None:
    stored = lazydicom.to_dask(pet, frames_per_chunk=1)

    values = lazydicom.apply_modality_lut(stored, like=pet)

    graph = pickle.dumps(dict(values.__dask_graph__()))
    assert len(graph) < pet.nbytes // 2  # spread, two numbers of 8 bytes per value
    function = lazydicom.apply_modality_lut(pet).function
    assert [one.shape for one in function.at(([4, 0],), pet.shape).parameters] == [
        (2, 1, 1),
        (),
    ]


def test_no_dask_values_are_none_of_the_array(pet: lazydicom.DicomArray) -> None:
    for key in (slice(0, 0), (slice(None), slice(3, 3))):
        stored = lazydicom.to_dask(pet)[key]

        values = lazydicom.apply_modality_lut(stored, like=pet, at=key)

        assert values.compute().shape == stored.shape


def test_dask_palette_has_an_axis_of_samples() -> None:
    array = open_quietly("pydicom/test_files/examples_palette.dcm")
    values = lazydicom.apply_palette(lazydicom.to_dask(array), like=array)

    expected = np.asarray(lazydicom.apply_palette(array))
    assert values.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(values), expected)
    np.testing.assert_array_equal(
        lazydicom.apply_palette(array)[0, 10:20, ::3, 1], expected[0, 10:20, ::3, 1]
    )


def test_values_of_another_shape_are_refused(pet: lazydicom.DicomArray) -> None:
    with pytest.raises(ValueError, match="tell with at="):
        lazydicom.apply_modality_lut(pet[0], like=pet)
    with pytest.raises(TypeError, match="like="):
        lazydicom.apply_modality_lut(np.zeros((2, 2)))


def test_no_table_is_applied_twice(pet: lazydicom.DicomArray) -> None:
    activity = lazydicom.apply_modality_lut(pet)
    shown = lazydicom.apply_voi_lut(activity, window=(5, 10))

    for apply, values in (
        (lazydicom.apply_modality_lut, activity),
        (lazydicom.apply_modality_lut, shown),
        (partial(lazydicom.apply_voi_lut, window=(5, 10)), shown),
    ):
        with pytest.raises(TypeError, match="is applied already"):
            apply(values)


def test_lazy_values_pickle(pet: lazydicom.DicomArray) -> None:
    activity = lazydicom.apply_voi_lut(pet)

    again = pickle.loads(pickle.dumps(activity))

    np.testing.assert_array_equal(again[3], activity[3])


def test_one_computed_frame_reads_one_frame(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "windowed.dcm"
    windowed(frames=6).save_as(path, enforce_file_format=True)
    array, counter = open_counted(monkeypatch, path)
    values = lazydicom.apply_voi_lut(array)
    counter.spans.clear()

    values[4]

    assert counter.reads == 1
    assert counter.bytes_read == array.nbytes // 6


def test_functional_groups_give_every_frame_its_own_parameters() -> None:
    dataset = windowed(frames=3)
    del dataset.RescaleSlope, dataset.RescaleIntercept
    del dataset.WindowCenter, dataset.WindowWidth
    dataset.PerFrameFunctionalGroupsSequence = [_groups(k) for k in range(3)]
    array = lazydicom.open_image(_file_of(dataset))

    values = lazydicom.apply_modality_lut(array)
    shown = lazydicom.apply_voi_lut(array)

    for k in range(3):
        frame = Dataset()
        frame.update(dataset)
        frame.RescaleSlope, frame.RescaleIntercept = k + 1, 10 * k
        frame.WindowCenter, frame.WindowWidth = 500 + k, 100 * (k + 1)
        expected = apply_modality_lut(array[k], frame)
        np.testing.assert_array_equal(values[k], expected)
        expected = apply_windowing(expected, frame)
        np.testing.assert_allclose(shown[k], expected, rtol=1e-12, atol=1e-9)


def _groups(k: int) -> Dataset:
    groups, transformation, window = Dataset(), Dataset(), Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = k + 1, 10 * k
    transformation.RescaleType = "US"
    window.WindowCenter, window.WindowWidth = 500 + k, 100 * (k + 1)
    groups.PixelValueTransformationSequence = [transformation]
    groups.FrameVOILUTSequence = [window]
    return groups


def _file_of(dataset: Dataset) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
