'''The words a handler is written with. A whole one:

    from typing import Any, Literal

    from workers import Context, Failed, Input, job

    @job("thumbnail", timeout=60, max_attempts=2)
    def thumbnail(ctx: Context, input: Input, width: int = 320, format: Literal["jpg", "png"] = "jpg") -> Any:
        """Make a small picture of a video's first frame."""
        source = ctx.open_input(input)
        ctx.progress(10, "reading")
        target = ctx.scratch / f"thumbnail.{format}"
        ended = ctx.run(["ffmpeg", "-nostdin", "-i", source, "-frames:v", "1", "-vf", f"scale={width}:-2", target])
        if ended.code:
            raise Failed(ended.stderr[-1])
        return {"size": ctx.save(target.name, target).size}

Put it into a module and name that in `TIDINGS_HANDLERS`. The signature is the schema of the kind's params, the
docstring's first paragraph its description, the returned value its result. `def` runs in a thread, `async def` on the
loop (with an `AsyncContext`: `await ctx.save(…)`), and `@job(…, process=True)` in a process of its own, which can be
killed and whose crash harms nobody. To end otherwise than by returning, raise Retry, Wait, Failed or any exception;
Cancelled is raised in the handler by what it calls, once it is to stop.
'''

from workers.context import AsyncContext, Context
from workers.definition import job
from workers.exit import Exit
from workers.input import Input
from workers.outcomes import Cancelled, EventBufferFull, Failed, Retry, Wait

__all__ = [
    "AsyncContext",
    "Cancelled",
    "Context",
    "EventBufferFull",
    "Exit",
    "Failed",
    "Input",
    "Retry",
    "Wait",
    "job",
]
