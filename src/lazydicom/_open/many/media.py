"""Which SOP class the File Meta group of a file names."""

from lazydicom._bytes.source import ByteSource, Lookahead, open_lookahead
from lazydicom._header import tags
from lazydicom._header.file_meta import FileMeta, read_file_meta
from lazydicom._header.walker import Framing, read_element


def media_storage(source: ByteSource) -> str:
    """Return the Media Storage SOP Class UID of a file, nothing where it has none.

    Raises
    ------
    LazyDicomError
        If this is no DICOM file.
    """
    with open_lookahead(source) as lookahead:
        return media_storage_at(lookahead, read_file_meta(lookahead))


def media_storage_at(lookahead: Lookahead, meta: FileMeta) -> str:
    """Return the Media Storage SOP Class UID that the File Meta group names."""
    at = meta.meta_start
    while at < meta.start:
        element = read_element(lookahead, at, Framing())
        at = element.offset + element.length
        if element.tag == tags.MEDIA_STORAGE_SOP_CLASS_UID:
            value = lookahead.bytes_at(element.offset, element.length)
            return value.decode("latin-1").rstrip("\0 ")
    return ""
