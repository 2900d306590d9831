"""The stream doors over HTTP: events of a job, an owner and a batch, as SSE; a job's also as a text bar or a JSON log.

They are plain ASGI applications, so that the hub's writer calls the server's own `send`.
"""

import random
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from app.auth import owner_of
from app.errors import (
    MethodNotAllowed,
    NotAcceptable,
    PollTooFast,
    Refusal,
    Unavailable,
    UnknownBatch,
    UnknownJob,
)
from app.events import json_text
from app.hub import SSE, BarWire, Close, FeedSubscription, Full, Hub, Subscription, Writer
from app.jobs import is_job_id
from app.shapes.batch import BatchSseBlock
from app.shapes.event import JobLog, SseBlock
from app.store import Look
from app.web.connection import AFTER, LAST_EVENT_ID, after_of, expect_reader, hang_up_of, until_gone
from app.web.contract import Answer, Described, Tag, describes
from app.web.filters import FILTERS, REPEATABLE, filter_of
from app.web.headers import BUFFERING, CACHE_CONTROL, QUOTA, VARY
from app.web.negotiation import accept_of, preferred
from app.web.polls import Polls
from app.web.problems import problem_response
from app.web.query import parameters
from app.web.security import secured

ALLOW: Final = {"Allow": "GET, HEAD, OPTIONS"}
EVENT_STREAM: Final = "text/event-stream"
RETRY_MS: Final = 3_000
COME_BACK_MS: Final = (2_000, 10_000)


EVENTS: Final = Tag("Events", "What happens, as it happens: Server-Sent Events.")


