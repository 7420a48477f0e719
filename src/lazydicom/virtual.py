"""A VirtualiZarr parser: DICOM in Icechunk and virtual Zarr stores, without a copy.

Extra ``virtual``. The file is read through the object store that the caller registered, so
that credentials stay where they are.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lazydicom._array.array import DicomArray
from lazydicom._bytes.location import Version
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteRange, BytesLike, ByteSource, check_span
from lazydicom._decode.format import Color
from lazydicom._header.header import read_header
from lazydicom._open.instance import open_instance, open_options, stack_frames
from lazydicom._views.references.plan import ChunkReferences, plan_references
from lazydicom._views.references.urls import source_facts
from lazydicom._views.zarr_codec import CODEC_NAME
from lazydicom._views.zarr_metadata import check_name, technical_attributes
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from obspec_utils.registry import ObjectStoreRegistry
    from virtualizarr.manifests import ManifestArray, ManifestStore

__all__ = ["DicomParser"]


@dataclass(frozen=True, slots=True)
class DicomParser:
    """Parse one DICOM file: ``open_virtual_dataset(url, registry, DicomParser())``.

    Native frames whose bytes are the stored values need no codec; all others name
    ``lazydicom.frames``, so lazydicom has to be installed where they are read.

    Examples
    --------
    >>> from obspec_utils.registry import ObjectStoreRegistry
    >>> from obstore.store import LocalStore
    >>> from pydicom.data import get_testdata_file
    >>> import virtualizarr
    >>> from lazydicom.virtual import DicomParser
    >>> url = f"file://{get_testdata_file('rtdose.dcm', download=False)}"
    >>> registry = ObjectStoreRegistry({"file://": LocalStore()})
    >>> data = virtualizarr.open_virtual_dataset(url, registry, DicomParser())
    >>> data["pixels"].shape
    (15, 10, 10)
    """

    name: str = "pixels"
    """Name of the array in its group."""
    color: Color = "rgb"
    """``"stored"`` keeps YCbCr."""

    def __call__(
        self, url: str, registry: "ObjectStoreRegistry[Any]"
    ) -> "ManifestStore":
        """Read the header and say where each frame lies.

        Raises
        ------
        LazyDicomError
            If the file cannot be opened, or not be referred to; see `to_references`.
        """
        from virtualizarr.manifests import ManifestGroup, ManifestStore

        store, path = registry.resolve(url)
        image = open_instance(
            partial(read_header, _open_object(url, store, str(path))),
            open_options("DicomParser", {"color": self.color}),
        )
        array = stack_frames(image)
        check_name(array, self.name)
        plan = plan_references(array, community=False)
        group = ManifestGroup(
            {self.name: _manifest_array(array, plan)},
            attributes={"lazydicom_sources": [source_facts(image)]},
        )
        return ManifestStore(group, registry=registry)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectSource:
    """One object of a store that obstore reads."""

    url: str
    store: Any
    path: str
    version: Version

    def size(self) -> int:
        """Length in bytes."""
        return self.version.size

    def read(self, span: ByteRange) -> BytesLike:
        """Fetch `span`."""
        return self.read_many([span])[0]

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fetch into `out`."""
        view = out.cast("B")
        view[:] = self.read(ByteRange(offset, view.nbytes))

    def read_many(self, spans: Sequence[ByteRange]) -> list[BytesLike]:
        """Fetch all `spans`; obstore merges neighbours."""
        for span in spans:
            check_span(self, span)
        filled = [span for span in spans if span.length]
        try:
            fetched = self.store.get_ranges(
                self.path,
                starts=[span.offset for span in filled],
                lengths=[span.length for span in filled],
            )
        except _obstore_errors() as error:
            message = f"Could not read: {type(error).__name__}"
            raise SourceError(message, url=self.url) from None
        parts = iter(fetched)
        return [
            self._whole(next(parts), span) if span.length else b"" for span in spans
        ]

    def _whole(self, part: Any, span: ByteRange) -> memoryview:  # noqa: ANN401 (obstore's)
        """Refuse a part of another length: obstore takes what a server sends."""
        data = memoryview(part)
        if data.nbytes != span.length:
            message = f"Expected {span.length} bytes, found {data.nbytes}"
            raise SourceError(message, url=self.url, offset=span.offset)
        return data

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Nothing to lend: the bytes are elsewhere."""
        return nullcontext(None)


def _open_object(url: str, store: Any, path: str) -> ByteSource:  # noqa: ANN401 (any store)
    try:
        facts = store.head(path)
    except _obstore_errors() as error:
        message = f"Could not open: {type(error).__name__}"
        raise SourceError(message, url=url) from None
    tag = facts["e_tag"] or str(facts["last_modified"])
    return ObjectSource(url, store, path, Version(facts["size"], tag))


def _obstore_errors() -> tuple[type[Exception], ...]:
    from obstore.exceptions import BaseError

    return (BaseError, OSError)  # a missing file is a FileNotFoundError


def _manifest_array(array: DicomArray, plan: ChunkReferences) -> "ManifestArray":
    from virtualizarr.manifests import ChunkManifest, ManifestArray
    from virtualizarr.manifests.utils import create_v3_array_metadata

    metadata = create_v3_array_metadata(
        shape=plan.shape,
        data_type=plan.dtype,
        chunk_shape=plan.chunks,
        codecs=[_codec(plan)],
        attributes=technical_attributes(array.attrs),
        dimension_names=array.dims,
    )
    urls: Any = np.array(plan.urls, np.dtypes.StringDType())
    manifest = ChunkManifest.from_arrays(
        paths=urls[plan.files].reshape(plan.counts),
        offsets=plan.offsets.astype(np.uint64).reshape(plan.counts),
        lengths=plan.lengths.astype(np.uint64).reshape(plan.counts),
        validate_paths=False,
    )
    return ManifestArray(metadata, manifest)


def _codec(plan: ChunkReferences) -> dict[str, Any]:
    if plan.ours is not None:
        return {"name": CODEC_NAME, "configuration": plan.ours.to_json()}
    endian = "big" if plan.dtype.str.startswith(">") else "little"
    return {"name": "bytes", "configuration": {"endian": endian}}
