"""The command `lazydicom`: each subcommand calls one public function and prints.

An error is one sentence on stderr and exit code 1; ``--debug`` shows the traceback.
"""

import re
import warnings
from typing import Final

import click

from lazydicom._cli.debug import debug_option, wants_traceback
from lazydicom._cli.demo import demo
from lazydicom._cli.export import export
from lazydicom._cli.frames import frames
from lazydicom._cli.index import index
from lazydicom._cli.info import info
from lazydicom._cli.preview import preview
from lazydicom._cli.reference import reference
from lazydicom._cli.series_table import printable
from lazydicom._cli.verify import verify
from lazydicom.errors import LazyDicomError, LazyDicomWarning, redact_url

_SWITCH: Final = re.compile(r"\b(overwrite|resume)=True\b")
_ARGUMENT: Final = re.compile(r"\b(series|on_gap|fill_value)=(.)")
_EXPECTED: Final = (LazyDicomError, OSError, ImportError, ValueError, MemoryError)
"""What a file, a disk or an argument may cause; its text may be printed."""


class _Commands(click.Group):
    """Subcommands whose errors and warnings are one sentence each."""

    def invoke(self, ctx: click.Context) -> object:
        with warnings.catch_warnings(record=True) as warned:
            # A slide may say the same of 100,000 tiles.
            warnings.simplefilter("default", LazyDicomWarning)
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except BrokenPipeError:  # a reader such as `head` has seen enough
                raise
            except Exception as error:  # nobody is above to catch it
                if wants_traceback(ctx):
                    raise
                raise click.ClickException(_sentence(error)) from None
            finally:
                for text in dict.fromkeys(str(one.message) for one in warned):
                    click.echo(f"Warning: {_one_line(text)}", err=True)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lazydicom")
@debug_option
def main() -> None:
    """DICOM pixel data of any size, anywhere, as a lazy array.

    URL is a path or any fsspec URL: s3://, https://, zip://a.dcm::https://...
    """


for _command in (info, frames, index, preview, export, reference, verify, demo):
    main.add_command(_command)


def _sentence(error: Exception) -> str:
    if not isinstance(error, _EXPECTED):  # its text may hold a secret
        return f"Unexpected {type(error).__name__}; --debug shows where"
    if isinstance(error, LazyDicomError) or not isinstance(error, OSError):
        return _as_options(_one_line(str(error))) or type(error).__name__
    return _one_line(f"{error.strerror or error}: {error.filename or ''}").rstrip(": ")


def _as_options(text: str) -> str:
    """Name the options of the command where the library names its arguments.

    >>> _as_options("overwrite=True replaces it; choose one with series=: 'a'")
    "--overwrite replaces it; choose one with --series: 'a'"
    >>> _as_options("Choose on_gap='fill' or 'split'")
    "Choose --on-gap 'fill' or 'split'"
    """
    text = _SWITCH.sub(r"--\1", text)
    return _ARGUMENT.sub(lambda found: _option(found[1], found[2]), text)


def _option(name: str, follows: str) -> str:
    return f"--{name.replace('_', '-')}" + (" " if follows == "'" else "") + follows


def _one_line(text: str) -> str:
    """Print no secret of a URL, no second line and no control character of a file."""
    return printable(" ".join(redact_url(word) for word in text.split()))
