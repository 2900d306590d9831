"""Kinds to measure the start of, one for each place where a handler runs. `heavy.py` has one with much to import."""

import asyncio

from workers import AsyncContext, Context, job


@job("bench_loop")
async def bench_loop(ctx: AsyncContext) -> None:
    ctx.log("begun")


@job("bench_thread")
def bench_thread(ctx: Context) -> None:
    ctx.log("begun")


@job("bench_process", process=True)
def bench_process(ctx: Context) -> None:
    ctx.log("begun")


@job("bench_talk")
async def bench_talk(ctx: AsyncContext, *, seconds: float, per_second: float) -> None:
    """As many events a second: two of its progress, as the feed lets through, and else lines of its log."""
    whole = int(seconds * per_second)
    for n in range(whole):
        if n % max(int(per_second / 2), 1) == 0:
            ctx.progress(100 * n / whole, f"{n} of {whole}")
        else:
            ctx.log(f"line {n}")
        await asyncio.sleep(1 / per_second)
