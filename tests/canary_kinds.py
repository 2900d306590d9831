"""Kinds that tell all they can find out about where they run. Loaded by the worker of `test_canaries.py`."""

import json
import os
import sys
from pathlib import Path

from workers import Context, Failed, Wait, job


def told_by(ctx: Context) -> None:
    """What a process knows of itself, by its log, its output, an event and a file."""
    known = json.dumps({"environment": dict(os.environ), "argv": sys.argv, "flags": sys.orig_argv})
    ctx.log(known)
    ctx.emit("known", {"of": known})
    ctx.save("known.json", known.encode())
    print(known)
    print(known, file=sys.stderr)


@job("tell_all", process=True, max_attempts=1)
def tell_all(ctx: Context, gate: str) -> dict[str, str]:
    """In a process of its own; stays until the gate is there."""
    told_by(ctx)
    while not Path(gate).exists():
        ctx.check()
    return dict(os.environ)


@job("fail_telling", process=True, max_attempts=1)
def fail_telling(ctx: Context) -> None:
    """The same as an error."""
    raise Failed(json.dumps(dict(os.environ)), "told")


@job("run_telling", max_attempts=1)
def run_telling(ctx: Context) -> dict[str, object]:
    """By a program, started from a thread."""
    ended = ctx.run(["sh", "-c", "env; cat /proc/self/cmdline /proc/self/environ /proc/$PPID/environ; env >&2"])
    for line in (*ended.stdout, *ended.stderr):
        ctx.log(line)
    return {"out": ended.stdout}


@job("await_call", max_attempts=1)
def await_call(ctx: Context, note: str) -> object:
    """Leaves the URL it waits at in a file."""
    if ctx.callback is None:
        assert ctx.callback_url
        Path(note).write_text(ctx.callback_url)
        raise Wait(60)
    raise RuntimeError(f"called back with {ctx.callback}")
