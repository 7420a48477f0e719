"""Labels of an OME-Zarr image: the group ``labels/`` inside of it (OME-Zarr 0.5, "labels").

A label image is an image of its own, with the property ``image-label``, and the group lists it
by name. It must lie on the image voxel by voxel: nothing is resampled.
"""

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.label_map import LabelMap
from lazydicom._array.lazy_array import LazyArray
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.inputs import url_of
from lazydicom._export.ome_metadata import VERSION
from lazydicom._export.ome_plan import Pyramid
from lazydicom._export.store.folder import Folder
from lazydicom._export.store.layout import METADATA
from lazydicom._export.store.target import Target, errors_named, open_target
from lazydicom._header import tags
from lazydicom._header.dataset import read_sequence
from lazydicom._open.segmentation import segment_table
from lazydicom.errors import ExportError, UnsupportedError

_GROUP: Final = "labels"
_SAME_SCALE: Final = 1e-3
_TOLERANCE: Final = 0.1
"""Of a voxel, and at most as many units of the image as the next says."""
_LARGEST: Final = 0.01
_CODES: Final = {
    "SCT": re.compile(r"\d{6,18}"),
    "SRT": re.compile(r"[A-Z]-[0-9A-F]{4,6}"),
    "SNM3": re.compile(r"[A-Z]-[0-9A-F]{4,6}"),
    "DCM": re.compile(r"\d{6}"),
    "FMA": re.compile(r"\d{1,6}"),
    "RADLEX": re.compile(r"RID\d{1,6}"),
    "UMLS": re.compile(r"C\d{7}"),
    "NCIt": re.compile(r"C\d{1,6}"),
    "UBERON": re.compile(r"\d{7}"),
}
"""What codes look like, by scheme (PS3.16 section 8)."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An OME-Zarr image that labels go into."""

    url: str
    target: Target
    folder: Folder
    axes: tuple[Mapping[str, Any], ...]
    shape: tuple[int, ...]
    """Of its finest level."""
    scale: NDArray[np.float64]
    translation: NDArray[np.float64]
    affine: NDArray[np.float64] | None
    levels: int

    def place(self, name: object) -> str:
        """Return the location of labels by their name.

        Raises
        ------
        ValueError
            If it is no name.
        """
        prefix = f"{self.url}/{_GROUP}/"
        short = os.fspath(name) if isinstance(name, str | os.PathLike) else ""
        short = short.removeprefix(prefix).rstrip("/")
        if not short or "/" in short or "\\" in short or short.startswith((".", "__")):
            message = f"With into=, store is the name of the labels, not {name!r}"
            raise ValueError(message)
        return prefix + short

    @contextmanager
    def adding(self, place: str) -> Iterator[None]:
        """Keep others away while labels are written, then put their name into the list."""
        name = place.rsplit("/", 1)[1]
        with errors_named(self.url), self.target.alone():
            group = _read_group(self.folder, self.url)
            try:
                yield
            finally:
                with suppress(OSError):  # of this machine, and nothing came of it
                    (Path(self.url) / _GROUP).rmdir()
            names = group["attributes"]["ome"]["labels"]
            if name not in names:
                names.append(name)
            data = json.dumps(group, indent=2, allow_nan=False).encode()
            self.folder.put(f"{_GROUP}/{METADATA}", data)


def open_labelled(
    into: str | os.PathLike[str], storage_options: Mapping[str, Any]
) -> LabelledImage:
    """Read what an OME-Zarr image says of its finest level.

    Raises
    ------
    ExportError
        If it is no image of OME-Zarr 0.5.
    """
    if not isinstance(into, str | os.PathLike):
        raise TypeError(f"Expected into: a path or a URL, found {type(into).__name__}")
    url = os.fspath(into).rstrip("/")
    if url.endswith(".zip"):
        raise ExportError("Nothing can be added to a zip", url=url)
    target = open_target(url, storage_options)
    url = target.url
    with errors_named(url, "read", "image"):
        folder = target.published()
        if folder is None:
            raise ExportError("Expected an image of OME-Zarr 0.5, found none", url=url)
        attributes = _attributes(folder, METADATA)
        try:
            image = attributes["ome"]["multiscales"][0]
            datasets = image["datasets"]
            level = json.loads(_found(folder, f"{datasets[0]['path']}/{METADATA}"))
            shape, axes = tuple(level["shape"]), tuple(image["axes"])
            scale, translation = _transform(image, len(shape))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ExportError("Expected an image of OME-Zarr 0.5", url=url) from error
    affine = attributes.get("lazydicom", {}).get("affine")
    lies = None if affine is None else np.asarray(affine, np.float64)
    return LabelledImage(
        url, target, folder, axes, shape, scale, translation, lies, len(datasets)
    )


