"""What callers pass for a filesystem: misspelt options, absent credentials."""

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

from lazydicom.errors import SourceError

_ALIKE: Final = 0.75
_NO_CREDENTIALS: Final = frozenset(
    (
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "DefaultCredentialsError",
        "CredentialUnavailableError",
        "ClientAuthenticationError",
    )
)
_OF_REQUESTS: Final = (
    "headers",
    "auth",
    "timeout",
    "ssl",
    "cookies",
    "proxy",
    "params",
)
"""What the HTTP filesystem hands on to each request."""
_PASS: Final[Mapping[str, str]] = {
    "s3": "key= and secret=, or anon=True",
    "s3a": "key= and secret=, or anon=True",
    "gs": "token=, or token='anon'",
    "gcs": "token=, or token='anon'",
    "az": "account_name= and account_key=, or anon=True",
    "abfs": "account_name= and account_key=, or anon=True",
    "abfss": "account_name= and account_key=, or anon=True",
}


class OptionError(SourceError, TypeError):
    """An option that the filesystem does not have."""


def check_options(kind: type, protocol: str, options: Mapping[str, Any]) -> None:
    """Refuse an option that is nearly the name of one: it would be passed over silently.

    Raises
    ------
    OptionError
        If there is such an option.
    """
    for name, close in _misspelt(kind, protocol, frozenset(options)):
        message = (
            f"storage_options: {protocol} has no option {name!r}; is it {close!r}?"
        )
        raise OptionError(message)


def error_of_client(error: Exception, action: str, protocol: str) -> SourceError:
    """Return what an error of a client means; its text, which may hold secrets, is dropped."""
    name = type(error).__name__
    if isinstance(error, TypeError) and "unexpected keyword" in str(error):
        return OptionError(f"storage_options: {protocol} does not take one of them")
    if name in _NO_CREDENTIALS:
        hint = _PASS.get(protocol, "them")
        message = f"There are no credentials; pass {hint} in storage_options"
        return SourceError(f"{message} ({name})")
    return SourceError(f"Could not {action}: {name}")


@lru_cache(maxsize=64)
def _misspelt(
    kind: type, protocol: str, names: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    """Return names that are nearly one of an option; to compare them takes half a ms."""
    known = _parameters(kind, protocol)
    close = (
        (name, get_close_matches(name, known, n=1, cutoff=_ALIKE))
        for name in names - known
    )
    return tuple((name, found[0]) for name, found in close if found)


@lru_cache(maxsize=64)
def _parameters(kind: type, protocol: str) -> frozenset[str]:
    """Return the names that a filesystem and those it inherits from take."""
    names = set(_OF_REQUESTS if protocol in {"http", "https"} else ())
    for one in kind.__mro__:
        if "__init__" in one.__dict__:
            names |= set(inspect.signature(one.__dict__["__init__"]).parameters)
    return frozenset(names)
