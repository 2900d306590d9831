"""How a program that a handler started has ended. Made by `workers/run/program.py`, returned by `ctx.run`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exit:
    """`code` is negative for the signal that killed it. Of what it wrote: the last 40 lines, each at most 64 KiB."""

    code: int
    stdout: tuple[str, ...]
    stderr: tuple[str, ...]
