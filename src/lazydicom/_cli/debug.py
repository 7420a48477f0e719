"""The option ``--debug``, before or after the name of a subcommand."""

from typing import Final

import click

_KEY: Final = "lazydicom.debug"


def _remember(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 (click's own signature)
    if wanted:
        ctx.meta[_KEY] = True  # all contexts of one call share it


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_remember,
    help="Show the traceback of an error.",
)


def wants_traceback(ctx: click.Context) -> bool:
    """Return whether ``--debug`` was given anywhere on the line."""
    return bool(ctx.meta.get(_KEY))
