"""A skip that hides a missing tool in CI is a defect."""

import pytest
import tools


def test_a_missing_program_skips_on_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "IN_CI", False)

    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        tools.require_program("no-such-program")


def test_a_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "IN_CI", True)

    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        tools.require_program("no-such-program")


def test_missing_data_fail_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "IN_CI", True)

    with pytest.raises(pytest.fail.Exception, match="no-such-folder"):
        tools.require_shared_data("no-such-folder")
