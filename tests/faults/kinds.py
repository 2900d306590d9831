"""Kinds for the workers of the fault tests: work that can be followed step by step, and work that harms its worker."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workers import AsyncContext, Context, Failed, Input, Retry, Wait, job
from workers.context import JobContext


@job("steady", max_attempts=10)
async def steady(ctx: AsyncContext, steps: int = 20, seconds: float = 0.1) -> int:
    """Tell of each step by a numbered event, and of how far it is."""
    for step in range(steps):
        ctx.emit("step", {"step": step, "attempt": ctx.attempt})
        ctx.progress(100 * step / steps)
        await asyncio.sleep(seconds)
    return steps


@job("steady_thread", max_attempts=10)
def steady_thread(ctx: Context, steps: int = 20, seconds: float = 0.1) -> int:
    """The same in a thread."""
    return _steady(ctx, steps, seconds)


@job("steady_process", max_attempts=10, process=True)
def steady_process(ctx: Context, steps: int = 20, seconds: float = 0.1) -> int:
    """The same in a process of its own."""
    return _steady(ctx, steps, seconds)


def _steady(ctx: Context, steps: int, seconds: float) -> int:
    for step in range(steps):
        ctx.emit("step", {"step": step, "attempt": ctx.attempt})
        ctx.progress(100 * step / steps)
        time.sleep(seconds)
    return steps


@job("gated", max_attempts=10)
async def gated(ctx: AsyncContext, gate: str, wait: float = 0.02) -> int:
    """Go on until there is a file of that name. The result is the attempt that saw it."""
    ctx.log(f"attempt {ctx.attempt}")
    while not Path(gate).exists():
        await asyncio.sleep(wait)
    return ctx.attempt


@job("ticking", max_attempts=10)
async def ticking(ctx: AsyncContext, gate: str, seconds: float = 0.1) -> int:
    """Tell of each step by a numbered event until there is a file of that name. The result is how many there were."""
    step = 0
    while not Path(gate).exists():
        ctx.emit("step", {"step": step, "attempt": ctx.attempt})
        ctx.progress(step % 100)
        step += 1
        await asyncio.sleep(seconds)
    return step


@job("ticking_thread", max_attempts=10)
def ticking_thread(ctx: Context, gate: str, seconds: float = 0.1) -> int:
    """The same in a thread."""
    return _ticking(ctx, gate, seconds)


@job("ticking_process", max_attempts=10, process=True)
def ticking_process(ctx: Context, gate: str, seconds: float = 0.1) -> int:
    """The same in a process of its own."""
    return _ticking(ctx, gate, seconds)


def _ticking(ctx: Context, gate: str, seconds: float) -> int:
    step = 0
    while not Path(gate).exists():
        ctx.emit("step", {"step": step, "attempt": ctx.attempt})
        ctx.progress(step % 100)
        step += 1
        time.sleep(seconds)
    return step


@job("witness", max_attempts=10)
async def witness(ctx: AsyncContext, notes: str, gate: str) -> int:
    """Note in a file that it begins and how it ends; go on until there is a file `<gate>.<attempt>`."""
    with _noted(ctx, notes):
        while not Path(f"{gate}.{ctx.attempt}").exists():
            ctx.emit("tick", {"attempt": ctx.attempt})
            await asyncio.sleep(0.05)
    return ctx.attempt


@job("witness_thread", max_attempts=10)
def witness_thread(ctx: Context, notes: str, gate: str) -> int:
    """The same in a thread."""
    return _witness(ctx, notes, gate)


@job("witness_deaf", max_attempts=10)
def witness_deaf(ctx: Context, notes: str, gate: str) -> int:
    """The same in a thread that is deaf to every request to stop."""
    with _noted(ctx, notes):
        while not Path(f"{gate}.{ctx.attempt}").exists():
            time.sleep(0.05)
    return ctx.attempt


@job("witness_process", max_attempts=10, process=True)
def witness_process(ctx: Context, notes: str, gate: str) -> int:
    """The same in a process of its own."""
    return _witness(ctx, notes, gate)


def _witness(ctx: Context, notes: str, gate: str) -> int:
    with _noted(ctx, notes):
        while not Path(f"{gate}.{ctx.attempt}").exists():
            ctx.emit("tick", {"attempt": ctx.attempt})
            time.sleep(0.05)
    return ctx.attempt


@contextmanager
def _noted(ctx: JobContext[Any], notes: str) -> Iterator[None]:
    """Lines of a file: attempt, process id, and what happened."""

    def note(what: str) -> None:
        with Path(notes).open("a") as file:
            file.write(f"{ctx.attempt} {os.getpid()} {what}\n")

    note("begun")
    try:
        yield
    except BaseException as error:
        note(type(error).__name__)
        raise
    note("returned")


@job("busy")
async def busy(ctx: AsyncContext, gate: str, lull: str = "", size: int = 8_000, seconds: float = 0.025) -> int:
    """Tell much, until there is a file named as the gate; while there is one named as the lull, little."""
    told = 0
    while not Path(gate).exists():
        ctx.emit("chunk", {"chunk": told, "padding": "" if lull and Path(lull).exists() else "x" * size})
        ctx.progress(told % 100)
        told += 1
        await asyncio.sleep(seconds)
    return told


@job("murder", max_attempts=3)
def murder(ctx: Context) -> None:
    """Kill the worker, each time."""
    os.kill(os.getpid(), signal.SIGKILL)


@job("deaf")
def deaf(ctx: Context, gate: str) -> str:
    """Hold a thread, deaf to every request to stop, until there is a file of that name."""
    while not Path(gate).exists():
        time.sleep(0.02)
    return "heard nothing"


@job("family")
def family(ctx: Context, pids: str) -> None:
    """A child with a grandchild that ignores SIGTERM; their process ids go to a file."""
    ctx.run([sys.executable, "-c", FAMILY, pids])


@job("family_process", process=True)
def family_process(ctx: Context, pids: str) -> None:
    """The same below a process of its own, which ignores SIGTERM too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.run([sys.executable, "-c", FAMILY, pids], check=True)


FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.replace(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""


@job("patient")
async def patient(ctx: AsyncContext, seconds: float = 600) -> str:
    """Wait for a callback."""
    raise Wait(seconds)


@job("called", max_attempts=10)
async def called(ctx: AsyncContext, url: str, gate: str) -> list[Any]:
    """Leave in a file where to call back; once called, go on until there is a file of the other name."""
    if ctx.callback is None:
        Path(url).write_text(ctx.callback_url or "")
        raise Wait(600)
    while not Path(gate).exists():
        await asyncio.sleep(0.02)
    return [ctx.callback, ctx.attempt]


async def seek(ctx: AsyncContext) -> str | None:
    """Say by a file that it has begun; look into another one."""
    Path(ctx.params["begun"]).touch()
    while not (found := Path(ctx.params["found"])).exists():
        await asyncio.sleep(0.02)
    return found.read_text()


@job("sought", reconcile=seek, reconcile_seconds=0.2)
async def sought(ctx: AsyncContext, found: str, begun: str) -> list[Any]:
    """Wait for what nobody calls back."""
    if ctx.callback is None:
        raise Wait(600)
    return [ctx.callback, ctx.attempt]


@job("failing", max_attempts=3)
async def failing(ctx: AsyncContext, how: str, after: float = 0.0) -> None:
    """End badly: `error`, `retry` (after so many seconds), `failed`, or `exit`."""
    _fail(how, after)


@job("failing_thread", max_attempts=3)
def failing_thread(ctx: Context, how: str, after: float = 0.0) -> None:
    """The same in a thread."""
    _fail(how, after)


@job("failing_process", max_attempts=3, process=True)
def failing_process(ctx: Context, how: str, after: float = 0.0) -> None:
    """The same in a process of its own, which may also `die` or `leave`."""
    match how:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            os._exit(7)
    _fail(how, after)


def _fail(how: str, after: float) -> None:
    match how:
        case "retry":
            raise Retry(after)
        case "failed":
            raise Failed("no attempt would end otherwise")
        case "exit":
            raise SystemExit(3)
        case _:
            raise ValueError("as it was told")


@job("keeping")
def keeping(ctx: Context, size: int = 1_000, gate: str = "") -> int:
    """Leave an artifact of so many bytes; with a gate, go on until there is a file of that name."""
    draft = ctx.scratch / "draft"
    draft.write_bytes(b"x" * size)
    ctx.save("kept.bin", draft)
    while gate and not Path(gate).exists():
        time.sleep(0.02)
    return size


@job("copying")
def copying(ctx: Context, source: Input) -> str:
    """Leave an artifact that is an input."""
    return ctx.save("copy.bin", ctx.open_input(source)).sha256


@job("sizing")
def sizing(ctx: Context, input: Input) -> int:
    """How many bytes an input has."""
    return ctx.open_input(input).stat().st_size