def as_labels(pyramid: Pyramid, image: LabelledImage, *, texts: bool) -> Pyramid:
    """Return the pyramid with what OME-Zarr says of labels.

    Raises
    ------
    UnsupportedError
        If the values are no labels.
    ExportError
        If they do not lie on the image.
    """
    array = pyramid.arrays[0]
    url = url_of(array)
    if array.dtype.kind not in "ui":
        message = f"Labels are integers, found {array.dtype}"
        raise UnsupportedError(message, url=url)
    if any(axis.kind == "channel" for axis in pyramid.axes):
        message = (
            f'Labels have no channels, found the axes {array.dims}: combine="labelmap"'
        )
        raise UnsupportedError(message, url=url)
    if pyramid.method != "nearest":
        raise ValueError("Labels have no means: expected the method nearest")
    pyramid = _as_flat_as(image, pyramid)
    _check_axes(pyramid, image)
    _check_affine(pyramid, image)
    return replace(pyramid, label=_image_label(array, texts=texts))


def _found(folder: Folder, key: str) -> bytes:
    data = folder.get(key)
    if data is None:
        raise KeyError(key)
    return bytes(data)


def _attributes(folder: Folder, key: str) -> dict[str, Any]:
    data = folder.get(key)
    try:
        attributes = json.loads(bytes(data or b"{}"))["attributes"]
    except (KeyError, ValueError, TypeError):
        return {}
    return attributes if isinstance(attributes, dict) else {}


