"""The door of pollers, for operators: who asks more often than it may."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Scope
from app.clock import rfc3339
from app.errors import Unavailable
from app.shapes.worker import PollerList, PollerObject
from app.store import Poller, Pollers
from app.web.answer import JsonAnswer
from app.web.contract import Answer, describes
from app.web.headers import CACHE_CONTROL
from app.web.resource import resource
from app.web.workers import OPERATION

MOST_LISTED: Final = 100


class PollerDoors:
    """`/api/pollers`."""

    def __init__(self, pollers: Pollers) -> None:
        self._pollers = pollers

    def routes(self) -> list[BaseRoute]:
        return [resource("/api/pollers", get=self.list_pollers)]

    @describes(
        "list_pollers",
        OPERATION,
        scope=Scope.ADMIN,
        answers=[Answer(200, "The hundred worst.", PollerList, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def list_pollers(self, _: Request) -> Response:
        """List who asks too often.

        The owners that were answered by 429 `poll_too_fast` within an hour, most often first, with the job or batch
        they asked for.
        """
        shown: PollerList = {"pollers": [_shown(poller) for poller in await self._pollers.worst(MOST_LISTED)]}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})


def _shown(poller: Poller) -> PollerObject:
    return {
        "owner": poller.owner,
        "job_id": poller.subject_id if poller.what == "job" else None,
        "batch_id": poller.subject_id if poller.what == "batch" else None,
        "refused": poller.refused,
        "last_at": rfc3339(poller.last_at),
    }
