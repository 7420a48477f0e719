"""What a codec cannot raise is raised all the same, and nothing else is touched."""

from __future__ import annotations

import os
import sys
from threading import Event, Thread
from typing import Any

import pytest
from codec_frames import decode, make_frame
from mutations import mutate

from lazydicom._decode.codecs.unraised import call_and_raise
from lazydicom.errors import LazyDicomError


class Broken:
    """It fails where nobody can hear it."""

    def __del__(self) -> None:
        raise ZeroDivisionError


def hold(begun: Event, stop: Event) -> None:
    """Be a call under way until somebody stops it."""
    begun.set()
    stop.wait()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Give what the hook that was there before hears."""
    found: list[Any] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda error: found.append(error.exc_type)
    )
    return found


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "RGB"])
def test_what_openjph_cannot_raise_is_an_error_and_no_black_frame(
    kind: str, heard: list[Any]
) -> None:
    frame = make_frame(f"1.2.840.10008.1.2.4.201 {kind}")
    failed = 0

    for seed in range(400):
        try:
            decode(mutate(frame.data, seed), frame.format)
        except LazyDicomError as error:
            failed += "ojph error" in str(error)

    assert not heard
    assert failed > 3


def test_errors_of_others_go_where_they_went(heard: list[Any]) -> None:
    def fail() -> int:
        Broken()
        return 5

    assert call_and_raise(fail) == 5

    assert heard == [ZeroDivisionError]


def test_the_hook_is_given_back_when_the_last_call_ends(heard: list[Any]) -> None:
    before = sys.unraisablehook
    begun, stop = Event(), Event()

    thread = Thread(target=call_and_raise, args=[hold, begun, stop])
    thread.start()
    begun.wait()
    call_and_raise(int)
    during = sys.unraisablehook
    Broken()
    stop.set()
    thread.join()

    assert during is not before
    assert sys.unraisablehook is before
    assert heard == [ZeroDivisionError]


def test_a_hook_that_somebody_put_there_meanwhile_stays(heard: list[Any]) -> None:
    def put() -> None:
        sys.unraisablehook = heard.append

    call_and_raise(put)

    assert sys.unraisablehook == heard.append


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_leaves_calls_of_other_threads_behind(heard: list[Any]) -> None:
    before = sys.unraisablehook
    begun, stop = Event(), Event()
    thread = Thread(target=call_and_raise, args=[hold, begun, stop])
    thread.start()
    begun.wait()

    child = os.fork()
    if child == 0:
        free = sys.unraisablehook is before and call_and_raise(lambda: True)
        os._exit(0 if free else 1)

    assert os.waitpid(child, 0)[1] == 0
    stop.set()
    thread.join()
    assert not heard
