"""From names of files to the table of their frames: headers are read many at once.

Files are listed, directories expanded; those that contradict the table are left out. Who has
Datasets in memory may open these instead, or beside files.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np

from lazydicom._arrange.frame_table import Batch, batch_of, tabulate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._array.work.parallel import results
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.listing import Listed, Urls, is_list, is_pattern, list_files
from lazydicom._bytes.location import URL_TYPES, chain, is_local, local_path
from lazydicom._bytes.open import (
    is_fetched,
    is_near,
    open_source,
    open_together,
)
from lazydicom._bytes.ranges import MOST_REQUESTS, REQUESTS
from lazydicom._header import tags
from lazydicom._header.columns.dicomdir import is_dicomdir
from lazydicom._header.dataset import header_of_dataset
from lazydicom._header.header import read_header
from lazydicom._header.pydicom import is_dataset
from lazydicom._open.instance import OpenOptions, open_instance
from lazydicom._open.many.batch_headers import open_batches
from lazydicom._open.many.directories import Directories
from lazydicom._open.many.problems import (
    Problem,
    is_broken_image,
    problem_of,
    why_passed_over,
)
from lazydicom.errors import (
    InvalidDicomError,
    LazyDicomError,
    SourceError,
    held_warnings,
    redact_url,
    warn,
)

if TYPE_CHECKING:
    from pydicom import Dataset

    from lazydicom._bytes.location import Url
    from lazydicom._open import indexed
else:
    indexed = deferred("lazydicom._open.indexed")

S = TypeVar("S")
T = TypeVar("T")

Instances: TypeAlias = "Urls | Dataset | Sequence[Url | Dataset]"
_WAIT_S: Final = 0.05
"""In so long threads open the first files where none of them waits."""
_FEW: Final = 8
"""Fewer files are opened one by one."""
_FETCHED: Final = 256
"""Distant files that are opened at once: the first bytes of all of them are held, 16 MiB."""
_KINDS: Final = 8
"""Kinds of headers that are worth the trial."""


class Opened(NamedTuple):
    """Images of files, and the files that are none."""

    batches: list[Batch]
    problems: list[Problem]


def open_instances(
    urls: Instances, storage_options: Mapping[str, Any], options: OpenOptions
) -> Opened:
    """Open files by their names, and Datasets that are in memory."""
    datasets, names = _part(urls)
    if datasets and options.uses_index:
        raise ValueError("An index is of files, not of Datasets")
    images = [
        open_instance(partial(header_of_dataset, d, options.given), options)
        for d in datasets
    ]
    batches = [batch_of(images)] if images else []
    if not names and datasets:
        return Opened(batches, [])
    opened = _open_files(names, storage_options, options)
    return Opened(batches + opened.batches, opened.problems)


def _part(urls: Instances) -> "tuple[list[Dataset], Urls]":
    """Part Datasets, which are iterable themselves, from names."""
    if isinstance(urls, URL_TYPES):
        return [], urls
    if is_dataset(urls):
        return [urls], []
    if not is_list(urls):
        return [], urls
    each: list[Any] = list(urls)
    datasets = [one for one in each if is_dataset(one)]
    return datasets, [one for one in each if not is_dataset(one)]


def _open_files(
    urls: Urls, storage_options: Mapping[str, Any], options: OpenOptions
) -> Opened:
    """Read the headers of all files, many at once; no two wait for each other."""
    follow, lost = options.follow_links, list[str]()
    listed = list_files(
        urls,
        storage_options,
        follow_links=follow,
        on_change=options.on_change,
        minimum_rate=options.minimum_rate,
        lost=lost,
    )
    directories = Directories(storage_options, follow)
    named = any(file.named for file in listed)  # none of a folder is
    files = directories.expand(listed) if named else listed
    open_one = partial(_open_listed, storage_options=storage_options, options=options)
    batches, problems = list[Batch](), [*directories.problems]
    problems += [Problem(name, "a link that leads nowhere") for name in lost]
    opened: list[DicomImage | Problem] = []
    for some in _fetched(files, storage_options, options):
        alike, left, faults = _open_batches(some, open_one, options)
        batches, problems = batches + alike, problems + faults
        opened += _open_all(open_one, left)
    images = [one for one in opened if isinstance(one, DicomImage)]
    problems += [one for one in opened if isinstance(one, Problem)]
    if images:
        batches.append(batch_of(images))
    if not batches and not any(one.error for one in problems):
        message = f"None of {len(files)} files is an image"
        raise SourceError(message, url=_name_of(listed[0]) or None)
    return Opened(batches, problems)


def _fetched(
    files: list[Listed], storage_options: Mapping[str, Any], options: OpenOptions
) -> Iterator[list[Listed]]:
    """Yield the files, distant ones some at a time with the first bytes of each."""
    far = len(files) >= _FEW and not any(is_near(file.file) for file in files[:1])
    if not far or not _is_plain(options):
        yield files
        return
    for start in range(0, len(files), _FETCHED):
        some = files[start : start + _FETCHED]
        opened = open_together(
            [file.file for file in some],
            storage_options,
            minimum_rate=options.minimum_rate,
        )
        pairs = zip(some, opened, strict=True)
        yield [file._replace(opened=one) for file, one in pairs]


def _is_plain(options: OpenOptions) -> bool:
    """Return whether files are opened as they are, so that those alike are alike."""
    plain = not options.lends and not options.frame_cache_bytes
    plain = plain and not options.uses_index and not options.overrules
    return plain and options.on_change == "error"


def _open_all(
    open_one: Callable[[Listed], DicomImage | Problem], files: Sequence[Listed]
) -> list[DicomImage | Problem]:
    """Open files with some threads, and with more where they turn out to wait for a server."""
    first, rest = files[: 2 * REQUESTS], files[2 * REQUESTS :]
    began = time.monotonic()
    opened = open_at_once(open_one, first, threads=2 * REQUESTS)  # half of them parse
    waits = time.monotonic() - began > _WAIT_S
    threads = MOST_REQUESTS if waits else 2 * REQUESTS
    return opened + open_at_once(open_one, rest, threads=threads)


def open_at_once(
    open_one: Callable[[T], S], many: Sequence[T], *, threads: int
) -> list[S]:
    """Open each of many on threads; what these warn of is said by who waits for them."""
    opened: list[S] = []
    if len(many) < 2:  # nobody waits for another
        return list(map(open_one, many))
    jobs = (partial(_with_warnings, open_one, one) for one in many)
    for one, warnings in results(
        jobs, threads=threads, most=len(many), name="lazydicom-open", in_order=True
    ):
        for message, url in warnings:
            warn(message, url=url)
        opened.append(one)
    return opened


def _with_warnings(
    open_one: Callable[[T], S], one: T
) -> tuple[S, list[tuple[str, str]]]:
    with held_warnings() as warnings:
        return open_one(one), warnings


def _open_batches(
    files: list[Listed],
    open_one: Callable[[Listed], DicomImage | Problem],
    options: OpenOptions,
) -> tuple[list[Batch], list[Listed], list[Problem]]:
    """Open files that are framed like one among them together, give the others.

    They are local, or their first bytes are here.
    """
    batches: list[Batch] = []
    problems: list[Problem] = []
    here = [file.is_here for file in files]
    if not _is_plain(options) or not any(here):
        return batches, files, problems
    others: list[Listed] = []
    if not all(here):
        pairs = list(zip(files, here, strict=True))
        others = [file for file, is_here in pairs if not is_here]
        files = [file for file, is_here in pairs if is_here]
    left = files
    for _ in range(_KINDS):
        if len(left) < _FEW:
            break
        source = left[0].opened
        head = b"".join(source.first_block) if is_fetched(source) else b""
        first, left = open_one(left[0]), left[1:]
        if isinstance(first, Problem):
            problems.append(first)
            continue
        batches.append(batch_of([first]))
        try:
            to_read = [file.to_read for file in left]
            alike = list(open_batches(first, to_read, head=head))
        except ValueError:
            break  # the file by itself tells where
        batches += [Batch(one.images, (one.frames, one.instances)) for one in alike]
        taken = {row for part in alike for row in part.which}
        left = [file for row, file in enumerate(left) if row not in taken]
    return batches, left + others, problems


def is_one_file(name: str) -> bool:
    """Return whether a name is no folder, no pattern, no zip file and no DICOMDIR.

    No server is asked: a folder elsewhere must end with a slash.
    """
    first = name if is_local(name) else chain(name)[0]
    if first.endswith(("/", os.sep)) or is_dicomdir(first):
        return False
    path = local_path(name) if is_local(name) else ""
    if path and os.path.lexists(path):
        return not os.path.isdir(path) and not path.lower().endswith(".zip")  # noqa: PTH112
    return not is_pattern(first) and not first.lower().endswith(".zip")


def _name_of(file: Listed) -> str:
    """Return the path or URL of a file, nothing where its bytes were given."""
    return "" if isinstance(file.file, bytes | bytearray | memoryview) else file.url


def _open_listed(
    file: Listed, *, storage_options: Mapping[str, Any], options: OpenOptions
) -> DicomImage | Problem:
    """Open one file, or say why it is no part of what is opened."""
    source = None
    try:
        if options.uses_index:  # which opens the file itself, and asks for less of it
            return indexed.open_indexed(file.file, storage_options, options).images[0]
        if isinstance(file.opened, SourceError):
            raise file.opened
        source = file.opened or open_source(
            file.file, storage_options, **options.of_source
        )
        return open_instance(partial(read_header, source, options.given), options)
    except InvalidDicomError as error:
        if options.uses_index:
            with suppress(LazyDicomError):
                source = open_source(file.file, storage_options, **options.of_source)
        if source is None or file.named or is_broken_image(source):
            return problem_of(_name_of(file), error, source)
        return Problem(redact_url(source.url), why_passed_over(source))
    except LazyDicomError as error:
        if not file.named and _is_no_file(_name_of(file)):
            return Problem(_name_of(file), "no file: a pipe, a socket, a device")
        return problem_of(_name_of(file), error, source)


def _is_no_file(name: str) -> bool:
    return is_local(name) and os.path.exists(name) and not os.path.isfile(name)  # noqa: PTH110, PTH113


def tabulate_files(
    batches: Sequence[Batch], problems: Sequence[Problem]
) -> tuple[FrameTable | None, list[Problem]]:
    """Tabulate all files; who spoils the table is looked for only where it fails.

    There is no table where no file is left.
    """
    problems = list(problems)
    if not batches:
        return None, problems
    try:
        return tabulate(batches), problems
    except LazyDicomError:
        kept = [_without_faults(batch, problems) for batch in batches]
    kept = [batch for batch in kept if batch.images]
    return tabulate(kept) if kept else None, problems


def _without_faults(batch: Batch, problems: list[Problem]) -> Batch:
    """Leave out the images that make no table by themselves."""
    if batch.known is not None:
        return batch
    good: list[DicomImage] = []
    for image in batch.images:
        try:
            with held_warnings():  # they are said where the table is made
                tabulate([Batch([image])])
            good.append(image)
        except LazyDicomError as error:
            uid = image.header.elements.get(tags.SERIES_INSTANCE_UID, "UI")
            series = "".join(map(str, uid[:1]))
            problems.append(Problem(redact_url(image.url), str(error), error, series))
    return Batch(good)


def without_copies(table: FrameTable) -> FrameTable:
    """Return the table with each instance once, where copies hold the same pixels.

    Copies with other pixels stay: they are an error later on, which names them.
    """
    pairs = [
        (row, other)
        for row, other in _alike_instances(table)
        if _same_pixels(table.images[row], table.images[other])
    ]
    if not pairs:
        return table
    row, other = pairs[0]
    message = f"{len(pairs)} copies of instances are left out, the first is that of "
    message += redact_url(table.images[row].url)
    warn(message, url=table.images[other].url)
    dropped = [other for _, other in pairs]
    return table.take(np.flatnonzero(~np.isin(table.image, dropped)))


def _alike_instances(table: FrameTable) -> list[tuple[int, int]]:
    """Return the first instance of a UID with each other one that says the same.

    Many files may have one UID, all of which hold other frames: they are compared together.
    """
    uids = table.instances["sop_instance_uid"]
    named = np.flatnonzero(uids != "")
    _, first, which = np.unique(uids[named], return_index=True, return_inverse=True)
    rows, others = named[first[which.reshape(-1)]], named
    counts = np.bincount(table.image, minlength=len(table.images))
    alike = (rows != others) & (counts[rows] == counts[others])
    if not alike.any():
        return []
    rows, others = rows[alike], others[alike]
    frames = np.split(np.argsort(table.image, kind="stable"), np.cumsum(counts)[:-1])
    firsts = np.array([own[0] if len(own) else 0 for own in frames])
    columns = [column for column in table.columns.values() if column.dtype.kind == "f"]
    columns += [table.numbers("instance_number")]
    same = np.ones(len(rows), np.bool_)
    for column in columns:
        one, two = column[firsts[rows]], column[firsts[others]]
        same &= ((one == two) | ((one != one) & (two != two))).all(axis=1)  # noqa: PLR0124
    return [
        (row, other)
        for row, other in zip(rows[same].tolist(), others[same].tolist(), strict=True)
        if all(
            np.array_equal(c[frames[row]], c[frames[other]], equal_nan=True)
            for c in columns
        )
    ]


def _same_pixels(one: DicomImage, other: DicomImage) -> bool:
    """Return whether all frames have the same bytes; they are read for it."""
    if len(one) != len(other) or one.format != other.format:
        return False
    try:
        return all(_encoded(one, k) == _encoded(other, k) for k in range(len(one)))
    except LazyDicomError:
        return False


def _encoded(image: DicomImage, frame: int) -> bytes:
    return b"".join(map(bytes, image.reader.read([frame])))
