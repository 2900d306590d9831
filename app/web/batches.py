"""The doors of batches: submit thousands of jobs at once, look how they stand, cancel them, run the failed ones again.

Their list is the jobs' own, with `batch_id`; their stream is in `sse.py`.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Scope, owner_of, principal_of
from app.batches import Batch, batch_url
from app.chores import Chores
from app.clock import rfc3339
from app.errors import (
    InvalidBatch,
    NotRetryable,
    PollTooFast,
    Unavailable,
    UnknownBatch,
)
from app.intake.batches import Batches, BatchRequest
from app.jobs import is_job_id
from app.settings import Settings
from app.shapes.batch import BatchObject
from app.store import BatchLook, BatchStore
from app.web.answer import JsonAnswer, NotModified
from app.web.body import Bodies
from app.web.contract import JSON_BODY, Answer, Tag, describes
from app.web.headers import CACHE_CONTROL, ETAG, KEY_EXPIRES, LOCATION, QUOTA, REPLAYED, RETRY_AFTER
from app.web.idempotency import IDEMPOTENCY_KEY, key_of
from app.web.jobs import NOT_ACCEPTED
from app.web.negotiation import IF_NONE_MATCH, has_current, known_seq
from app.web.owned import owned_batch
from app.web.polls import too_fast
from app.web.resource import resource

MOST_AT_ONCE: Final = 8
"""Batches one process takes in at a time; each is held in memory until it is accepted."""


BATCHES: Final = Tag("Batches", "Thousands of jobs at once, told of as one.")
LOOKED: Final = (ETAG, CACHE_CONTROL, RETRY_AFTER.sometimes, *QUOTA)


class BatchDoors:
    """`/api/batches` and what lies below it, but for the stream."""

    def __init__(self, settings: Settings, intake: Batches, batches: BatchStore, chores: Chores) -> None:
        self._base_url = settings.public_url
        self._most_bytes = settings.max_batch_body_bytes
        self._burst = settings.poll_burst
        self._bodies = Bodies(settings)
        self._intake = intake
        self._batches = batches
        self._chores = chores
        self._receiving = 0

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/batches", post=self.submit),
            resource("/api/batches/{batch_id}", get=self.show),
            resource("/api/batches/{batch_id}/cancel", post=self.cancel),
            resource("/api/batches/{batch_id}/retry", post=self.retry),
        ]

    @describes(
        "submit_batch",
        BATCHES,
        scope=Scope.SUBMIT,
        parameters=[IDEMPOTENCY_KEY],
        body=BatchRequest,
        answers=[
            Answer(
                202,
                "Accepted: all its jobs are or will be queued.",
                BatchObject,
                [LOCATION, RETRY_AFTER.sometimes, REPLAYED.sometimes, KEY_EXPIRES.sometimes, *QUOTA],
            )
        ],
        refuses=[*JSON_BODY, InvalidBatch, *NOT_ACCEPTED],
        calls_back="batch",
    )
    async def submit(self, request: Request) -> Response:
        """Submit a batch.

        202 with the batch, all its jobs accepted, or a refusal and none of them.
        """
        key, principal = key_of(request), principal_of(request)
        with self._admitted():
            body = await self._bodies.large_json(request, self._most_bytes)
            accepted = await self._intake.accept(body, principal.owner, key, principal.submit_rate)
        batch = accepted.batch
        self._chores.take(batch.batch_id)
        headers = {"Location": batch_url(batch.batch_id, self._base_url)} | _asking_again(batch)
        headers |= accepted.allowance.headers
        if accepted.replayed:
            headers["Idempotency-Replayed"] = "true"
        if accepted.key_expires_at is not None:
            headers["Idempotency-Expires"] = rfc3339(accepted.key_expires_at)
        return JsonAnswer(batch.shown(self._base_url), 202, headers)

    @describes(
        "show_batch",
        BATCHES,
        scope=Scope.READ,
        narrowed=True,
        parameters=[IF_NONE_MATCH],
        answers=[
            Answer(200, "The batch as it stands.", BatchObject, LOOKED),
            Answer(304, "The client has it.", None, LOOKED),
        ],
        refuses=[UnknownBatch, PollTooFast, Unavailable],
    )
    async def show(self, request: Request) -> Response:
        """Look at a batch.

        304 for who has it already; 429 for who asks too often.
        """
        look = await self._look(request)
        headers = {"ETag": f'"{look.seq}"', "Cache-Control": "private, no-cache"} | look.allowance.headers
        if not look.ended:
            headers["Retry-After"] = str(ceil(look.poll_ms / 1000))
        if look.batch is None or has_current(request, headers["ETag"]):
            return NotModified(headers)
        return JsonAnswer(look.batch.shown(self._base_url), headers=headers)

    @describes(
        "cancel_batch",
        BATCHES,
        scope=Scope.CANCEL,
        narrowed=True,
        answers=[
            Answer(200, "All its jobs have ended.", BatchObject),
            Answer(202, "Those that have not are being stopped.", BatchObject, [RETRY_AFTER]),
        ],
        refuses=[UnknownBatch, Unavailable],
    )
    async def cancel(self, request: Request) -> Response:
        """Cancel a batch.

        All its jobs that have not ended are cancelled; a repeat is harmless.
        """
        return await self._commanded(request, self._batches.cancel)

    @describes(
        "retry_batch",
        BATCHES,
        scope=Scope.SUBMIT,
        answers=[
            Answer(200, "They have ended again.", BatchObject),
            Answer(202, "They are being run again.", BatchObject, [RETRY_AFTER]),
        ],
        refuses=[UnknownBatch, NotRetryable, Unavailable],
    )
    async def retry(self, request: Request) -> Response:
        """Run a batch's failed jobs again.

        Those that were cancelled are not.
        """
        return await self._commanded(request, self._batches.retry)

    async def _look(self, request: Request) -> BatchLook:
        batch_id, look = _batch_id(request), None
        who = principal_of(request)
        look = await self._batches.poll(batch_id, who.sight, who.owner, most=self._burst, known=known_seq(request))
        if look is None:
            raise UnknownBatch(batch_id=batch_id)
        if not look.allowed:
            raise too_fast(look.allowance, batch_id=batch_id)
        return look

    async def _commanded(self, request: Request, command: Callable[[str, str, str], Awaitable[None]]) -> Response:
        batch = await owned_batch(self._batches, request)
        await command(batch.batch_id, batch.owner, owner_of(request))
        self._chores.take(batch.batch_id)
        batch = await owned_batch(self._batches, request)
        return JsonAnswer(batch.shown(self._base_url), 200 if batch.ended else 202, _asking_again(batch))

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._receiving >= MOST_AT_ONCE:
            raise Unavailable(f"{MOST_AT_ONCE} batches are coming in already.", headers={"Retry-After": "2"})
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1


def _batch_id(request: Request) -> str:
    """The one in the path. Raises UnknownBatch for what can be no id at all, and for what a token does not reach."""
    batch_id: str = request.path_params["batch_id"]
    reach = principal_of(request).reach
    if not is_job_id(batch_id) or (reach and not reach.covers_batch(batch_id)):
        raise UnknownBatch(batch_id=batch_id[:64])
    return batch_id


def _asking_again(batch: Batch) -> dict[str, str]:
    return {} if batch.ended else {"Retry-After": str(batch.retry_after())}
