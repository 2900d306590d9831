"""The doors of webhooks: what became of a job's or a batch's, and sending them again."""

from typing import Annotated, Any, Final

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Scope, owner_of
from app.errors import BadRequest, Unavailable, UnknownBatch, UnknownDelivery, UnknownJob
from app.shapes.delivery import DeliveryPage, Redelivered
from app.store import BatchStore, DeliveryLog, JobStore
from app.web.answer import JsonAnswer
from app.web.contract import Answer, Parameter, Tag, describes
from app.web.headers import CACHE_CONTROL
from app.web.owned import owned_batch, owned_job
from app.web.query import parameters
from app.web.resource import resource

WEBHOOKS: Final = Tag("Webhooks", "What became of them, sending them again, and what signs them.")
MOST_LISTED: Final = 200
MOST_DIGITS: Final = 9

PAGES: Final[dict[str, Any]] = {
    "parameters": [
        Parameter("limit", "Deliveries on a page, else 50.", Annotated[int, Field(ge=1, le=MOST_LISTED)]),
        Parameter("cursor", "The `next_cursor` of the page before.", Annotated[str, Field(pattern="^[0-9]{1,9}$")]),
    ],
    "answers": [Answer(200, "A page.", DeliveryPage, [CACHE_CONTROL])],
}
SENT_AGAIN: Final = [Answer(202, "It is sent again.", Redelivered)]


class DeliveryDoors:
    """`/api/jobs/{id}/deliveries` and below, the same of batches, and `/api/deliveries/redeliver`."""

    def __init__(self, jobs: JobStore, batches: BatchStore, deliveries: DeliveryLog) -> None:
        self._jobs = jobs
        self._batches = batches
        self._deliveries = deliveries

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/jobs/{job_id}/deliveries", get=self.list_deliveries),
            resource("/api/jobs/{job_id}/deliveries/{n}/redeliver", post=self.redeliver),
            resource("/api/batches/{batch_id}/deliveries", get=self.list_batch_deliveries),
            resource("/api/batches/{batch_id}/deliveries/{n}/redeliver", post=self.redeliver_of_batch),
            resource("/api/deliveries/redeliver", post=self.redeliver_failed),
        ]

    @describes("list_deliveries", WEBHOOKS, scope=Scope.READ, **PAGES, refuses=[UnknownJob, Unavailable])
    async def list_deliveries(self, request: Request) -> Response:
        """List a job's webhooks.

        Latest first, each with what its attempts came to.
        """
        return await self._page(request, (await owned_job(self._jobs, request)).job_id)

    @describes("list_batch_deliveries", WEBHOOKS, scope=Scope.READ, **PAGES, refuses=[UnknownBatch, Unavailable])
    async def list_batch_deliveries(self, request: Request) -> Response:
        """List a batch's own webhooks.

        Those of its jobs are listed with them.
        """
        return await self._page(request, (await owned_batch(self._batches, request)).batch_id)

    @describes(
        "redeliver",
        WEBHOOKS,
        scope=Scope.SUBMIT,
        answers=SENT_AGAIN,
        refuses=[UnknownJob, UnknownDelivery, Unavailable],
    )
    async def redeliver(self, request: Request) -> Response:
        """Send a webhook again.

        At once, with the same id and body, and with all its attempts; also where it was delivered. One that is under
        way just now stays as it is.
        """
        return await self._again(request, (await owned_job(self._jobs, request)).job_id)

    @describes(
        "redeliver_of_batch",
        WEBHOOKS,
        scope=Scope.SUBMIT,
        answers=SENT_AGAIN,
        refuses=[UnknownBatch, UnknownDelivery, Unavailable],
    )
    async def redeliver_of_batch(self, request: Request) -> Response:
        """Send a batch's webhook again."""
        return await self._again(request, (await owned_batch(self._batches, request)).batch_id)

    @describes(
        "redeliver_failed",
        WEBHOOKS,
        scope=Scope.SUBMIT,
        answers=[Answer(202, "They are sent again.", Redelivered)],
        refuses=[Unavailable],
    )
    async def redeliver_failed(self, request: Request) -> Response:
        """Send all failed webhooks again.

        Those of the owner of which no attempt was left, the oldest first, a thousand at once: `more` says whether to
        ask again.
        """
        return _redelivered(*await self._deliveries.redeliver_failed(owner_of(request)))

    async def _page(self, request: Request, subject: str) -> Response:
        query = parameters(request, once={"limit", "cursor"})
        limit, cursor = _number(query.get("limit", "50"), "limit"), query.get("cursor")
        if not 0 < limit <= MOST_LISTED:
            raise BadRequest(f"`limit` must be a number from 1 to {MOST_LISTED}.", parameter="limit")
        before = _number(cursor, "cursor") if cursor else None
        found, left = await self._deliveries.page(subject, limit=limit, before=before)
        shown: DeliveryPage = {
            "deliveries": [delivery.shown() for delivery in found],
            "next_cursor": str(left) if left else None,
        }
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})

    async def _again(self, request: Request, subject: str) -> Response:
        n = request.path_params["n"]
        known = n.isascii() and n.isdigit() and len(n) <= MOST_DIGITS
        if not known or not await self._deliveries.redeliver(subject, int(n)):
            raise UnknownDelivery
        return _redelivered(1, False)


def _redelivered(count: int, more: bool) -> Response:
    shown: Redelivered = {"redelivered": count, "more": more}
    return JsonAnswer(shown, 202)


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise BadRequest(f"`{name}` must be a number.", parameter=name)
    return int(text)
