"""The stream doors over HTTP: events of a job, of an owner and of a batch, as SSE; a job's as a bar or a log, too."""

from math import ceil
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Send

from app.auth import Scope, owner_of, principal_of
from app.errors import NotAcceptable, PollTooFast, Unavailable, UnknownBatch, UnknownJob
from app.events import json_text
from app.hub import SSE, BarWire, Close, FeedSubscription, Hub, Subscription, Writer
from app.jobs import is_job_id
from app.shapes.batch import BatchSseBlock
from app.shapes.event import JobLog, SseBlock
from app.store import Look
from app.web.connection import AFTER, LAST_EVENT_ID, after_of, hang_up_of, until_gone
from app.web.contract import Answer, Described, Tag, describes
from app.web.filters import FILTERS, REPEATABLE, filter_of, within
from app.web.gate import ACCESS_TOKEN, IN_URL
from app.web.headers import BUFFERING, CACHE_CONTROL, QUOTA, RETRY_AFTER, VARY
from app.web.polls import Polls
from app.web.query import parameters
from app.web.stream import EVENT_STREAM, StreamDoor, answer, begins, form_of, stop

EVENTS: Final = Tag("Events", "What happens, as it happens: Server-Sent Events.")
HEADERS: Final = (CACHE_CONTROL, BUFFERING.sometimes, VARY.sometimes)


class EventDoors:
    """`GET /api/jobs/{id}/events`, `GET /api/events` and `GET /api/batches/{id}/events`."""

    def __init__(self, hub: Hub, polls: Polls) -> None:
        self._hub = hub
        self._polls = polls

    def routes(self) -> list[BaseRoute]:
        return [
            Described("/api/jobs/{job_id}/events", StreamDoor(self._job_events), {"GET": self._job_events}),
            Described("/api/events", StreamDoor(self._feed), {"GET": self._feed}),
            Described("/api/batches/{batch_id}/events", StreamDoor(self._batch_events), {"GET": self._batch_events}),
        ]

    @describes(
        "job_events",
        EVENTS,
        scope=Scope.READ,
        narrowed=True,
        parameters=[*AFTER, LAST_EVENT_ID, IN_URL],
        answers=[
            Answer(
                200,
                "The stream; or the log, or a bar that redraws itself.",
                {EVENT_STREAM: SseBlock, "application/json": JobLog, "text/plain": str},
                [*HEADERS, *(header.sometimes for header in (RETRY_AFTER, *QUOTA))],
            ),
            Answer(204, "The job has ended, and the client has all of it: an EventSource stops."),
        ],
        refuses=[UnknownJob, NotAcceptable, PollTooFast, Unavailable],
    )
    async def _job_events(self, request: Request, send: Send) -> None:
        """Follow a job.

        A fresh client is sent a snapshot, then what happens, to the end. With `Last-Event-ID` or `after` it is sent
        what it missed, then the rest. `Accept: application/json` asks for the log as it stands, `Accept: text/plain`
        for a bar that redraws itself. Where no stream is free an EventSource is told by `retry` when to come again.
        """
        form = form_of(request, "application/json", "text/plain")
        job_id, after = request.path_params["job_id"], after_of(request)
        if form == "application/json":
            look = await self._polls.look(request, after=after or 0)
            return await answer(request, _log(look), send)
        if not is_job_id(job_id):
            raise UnknownJob(job_id=job_id)
        writer = Writer(SSE, send, hang_up_of(request.scope))
        subscription = Subscription(writer, lambda: writer.finish(Close.ENDED))
        with self._hub.admitted(principal_of(request), writer):
            try:
                channel = await self._hub.watch(job_id, subscription)
                history = await channel.history(after)
                if history is None or not principal_of(request).sees(history.job):
                    raise UnknownJob(job_id=job_id)
                if history.job.ended and after == history.job.seq:
                    return await stop(request, send)
                if form == "text/plain":
                    writer.wire = BarWire(history.job)
                if await begins(request, writer, send, form):
                    await channel.join(subscription, history, after)
                    del history  # the stream may last
                    await until_gone(request.receive)
            finally:
                self._hub.unwatch(job_id, subscription)
                await writer.aclose()

    @describes(
        "feed",
        EVENTS,
        scope=Scope.READ,
        narrowed=True,
        parameters=[*FILTERS, IN_URL],
        answers=[Answer(200, "The stream.", {EVENT_STREAM: SseBlock}, HEADERS)],
        refuses=[NotAcceptable, Unavailable],
    )
    async def _feed(self, request: Request, send: Send) -> None:
        """Follow all jobs.

        A snapshot of each active job, then whatever happens to any of them; progress at most twice a second per job.
        """
        owner, form = owner_of(request), form_of(request)
        writer = Writer(SSE, send, hang_up_of(request.scope))
        query = parameters(request, once={"created_after", ACCESS_TOKEN}, many=REPEATABLE)
        subscription = FeedSubscription(writer, within(principal_of(request).reach, filter_of(query), feed=True))
        with self._hub.admitted(principal_of(request), writer):
            try:
                feed = await self._hub.watch_feed(owner, subscription)
                jobs = await feed.active()
                if await begins(request, writer, send, form):
                    await feed.join(subscription, jobs)
                    del jobs  # the stream may last
                    await until_gone(request.receive)
            finally:
                self._hub.unwatch_feed(owner, subscription)
                await writer.aclose()

    @describes(
        "batch_events",
        EVENTS,
        scope=Scope.READ,
        narrowed=True,
        parameters=[*AFTER, LAST_EVENT_ID, IN_URL],
        answers=[
            Answer(200, "The stream.", {EVENT_STREAM: BatchSseBlock}, HEADERS),
            Answer(204, "The batch has completed, and the client knows: an EventSource stops."),
        ],
        refuses=[UnknownBatch, NotAcceptable, Unavailable],
    )
    async def _batch_events(self, request: Request, send: Send) -> None:
        """Follow a batch.

        A snapshot, then how it stands at most twice a second, to the end.
        """
        form = form_of(request)
        batch_id, after = request.path_params["batch_id"], after_of(request)
        if not is_job_id(batch_id):
            raise UnknownBatch(batch_id=batch_id[:64])
        writer = Writer(SSE, send, hang_up_of(request.scope))
        subscription = Subscription(writer, lambda: writer.finish(Close.ENDED))
        with self._hub.admitted(principal_of(request), writer):
            try:
                channel = await self._hub.watch_batch(batch_id, subscription)
                standing = await channel.read()
                if standing is None or not principal_of(request).sees_batch(standing.batch):
                    raise UnknownBatch(batch_id=batch_id)
                if standing.batch.ended and after == standing.batch.seq:
                    return await stop(request, send)
                if await begins(request, writer, send, form):
                    await channel.join(subscription, standing)
                    del standing  # the stream may last
                    await until_gone(request.receive)
            finally:
                self._hub.unwatch_batch(batch_id, subscription)
                await writer.aclose()


def _log(look: Look) -> Response:
    assert look.view is not None
    lines = ",".join(event.line for event in look.view.events)
    body = f'{{"job_id":{json_text(look.view.job.job_id)},"events":[{lines}],"seq":{look.seq}}}'
    headers = {"Cache-Control": "no-store", "Vary": "Accept"} | look.allowance.headers
    if not look.ended:
        headers["Retry-After"] = str(ceil(look.poll_ms / 1000))
    return Response(body, media_type="application/json", headers=headers)
