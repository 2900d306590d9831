"""Kinds that the tests of the worker have it run."""

import asyncio
import time
from pathlib import Path

from workers import Context, job

DONE: list[str] = []
"""What `chore` was given, in the order it ran in this process."""

STOPPED: list[int] = []
"""The attempts of `endless` that were stopped in this process."""

LONE: list[str] = []
"""The jobs of `lone` that run in this process."""

COMPANY: list[int] = []
"""How many of them there were whenever one began."""


@job("chore")
async def chore(ctx: Context, name: str = "") -> None:
    """End at once."""
    DONE.append(name)


@job("endless")
async def endless(ctx: Context) -> None:
    """Go on until stopped."""
    try:
        await asyncio.Event().wait()
    finally:
        STOPPED.append(ctx.attempt)


@job("gated")
async def gated(ctx: Context, gate: str) -> None:
    """Go on until there is a file of that name."""
    while True:
        if Path(gate).exists():
            return
        await asyncio.sleep(0.005)


@job("lone", max_running=1)
async def lone(ctx: Context) -> None:
    """Run for a moment, and no other meanwhile."""
    LONE.append(ctx.job_id)
    COMPANY.append(len(LONE))
    await asyncio.sleep(0.02)
    LONE.remove(ctx.job_id)


@job("stubborn")
def stubborn(ctx: Context) -> None:
    """Block a thread, deaf to everything."""
    while True:
        time.sleep(60)
