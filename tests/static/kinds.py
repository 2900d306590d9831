"""Kinds that the worker of these tests loads: one that tells a number of lines, and one whose every word is hostile."""

import asyncio

from workers import AsyncContext, Context, job

HOSTILE = '<img src="x" onerror="document.title = \'taken over\'">'


@job("ticks")
async def ticks(ctx: AsyncContext, *, count: int = 10, every: float = 0.05) -> dict[str, int]:
    """Log a line and tell progress, so many times."""
    for n in range(count):
        ctx.log(f"tick {n}")
        ctx.progress(100 * n / count, f"tick {n}", eta_seconds=every * (count - n))
        await asyncio.sleep(every)
    return {"count": count}


@job("hostile", max_attempts=1)
def hostile(ctx: Context) -> None:
    """All that it says could be taken for HTML."""
    ctx.progress(50, HOSTILE)
    raise RuntimeError(HOSTILE)


@job("silent")
async def silent(ctx: AsyncContext) -> None:
    """Take its time and say nothing of it."""
    await asyncio.sleep(600)


@job("lines")
async def lines(ctx: AsyncContext, *, count: int) -> None:
    """Log so many lines, as fast as they are taken."""
    for n in range(count):
        ctx.log(f"line {n}")
        if n % 500 == 0:
            await ctx.flush()
