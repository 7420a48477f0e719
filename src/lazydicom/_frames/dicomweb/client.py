"""The door to DICOMweb: metadata and frames by WADO-RS (PS3.18 section 10.4).

Several frames come with one request, and each response is checked: status, media type, number
of parts and their places.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urljoin, urlsplit

from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.source import MINIMUM_RATE
from lazydicom._frames.dicomweb.body import (
    ENCODINGS,
    Most,
    check_json,
    read_beginning,
    read_body,
)
from lazydicom._frames.dicomweb.multipart import Part, parse_multipart
from lazydicom._header import tags
from lazydicom.errors import LazyDicomError, SourceError

if TYPE_CHECKING:
    from dicomweb_client.api import DICOMwebClient
    from requests import Response, Session

_T = TypeVar("_T")
Accept: TypeAlias = tuple[str, str]
"""Media type and transfer syntax that are asked for."""

_URL: Final = re.compile(
    r"dicomweb\+(https?://.+?)/studies/([0-9.]+)/series/([0-9.]+)/instances/([0-9.]+)/?"
)
_LOCATION: Final = re.compile(r"(?:/instances/([0-9.]+))?/frames/(\d+)/?(?:[?#].*)?$")
_REFUSED: Final = frozenset((400, 406, 415, 500, 501))
_STATUS: Final = {
    401: "The server asks for credentials",
    403: "The server refuses access",
    404: "There is no such instance",
    410: "There is no such instance any more",
}
_OPTIONS: Final = frozenset(("headers", "auth", "timeout", "verify"))
_TIMEOUT_S: Final = (10, 60)
_FILE: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_ODD_JSON: Final = (LookupError, TypeError, RecursionError)
"""What the client makes of JSON of another shape."""
_SHUFFLING: Final[set[str]] = set()
"""Services that were seen to send frames in another order than they were asked for."""
_BEGINNING: Final = 4096
"""Enough for the File Meta Information."""
_MOST_METADATA: Final = 1 << 27
"""128 MiB: the groups of 100,000 frames."""
_MOST_OTHER: Final = 1 << 20
"""Pages that say what went wrong."""
_AROUND: Final = 1 << 16
"""What a codestream that does not pack, and a part, need besides their pixels."""
_SERVERS_KEPT: Final = 4
"""Connections of one thread go to few servers at a time."""
_here: Final = per_process(threading.local)
"""Clients, and the response under way, of each thread."""


class Place(NamedTuple):
    """Where an instance is."""

    service: str
    study: str
    series: str
    instance: str


class Instance(NamedTuple):
    """An instance, and how it is asked for."""

    url: str
    place: Place
    options: Mapping[str, Any]
    """What the caller passed."""
    minimum_rate: int = MINIMUM_RATE
    """Bytes in a second that a body must have."""


def parse_url(url: str) -> Place:
    """Take the URL of an instance apart.

    >>> parse_url("dicomweb+https://host/wado/studies/1.2/series/3/instances/4").service
    'https://host/wado'
    """
    match = _URL.fullmatch(url)
    if match is None:
        message = "Expected dicomweb+https://…/studies/UID/series/UID/instances/UID"
        raise SourceError(message, url=url)
    return Place(*match.groups())


def fetch_metadata(instance: Instance) -> dict[str, Any]:
    """Ask for the metadata of an instance.

    Raises
    ------
    SourceError
        If the server does not respond, or with those of another instance.
    LimitError
        If there are more of them than any instance has.
    ValueError
        If there is an option that is not known.
    """
    url, place, options, minimum_rate = instance
    unknown = set(options) - _OPTIONS
    if unknown:
        message = f"Expected the options {sorted(_OPTIONS)}, found {sorted(unknown)}"
        raise ValueError(message)
    client = _client(place.service, options)
    _here().most = Most(_MOST_METADATA, minimum_rate)
    try:
        metadata = _ask(url, lambda: client.retrieve_instance_metadata(*place[1:]))
    except _ODD_JSON:
        metadata = None
    if not isinstance(metadata, dict):
        raise SourceError("Expected the metadata of one instance", url=url)
    match metadata.get(f"{tags.SOP_INSTANCE_UID:08X}"):
        case {"Value": [place.instance]}:
            return metadata
    raise SourceError("The metadata are those of another instance", url=url)


def fetch_frames(
    instance: Instance, accept: Accept, frames: Sequence[int], *, frame_nbytes: int
) -> list[Part]:
    """Ask for frames, counted from 0, with one request.

    A server that was seen to send frames in another order than they were asked for is asked
    for one after the other: not every part says which frame it is.

    Raises
    ------
    RefusedError
        If the server does not know what `accept` means, or cannot do it.
    SourceError
        If the response is not one part for each frame, in order.
    LimitError
        If it is longer than frames of `frame_nbytes`, however they are encoded.
    """
    url, place, options, minimum_rate = instance
    if len(frames) > 1 and place.service in _SHUFFLING:
        return _one_by_one(instance, accept, frames, frame_nbytes)
    client = _client(place.service, options)
    numbers = [frame + 1 for frame in frames]
    length = len(frames) * (2 * frame_nbytes + _AROUND)
    _here().most = Most(length, minimum_rate, len(frames))
    # Streamed: the client then takes nothing apart, which `_note_parts` has done.
    ask = partial(
        client.iter_instance_frames, *place[1:], numbers, media_types=(accept,)
    )
    _ask(url, ask)
    parts: list[Part] = _here().__dict__.pop("parts")
    if len(parts) != len(frames):
        message = f"Expected {len(frames)} frames, the server sent {len(parts)}"
        raise SourceError(message, url=url)
    if _is_shuffled(parts, numbers):
        _SHUFFLING.add(place.service)
        return _one_by_one(instance, accept, frames, frame_nbytes)
    for number, part in zip(numbers, parts, strict=True):
        _check_location(part.location, place, number, url)
    return parts


def _one_by_one(
    instance: Instance, accept: Accept, frames: Sequence[int], frame_nbytes: int
) -> list[Part]:
    return [
        fetch_frames(instance, accept, [one], frame_nbytes=frame_nbytes)[0]
        for one in frames
    ]


def _is_shuffled(parts: Sequence[Part], numbers: Sequence[int]) -> bool:
    """Return whether parts say that they are these frames, in another order."""
    places = [_LOCATION.search(part.location) for part in parts]
    sent = [int(place[2]) for place in places if place is not None]
    return sent != list(numbers) and sorted(sent) == sorted(numbers)


def fetch_beginning(instance: Instance) -> bytes:
    """Ask for the file itself, and read no more than where it begins.

    Raises
    ------
    SourceError
        If the server does not send it.
    """
    url, place, options, minimum_rate = instance
    session = _client(place.service, options)._session  # noqa: SLF001 (it streams)

    def request() -> bytes:
        with session.get(
            "{}/studies/{}/series/{}/instances/{}".format(*place),
            headers={"Accept": _FILE, "Accept-Encoding": "identity"},
            hooks={"response": _leave_alone},  # the other one reads it all
            timeout=options.get("timeout", _TIMEOUT_S),
            allow_redirects=False,
            stream=True,
        ) as response:
            response.raise_for_status()
            return read_beginning(response, Most(_BEGINNING, minimum_rate))

    return bytes(_ask(url, request))


def _leave_alone(what: _T, **_: object) -> _T:
    """Stand in for a hook of requests that would do something."""
    return what


def _check_location(location: str, place: Place, number: int, url: str) -> None:
    """Compare what a part says of itself, if it does, with what was asked for."""
    at = _LOCATION.search(location)
    if at is not None and at[1] not in {None, place.instance}:
        raise SourceError("The server sent a frame of another instance", url=url)
    if at is not None and int(at[2]) != number:
        message = f"Expected frame {number} of 1 … N, the server sent {at[2]}"
        raise SourceError(message, url=url)


class RefusedError(SourceError):
    """The server does not send what was asked for in these words."""


def _ask(url: str, request: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Ask; a fault that was noted is raised here, where the client does not ask again."""
    _here().fault = None
    try:
        response = _ask_once(url, request)
    except (SourceError, *_ODD_JSON):
        if _here().fault is None:
            raise
    except KeyboardInterrupt:  # a connection with half of a response on it
        for _, client in _clients().values():
            client._session.close()  # noqa: SLF001
        raise
    fault: LazyDicomError | None = _here().fault
    if fault is not None:
        raise fault.locate(url=url) from None
    return response


