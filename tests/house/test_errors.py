"""Errors say what, where and in which file, and keep secrets."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazydicom import errors
from lazydicom.errors import (
    DecodeError,
    InvalidDicomError,
    LazyDicomError,
    LazyDicomWarning,
    redact_url,
    warn,
)

KIN = {
    "InvalidDicomError": ValueError,
    "UnsupportedError": NotImplementedError,
    "DecodeError": ValueError,
    "LimitError": ValueError,
    "SourceError": OSError,
    "SourceChangedError": OSError,
    "ExportError": OSError,
}


@pytest.mark.parametrize("name", KIN)
def test_each_error_has_the_built_in_kin_that_a_caller_expects(name: str) -> None:
    kind = getattr(errors, name)

    error = kind("What", url="a.dcm", offset=7, tag=0x7FE00010, frame=3)

    assert isinstance(error, LazyDicomError)
    assert isinstance(error, KIN[name])
    text = "What, frame 3, element (7FE0,0010) in a.dcm at byte 7"
    assert str(error) == text


@pytest.mark.parametrize("name", KIN)
def test_each_error_survives_the_way_back_from_another_process(name: str) -> None:
    error = getattr(errors, name)("What", url="s3://k:s@b/a.dcm", offset=7, frame=3)

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_place_is_added_only_where_none_is_known() -> None:
    error = DecodeError("What", offset=0)

    error.locate(url="a.dcm", offset=5, frame=2).locate(url="b.dcm", frame=9)

    assert (error.url, error.offset, error.frame) == ("a.dcm", 0, 2)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/data/a?b#c@d.dcm", "/data/a?b#c@d.dcm"),
        ("s3://key:secret@bucket/a.dcm", "s3://bucket/a.dcm"),
        ("https://user@host/a.dcm?sig=secret#x", "https://host/a.dcm"),
        ("s3://key:sec/ret@bucket/a.dcm", "s3://bucket/a.dcm"),
        ("https://user:p@secret@host/a.dcm", "https://host/a.dcm"),
        ("https://us@er:secret@host/a@b.dcm", "https://host/a@b.dcm"),
        ("https://user:sec::ret@host/a.dcm", "https://host/a.dcm"),
        ("zip://a.dcm::/data/x@y.zip", "zip://a.dcm::/data/x@y.zip"),
        (
            "simplecache::zip://a::ftp://u:secret@[::1]/b",
            "simplecache::zip://a::ftp://[::1]/b",
        ),
        ("https://host:8080/a@b.dcm", "https://host:8080/a@b.dcm"),
        (
            "zip://a.dcm::https://u:secret@host/b.zip?sig=secret",
            "zip://a.dcm::https://host/b.zip",
        ),
        (
            "simplecache::s3://key:secret@bucket/a.dcm",
            "simplecache::s3://bucket/a.dcm",
        ),
        ("https://host/a.dcm?", "https://host/a.dcm"),
        ("HTTPS://User:secret@Host/a.dcm", "HTTPS://Host/a.dcm"),
    ],
)
def test_user_password_and_query_are_never_shown(url: str, shown: str) -> None:
    redacted = redact_url(url)

    assert "secret" not in redacted
    assert redacted == shown


@given(
    secret=st.text("abcXYZ019:%+=-_.~!$&'()*,;@", min_size=6, max_size=20),
    query=st.text("abcXYZ019%&=?/@:#", max_size=20),
)
def test_no_password_and_no_query_is_ever_shown(secret: str, query: str) -> None:
    marked = f"S3CR3T{secret}S3CR3T"

    url = f"https://user:{marked}@host/a.dcm?{query}sig={marked}"

    assert "S3CR3T" not in str(InvalidDicomError("What", url=url))
    assert "S3CR3T" not in repr(InvalidDicomError("What", url=url))


def test_a_warning_names_the_file_without_secrets() -> None:
    with pytest.warns(LazyDicomWarning, match=r"^Odd in s3://bucket/a\.dcm$"):
        warn("Odd", url="s3://key:secret@bucket/a.dcm")