def _read_group(folder: Folder, url: str) -> dict[str, Any]:
    """Return the ``zarr.json`` of the group of labels, or that of an empty one."""
    data = folder.get(f"{_GROUP}/{METADATA}")
    ome = {"version": VERSION, "labels": []}
    if data is None:
        attributes = {"ome": ome}
        return {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    try:
        group: dict[str, Any] = json.loads(bytes(data))
        listed = group.setdefault("attributes", {}).setdefault("ome", ome)
        right = isinstance(listed.setdefault("labels", []), list)
    except (AttributeError, ValueError):
        right = False
    if not right:
        message = "Expected a group of labels, found something else"
        raise ExportError(message, url=f"{url}/{_GROUP}")
    return group


def _transform(
    image: Mapping[str, Any], ndim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and translation of the finest level, those of the image included."""
    scale, translation = np.ones(ndim), np.zeros(ndim)
    steps = list(image["datasets"][0]["coordinateTransformations"])
    for step in steps + list(image.get("coordinateTransformations", ())):
        if step["type"] == "scale":
            scale, translation = scale * step["scale"], translation * step["scale"]
        elif step["type"] == "translation":
            translation = translation + step["translation"]
    return scale, translation


def _as_flat_as(image: LabelledImage, pyramid: Pyramid) -> Pyramid:
    """Leave out axes of one position that the image lacks, as a slide does focal planes."""
    names = {axis["name"] for axis in image.axes}
    shape = pyramid.shapes()[0]
    kept = [
        k for k, axis in enumerate(pyramid.axes) if axis.name in names or shape[k] != 1
    ]
    if len(kept) == len(shape):
        return pyramid
    axes = [pyramid.axes[k] for k in kept]
    factors = [tuple(one[k] for k in kept) for one in pyramid.factors]
    return replace(pyramid, axes=axes, factors=factors)


def _check_axes(pyramid: Pyramid, image: LabelledImage) -> None:
    """Compare lengths, scale and translation of all axes but channels."""
    own = {axis.name: axis for axis in pyramid.axes}
    shape = dict(zip(own, pyramid.shapes()[0], strict=True))
    names = {axis["name"] for axis in image.axes if axis.get("type") != "channel"}
    if set(own) - names:
        _refuse(image, f"it has no axis {', '.join(sorted(set(own) - names))}")
    for k, axis in enumerate(image.axes):
        name, length = axis["name"], image.shape[k]
        if axis.get("type") == "channel" or (name not in own and length == 1):
            continue
        if shape.get(name, 1) != length:
            _refuse(image, f"{shape.get(name, 1)} voxels along {name}, not {length}")
        _check_step(own[name], k, image)


def _check_step(own: Any, k: int, image: LabelledImage) -> None:  # noqa: ANN401
    unit = image.axes[k].get("unit", "")
    if own.unit != unit:
        _refuse(image, f"axis {own.name} is in {own.unit or 'no unit'}, not {unit}")
    scale = float(image.scale[k])
    if abs(own.scale / scale - 1) > _SAME_SCALE:
        _refuse(image, f"voxels of {own.scale:.6g} along {own.name}, not {scale:.6g}")
    beside = abs(own.translation - float(image.translation[k]))
    if beside > min(_LARGEST, _TOLERANCE * abs(scale)):
        _refuse(image, f"{beside:.3f} {unit} beside it along {own.name}")


def _check_affine(pyramid: Pyramid, image: LabelledImage) -> None:
    """Compare where the corners lie in the patient, if both tell."""
    array = pyramid.arrays[0]
    if image.affine is None or "affine" not in array.attrs:
        return
    own = np.asarray(array.attrs["affine"], np.float64)
    lengths = dict(zip(array.dims, array.shape, strict=True))
    ends = [(0, max(lengths.get(name, 1) - 1, 0)) for name in "xyz"]
    corners = np.array([(*corner, 1) for corner in itertools.product(*ends)])
    beside = np.linalg.norm((corners @ (own - image.affine).T)[:, :3], axis=1).max()
    if not beside <= min(_LARGEST, _TOLERANCE * float(image.scale[-1])):
        _refuse(image, f"a corner is {beside:.3f} mm beside that of the image")


def _refuse(image: LabelledImage, reason: str) -> None:
    message = f"The labels do not lie on the image: {reason}; open them with like="
    raise ExportError(message, url=image.url)


def _image_label(array: LazyArray, *, texts: bool) -> dict[str, Any]:
    """Return what ``image-label`` says: colours, and whose number each value is."""
    label: dict[str, Any] = {"source": {"image": "../../"}}
    segments = _segments(array)
    if not segments:
        return label
    single = "segment" in array.dims
    values = [1 if single else segment.number for segment in segments]
    pairs = list(zip(values, segments, strict=True))
    colors = [
        {"label-value": value, "rgba": [*segment.rgb, 255]}
        for value, segment in pairs
        if segment.rgb is not None
    ]
    around = array.fill_value
    if not single and isinstance(around, int):
        given = len(colors)
        colors = [one for one in colors if one["label-value"] != around]
        if around or len(colors) < given:  # 0 without a colour is nothing by itself
            colors.append({"label-value": around, "rgba": [0, 0, 0, 0]})
    if colors:
        label["colors"] = colors
    label["properties"] = [
        _properties(value, segment, texts=texts) for value, segment in pairs
    ]
    return label


def _segments(array: LazyArray) -> Sequence[Any]:
    """Return the segments that the values stand for, none where nothing tells."""
    images = array.images
    if not images or not read_sequence(images[0].header, tags.SEGMENT_SEQUENCE):
        return ()
    segments = segment_table(array)  # type: ignore[arg-type] # has images: of files
    if isinstance(array, LabelMap):
        shown = set(array.numbers.tolist())
        return [segment for segment in segments if segment.number in shown]
    return segments


def _properties(value: int, segment: Any, *, texts: bool) -> dict[str, Any]:  # noqa: ANN401
    properties: dict[str, Any] = {
        "label-value": value,
        "segment-number": segment.number,
    }
    for name in ("category", "type", "anatomic_region"):
        code = getattr(segment, name)
        if code is not None and _is_code(code.scheme, code.value):
            properties[name.replace("_", "-")] = f"{code.scheme} {code.value}"
    return properties | {"label": segment.label} if texts else properties


def _is_code(scheme: str, value: str) -> bool:
    """Return whether a code is written as those of its scheme are: it may hold any text."""
    pattern = _CODES.get(scheme)
    return pattern is not None and pattern.fullmatch(value) is not None