class EventDoors:
    """`GET /api/jobs/{id}/events`, `GET /api/events` and `GET /api/batches/{id}/events`."""

    def __init__(self, hub: Hub, polls: Polls) -> None:
        self._hub = hub
        self._polls = polls

    def routes(self) -> list[BaseRoute]:
        return [
            Described("/api/jobs/{job_id}/events", _Door(self._job_events), {"GET": self._job_events}),
            Described("/api/events", _Door(self._feed), {"GET": self._feed}),
            Described("/api/batches/{batch_id}/events", _Door(self._batch_events), {"GET": self._batch_events}),
        ]

    @describes(
        "job_events",
        EVENTS,
        parameters=[*AFTER, LAST_EVENT_ID],
        answers=[
            Answer(
                200,
                "The stream; or the log, or a bar that redraws itself.",
                {EVENT_STREAM: SseBlock, "application/json": JobLog, "text/plain": str},
                [CACHE_CONTROL, BUFFERING.sometimes, VARY.sometimes, *(header.sometimes for header in QUOTA)],
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
        form = preferred(accept_of(request), [EVENT_STREAM, "application/json", "text/plain"])
        if form is None:
            raise NotAcceptable("Events come as text/event-stream, application/json or text/plain.", header="Accept")
        job_id, after = request.path_params["job_id"], after_of(request)
        if form == "application/json":
            look = await self._polls.look(request, after=after or 0)
            return await _log(look)(request.scope, request.receive, send)
        if not is_job_id(job_id):
            raise UnknownJob(job_id=job_id)
        writer = Writer(SSE, send, hang_up_of(request.scope))
        subscription = Subscription(writer, lambda: writer.finish(Close.ENDED))
        with self._hub.admitted(owner_of(request), writer):
            try:
                channel = await self._hub.watch(job_id, subscription)
                history = await channel.history(after)
                if history is None or history.job.owner != owner_of(request):
                    raise UnknownJob(job_id=job_id)
                if history.job.ended and after == history.job.seq:
                    return await Response(status_code=204)(request.scope, request.receive, send)
                if request.method == "HEAD":
                    return await _head(send, form)
                if form == "text/plain":
                    writer.wire = BarWire(history.job)
                await _start(request, writer, send, form)
                await channel.join(subscription, history, after)
                await until_gone(request.receive)
            finally:
                self._hub.unwatch(job_id, subscription)
                await writer.aclose()

    @describes(
        "feed",
        EVENTS,
        parameters=FILTERS,
        answers=[
            Answer(
                200,
                "The stream.",
                {EVENT_STREAM: SseBlock},
                [CACHE_CONTROL, BUFFERING.sometimes, VARY.sometimes],
            )
        ],
        refuses=[NotAcceptable, Unavailable],
    )
    async def _feed(self, request: Request, send: Send) -> None:
        """Follow all jobs.

        A snapshot of each active job, then whatever happens to any of them; progress at most twice a second per job.
        """
        if preferred(accept_of(request), [EVENT_STREAM]) is None:
            raise NotAcceptable("The feed comes as text/event-stream.", header="Accept")
        owner = owner_of(request)
        writer = Writer(SSE, send, hang_up_of(request.scope))
        query = parameters(request, once={"created_after"}, many=REPEATABLE)
        subscription = FeedSubscription(writer, filter_of(query))
        with self._hub.admitted(owner, writer):
            try:
                feed = await self._hub.watch_feed(owner, subscription)
                jobs = await feed.active()
                if request.method == "HEAD":
                    return await _head(send, EVENT_STREAM)
                await _start(request, writer, send, EVENT_STREAM)
                await feed.join(subscription, jobs)
                await until_gone(request.receive)
            finally:
                self._hub.unwatch_feed(owner, subscription)
                await writer.aclose()

    @describes(
        "batch_events",
        EVENTS,
        parameters=[*AFTER, LAST_EVENT_ID],
        answers=[
            Answer(
                200,
                "The stream.",
                {EVENT_STREAM: BatchSseBlock},
                [CACHE_CONTROL, BUFFERING.sometimes, VARY.sometimes],
            ),
            Answer(204, "The batch has completed, and the client knows: an EventSource stops."),
        ],
        refuses=[UnknownBatch, NotAcceptable, Unavailable],
    )
    async def _batch_events(self, request: Request, send: Send) -> None:
        """Follow a batch.

        A snapshot, then how it stands at most twice a second, to the end.
        """
        if preferred(accept_of(request), [EVENT_STREAM]) is None:
            raise NotAcceptable("A batch's events come as text/event-stream.", header="Accept")
        batch_id, after = request.path_params["batch_id"], after_of(request)
        if not is_job_id(batch_id):
            raise UnknownBatch(batch_id=batch_id[:64])
        writer = Writer(SSE, send, hang_up_of(request.scope))
        subscription = Subscription(writer, lambda: writer.finish(Close.ENDED))
        with self._hub.admitted(owner_of(request), writer):
            try:
                channel = await self._hub.watch_batch(batch_id, subscription)
                standing = await channel.read()
                if standing is None or standing.batch.owner != owner_of(request):
                    raise UnknownBatch(batch_id=batch_id)
                if standing.batch.ended and after == standing.batch.seq:
                    return await Response(status_code=204)(request.scope, request.receive, send)
                if request.method == "HEAD":
                    return await _head(send, EVENT_STREAM)
                await _start(request, writer, send, EVENT_STREAM)
                await channel.join(subscription, standing)
                await until_gone(request.receive)
            finally:
                self._hub.unwatch_batch(batch_id, subscription)
                await writer.aclose()


class _Door:
    """An ASGI application around one stream: its methods, and refusals as problems."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            if request.method == "OPTIONS":
                return await Response(status_code=204, headers=ALLOW)(scope, receive, send)
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(headers=ALLOW)
            await self._stream(request, send)
        except (Full, Unavailable):
            await secured(_come_back(request))(scope, receive, send)
        except Refusal as refusal:
            await secured(problem_response(refusal, request))(scope, receive, send)


async def _start(request: Request, writer: Writer, send: Send, form: str) -> None:
    """The head and, for SSE, the first bytes at once (WHATWG HTML 9.2)."""
    expect_reader(request.scope)
    await _begin(send, form)
    if form == EVENT_STREAM:
        await send({"type": "http.response.body", "body": b"retry: %d\n\n" % RETRY_MS, "more_body": True})
    writer.open()


async def _head(send: Send, form: str) -> None:
    """What HEAD gets: no length, as the stream has none."""
    await _begin(send, form)
    await send({"type": "http.response.body", "body": b""})


async def _begin(send: Send, form: str) -> None:
    headers = [
        (b"content-type", form.encode() + (b"; charset=utf-8" if form == "text/plain" else b"")),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Accept"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def _come_back(request: Request) -> Response:
    """Any status but 200 would end an EventSource for ever; so it is told to come back, after a moment of its own."""
    retry = random.randint(*COME_BACK_MS)  # noqa: S311  jitter
    if preferred(accept_of(request), [EVENT_STREAM]) is None:
        refusal = Unavailable("No stream is free at the moment.", headers={"Retry-After": str(retry // 1000)})
        return problem_response(refusal, request)
    return Response(f"retry: {retry}\n\n", media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})


def _log(look: Look) -> Response:
    assert look.view is not None
    lines = ",".join(event.line for event in look.view.events)
    body = f'{{"job_id":{json_text(look.view.job.job_id)},"events":[{lines}],"seq":{look.seq}}}'
    headers = {"Cache-Control": "no-store", "Vary": "Accept"} | look.allowance.headers
    return Response(body, media_type="application/json", headers=headers)
