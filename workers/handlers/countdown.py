"""The kind `countdown`: something to watch that needs no file."""

import asyncio
from typing import Annotated

from pydantic import Field

from workers import AsyncContext, job

Seconds = Annotated[float, Field(ge=0, le=86_400, description="How long it takes in all.")]
Steps = Annotated[int, Field(ge=1, le=10_000, description="How often it tells how far it is.")]


@job("countdown", timeout=2 * 86_400)
async def countdown(ctx: AsyncContext, seconds: Seconds = 10, steps: Steps = 10) -> dict[str, float]:
    """Count down to zero, and tell each step."""
    ctx.progress(0, f"{steps} to go", eta_seconds=seconds)
    for step in range(1, steps + 1):
        await asyncio.sleep(seconds / steps)
        left = steps - step
        ctx.progress(100 * step / steps, f"{left} to go" if left else "lift-off", seconds * left / steps)
    return {"seconds": seconds, "steps": steps}