def _ask_once(url: str, request: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Let errors name the instance; texts of the client, which may hold secrets, go."""
    from requests.exceptions import HTTPError, RequestException
    from retrying import RetryError
    from urllib3.exceptions import HTTPError as ConnectionFault

    try:
        return request()
    except SourceError as error:
        raise error.locate(url=url) from None
    except HTTPError as error:
        response = error.response
        raise _status_error(
            0 if response is None else response.status_code, url
        ) from None
    except RetryError:
        raise SourceError("The server is busy; gave up asking", url=url) from None
    except (RequestException, ConnectionFault, ValueError) as error:
        raise SourceError(f"No response: {type(error).__name__}", url=url) from None


def _status_error(status: int, url: str) -> SourceError:
    if status in _REFUSED:
        message = f"The server cannot send this (status {status})"
        return RefusedError(message, url=url)
    reason = _STATUS.get(status, "The server does not respond as it should")
    return SourceError(f"{reason} (status {status})", url=url)


def _client(service: str, options: Mapping[str, Any]) -> "DICOMwebClient":
    """Make, or find, the client of this thread: its session is not for two of them."""
    clients = _clients()
    wanted = repr(sorted(options.items()))
    known = clients.pop(service, None)
    if known is not None and known[0] != wanted:  # a token was renewed
        known[1]._session.close()  # noqa: SLF001 (there is no other way)
        known = None
    client = known[1] if known is not None else _make_client(service, options)
    clients[service] = (wanted, client)
    while len(clients) > _SERVERS_KEPT:
        _, oldest = clients.pop(next(iter(clients)))
        oldest._session.close()  # noqa: SLF001
    return client


def _clients() -> "dict[str, tuple[str, DICOMwebClient]]":
    """Return the clients of this thread by server, the one used last at the end."""
    clients: dict[str, tuple[str, DICOMwebClient]]
    clients = _here().__dict__.setdefault("clients", {})
    return clients


def _make_client(service: str, options: Mapping[str, Any]) -> "DICOMwebClient":
    try:
        import requests
        from dicomweb_client.api import DICOMwebClient
    except ImportError as error:
        message = "DICOMweb needs lazydicom[dicomweb]"
        raise ImportError(message) from error
    headers = dict(options.get("headers", {}))
    user = requests.utils.get_auth_from_url(service)
    service = requests.utils.urldefragauth(service)  # the client logs its URLs
    session = requests.Session()
    session.auth = options.get("auth") or (user if any(user) else None)
    if not session.auth and "authorization" in map(str.lower, headers):
        session.auth = _leave_alone  # else one of .netrc takes its place
    session.verify = options.get("verify", True)
    session.headers["Accept-Encoding"] = ENCODINGS
    client = DICOMwebClient(
        service,
        session=session,
        headers=headers,
        callback=partial(_note_parts, session),
        permissive_uid=True,
        timeout=options.get("timeout", _TIMEOUT_S),
    )
    client.host = urlsplit(service).netloc  # its own lacks the port, and cuts IPv6
    client.set_http_retry_params(max_attempts=4, wait_exponential_multiplier=100)
    return client


def _note_parts(session: "Session", response: "Response", **_: object) -> "Response":
    """Read a response, no further than it may go, and keep what the client throws away.

    Those are the types and the places of the parts.
    """
    _here().parts = []
    most: Most = _here().most
    if response.status_code != 200:
        most = most._replace(length=_MOST_OTHER)
    body = b""
    try:
        body = read_body(response, most)
        if response.status_code == 200 and "/frames/" in response.url:
            kind = response.headers.get("Content-Type", "")
            _here().parts = parse_multipart(kind, body, frames=most.frames)
        elif response.status_code == 200:
            check_json(body)
    except LazyDicomError as error:
        _here().fault, body = error, b""
        response.close()
    except BaseException:
        response.close()
        raise
    response._content, response._content_consumed = body, True  # noqa: SLF001
    _stay_here(session, response)
    return response


def _stay_here(session: "Session", response: "Response") -> None:
    """Follow no redirect to another server: what a caller gave is not for it."""
    target = session.get_redirect_target(response)
    if target is not None:
        target = urljoin(response.url, target)
        if session.should_strip_auth(response.url, target):
            raise SourceError("The server redirects to another one")
