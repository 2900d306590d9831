"""Kinds for the workers of the fault tests: work that can be followed step by step, and work that harms its worker."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from workers import AsyncContext, Context, Failed, Retry, Wait, job


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
    """The same below a process of its own, which starts it by itself."""
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


@job("failing", max_attempts=3)
async def failing(ctx: AsyncContext, how: str, after: float = 0.0) -> None:
    """End badly: `error`, `retry` (after so many seconds), `failed`, or `exit`."""
    match how:
        case "retry":
            raise Retry(after)
        case "failed":
            raise Failed("no attempt would end otherwise")
        case "exit":
            raise SystemExit(3)
        case _:
            raise ValueError("as it was told")
