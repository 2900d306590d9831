"""Whether a callback comes from whom it should, as its kind sees it. Asked by `workers/runner.py` before its handler.

In a thread, as whatever it does must not hold up the loop.
"""

import asyncio
from functools import partial
from typing import Final

from pydantic_core import from_json

from app.callbacks import Answer
from workers.definition import Verify
from workers.run.ending import Raised, Returned
from workers.run.entries import Bounds
from workers.run.hosts import ThreadHost

MOST_SECONDS: Final = 10.0


async def objection(verify: Verify, answer: Answer, bounds: Bounds) -> str | None:
    """What speaks against it; None where nothing does."""
    host = ThreadHost(partial(_holds, verify, answer), bounds)
    await asyncio.wait([host.ended], timeout=MOST_SECONDS)
    match host.ended.result() if host.ended.done() else None:
        case Returned("true"):
            return None
        case Returned():
            return "its signature does not hold"
        case Raised(error):
            return f"{type(error).__name__}: {error}"
        case None:
            return f"to verify it took longer than {MOST_SECONDS:g} s"


def _holds(verify: Verify, answer: Answer) -> bool:
    return bool(verify(answer.body, from_json(answer.headers)))
