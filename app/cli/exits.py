"""How commands end, and the settings they end over where these are invalid. For `app/cli`."""

import os
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from app.settings import Settings


class ExitCode(IntEnum):
    """What a command's end means to the shell."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    REFUSED = 4
    """Refused by the service, or it cannot be reached."""
    DETACHED = 130
    """Ctrl-C: we stopped watching, the job goes on."""
    UNHEARD = 141
    """Nobody reads what is printed, as after `| head`: what a shell says of who dies by SIGPIPE."""


class Commands(TyperGroup):
    """Ends as `UNHEARD` where typer would say 1, which is that a job has failed."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tells of it as it ends
            raise typer.Exit(ExitCode.UNHEARD) from error


def settings_of(options: Mapping[str, Any]) -> Settings:
    """The settings, options before variables. Ends the command, with a line for each, where some are invalid."""
    try:
        return Settings(**options)
    except ValidationError as error:
        usage(*(f"{_setting(problem['loc'], options)}: {problem['msg']}" for problem in error.errors()))


def _setting(location: tuple[int | str, ...], options: Mapping[str, Any]) -> str:
    name = str(location[0])
    return f"--{name}" if name in options else f"TIDINGS_{name.upper()}"


def usage(*lines: str) -> NoReturn:
    """End the command with these words."""
    for line in lines:
        typer.echo(line, err=True)
    raise typer.Exit(ExitCode.USAGE)
