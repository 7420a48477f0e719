"""What README and docs promise is run."""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import pytest
from command_line import run
from pydicom.data import get_testdata_file
from tools import REPOSITORY

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[[^]]+\]\((pictures/[^)]+)\)")
PROJECT_LINK = re.compile(r"lazydicom/lazydicom/(?:blob/|tree/)?main/([^)#\s]+)")
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Block(NamedTuple):
    language: str
    code: str
    line: int
    """Lines of the page that precede the code."""


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in FENCE.finditer(text):
        language, code = match.groups()
        yield Block(language, code, text.count("\n", 0, match.start(2)))


def run_session(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    parser = doctest.DocTestParser()
    session = parser.get_doctest(
        block.code, namespace, page.name, str(page), block.line
    )
    session.globs = namespace  # later blocks see the names of this one
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(
        session, out=report.append, clear_globs=False
    )
    assert result.failed == 0, "".join(report)


def run_script(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    padded = "\n" * block.line + block.code  # so that errors name the page's line
    exec(compile(padded, str(page), "exec"), namespace)  # noqa: S102


def run_console(block: Block, page: Path) -> None:
    """Run each line that begins with "$ ", and compare what it prints on stdout."""
    for example in block.code.removeprefix("$ ").split("\n$ "):
        command, _, expected = example.partition("\n")
        printed = output_of(command)
        same = doctest.OutputChecker().check_output(expected, printed, OPTIONS)
        assert same, f"{page}:{block.line}: {command}\n{printed}"


def output_of(command: str) -> str:
    """Run a command: our own alone in this process, with others in a shell."""
    words = shlex.split(command, comments=True)
    if words[0] == "lazydicom" and not set(command) & set("|;&<>$*"):
        done = run(*words[1:])
        assert done.exit_code == 0, done.output
        return done.stdout
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env={**os.environ, "PATH": programs},
    ).stdout


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay out what every page may use: the RT Dose that pydicom ships."""
    shipped = get_testdata_file("rtdose.dcm", download=False)
    assert isinstance(shipped, str)
    shutil.copy(shipped, tmp_path / "rtdose.dcm")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_on_a_page_runs(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}

    Path("pictures").mkdir()
    for block in blocks_of(page):
        if ">>> " in block.code:
            run_session(block, page, namespace)
        elif block.language == "python":
            run_script(block, page, namespace)
        elif block.language == "console":
            run_console(block, page)
    for name in PICTURE.findall(page.read_text()):
        assert_same_picture(page.parent / name, Path(name))


def assert_same_picture(shown: Path, made: Path) -> None:
    """Compare the picture on a page with what its code makes; rounding may differ."""
    pictures = [
        np.asarray(imagecodecs.png_decode(p.read_bytes())) for p in (shown, made)
    ]
    expected, found = (one.astype(int) for one in pictures)
    assert shown.stat().st_size < 60_000
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 2


def test_readme_has_no_link_that_is_local() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README.read_text())

    assert [link for link in links if not link.startswith("https://")] == []


def test_readme_shows_each_command_alone_on_its_line_and_ci_runs_the_same() -> None:
    commands = [block.code for block in blocks_of(README) if block.language == "sh"]
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    ci = [line.strip() for line in lines]

    demo, tests = (command.removesuffix("\n") for command in commands)

    assert demo.endswith("lazydicom demo")
    assert tests.endswith("-m pytest -n 2")
    assert demo in ci
    assert tests in ci


def test_links_into_the_repository_name_what_is_there() -> None:
    """A package index shows README without the files beside it: its links are whole."""
    for page in PAGES:
        places = PROJECT_LINK.findall(page.read_text())

        missing = [place for place in places if not (REPOSITORY / place).exists()]

        assert not missing, page


def test_local_links_of_a_page_lead_somewhere() -> None:
    for page in PAGES:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

        missing = [link for link in links if not (page.parent / link).exists()]

        assert not missing, page


def test_files_that_a_page_names_are_there() -> None:
    package = REPOSITORY / "src" / "lazydicom"
    for page in PAGES:
        named = re.findall(r"`(_\w+/[\w/]+\.py)`", page.read_text())

        assert [name for name in named if not (package / name).exists()] == [], page


def test_the_web_site_shows_every_page_for_users() -> None:
    shown = set(
        re.findall(
            r": ([\w/-]+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE
        )
    )
    docs = REPOSITORY / "docs"

    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("how-to/*.md")}

    assert all((docs / page).exists() for page in shown)
    assert pages - shown == set()
