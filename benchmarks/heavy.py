"""A kind whose module takes long to import, as those of data and learning libraries do."""

import httpx
import starlette.applications
import typer

from workers import Context, job

HEAVY = (httpx, starlette.applications, typer)


@job("bench_heavy", process=True)
def bench_heavy(ctx: Context) -> None:
    ctx.log("begun")
