"""Kinds to measure the start of, one for each place where a handler runs. `heavy.py` has one with much to import."""

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
