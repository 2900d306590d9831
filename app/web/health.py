"""Whether this process lives, and whether it should be sent requests. For load balancers and supervisors."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict

from app.errors import Unavailable
from app.shapes.shape import shape
from app.web.answer import JsonAnswer
from app.web.contract import Answer, Tag, describes
from app.web.headers import CACHE_CONTROL
from app.web.resource import resource

ANSWER_SECONDS: Final = 1.0
FRESH: Final = {"Cache-Control": "no-store"}


HEALTH: Final = Tag("Health", "For load balancers and supervisors.")


@shape
class Health(TypedDict):
    """How the process is."""

    status: Literal["live", "ready"]


class HealthDoors:
    """`/livez` and `/readyz`. `ping` raises when the store does not answer; `draining` is true once we are to stop."""

    def __init__(self, ping: Callable[[], Awaitable[object]], draining: Callable[[], bool]) -> None:
        self._ping = ping
        self._draining = draining

    def routes(self) -> list[BaseRoute]:
        return [resource("/livez", get=self.live), resource("/readyz", get=self.ready)]

    @describes("live", HEALTH, scope=None, answers=[Answer(200, "It lives.", Health, [CACHE_CONTROL])])
    async def live(self, _: Request) -> Response:
        """Whether the process lives.

        200 for as long as the loop turns.
        """
        return JsonAnswer({"status": "live"}, headers=FRESH)

    @describes(
        "ready",
        HEALTH,
        scope=None,
        answers=[Answer(200, "It is ready.", Health, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def ready(self, _: Request) -> Response:
        """Whether the process should be sent requests.

        200 when the store answers in time and the process is not about to stop.
        """
        if self._draining():
            raise Unavailable("This process is about to stop.", headers={"Retry-After": "1"})
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._ping()
        except Exception as error:
            raise Unavailable("The store does not answer.", headers={"Retry-After": "1"}) from error
        return JsonAnswer({"status": "ready"}, headers=FRESH)
