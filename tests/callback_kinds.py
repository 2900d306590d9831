"""Kinds that wait for callbacks, one for each place where a handler runs."""

from asyncio import Event
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers import AsyncContext, Context, Failed, Wait, job


def _look(ctx: Context | AsyncContext) -> Any:
    """What lies in the file; a word in capitals is raised."""
    ctx.emit("looked", {"wait": ctx.callback_url})
    match Path(ctx.params["found"]).read_text() if ctx.params["found"] else "":
        case "":
            return None
        case "FAILED":
            raise Failed("there is none", "gone")
        case "LATER":
            raise ConnectionError("no bank")
        case text:
            return {"found": text, "before": ctx.callback}


async def look_awaited(ctx: AsyncContext) -> Any:
    if ctx.params["found"] == "never":
        await Event().wait()
    return _look(ctx)


def look(ctx: Context) -> Any:
    return _look(ctx)


def signed(body: bytes, headers: Mapping[str, str]) -> bool:
    if body == b'"odd"':
        raise KeyError("x-signature")
    return headers.get("x-signature") == f"signed {body.decode()}"


def _wait(ctx: Context | AsyncContext, times: int) -> list[Any]:
    """One wait after the other; what came last, and where the next one would have been called back."""
    waits = int((ctx.callback_url or "").split(".")[-2])
    if waits < times:
        raise Wait(60, heartbeat=30)
    return [ctx.callback, ctx.attempt, waits]


@job("wait_loop", reconcile=look_awaited, reconcile_seconds=0.1)
async def wait_loop(ctx: AsyncContext, found: str = "", times: int = 1) -> list[Any]:
    return _wait(ctx, times)


@job("wait_thread", reconcile=look, reconcile_seconds=0.1)
def wait_thread(ctx: Context, found: str = "", times: int = 1) -> list[Any]:
    return _wait(ctx, times)


@job("wait_process", process=True, reconcile=look, reconcile_seconds=0.1)
def wait_process(ctx: Context, found: str = "", times: int = 1) -> list[Any]:
    return _wait(ctx, times)


@job("wait_signed", verify=signed)
async def wait_signed(ctx: AsyncContext, gate: str = "") -> Any:
    if ctx.callback is None:
        raise Wait(60)
    if gate and ctx.attempt == 1:
        raise ConnectionError("once")
    return ctx.callback
