"""The WebSocket doors: one job's events, and many jobs' and the feed's over one connection.

Like the SSE doors they are plain ASGI applications; the hub's writer calls the server's own `send`.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.routing import BaseRoute
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope
from starlette.websockets import WebSocket

from app.auth import Scope, principal_of
from app.errors import BadMessage, BadRequest, Forbidden, Misdirected, Unauthenticated, Unavailable
from app.hub import LINES, Close, Full, Hub, Subscription, Writer
from app.jobs import is_job_id
from app.shapes.event import StreamEvent
from app.store import JobStore
from app.web.asyncapi import SUBPROTOCOL
from app.web.channels import Channel, DescribedSocket, speaks
from app.web.connection import AFTER, after_of, expect_reader, hang_up_of, until_gone
from app.web.contract import Access
from app.web.frames import CLIENT_FRAMES, SERVER_FRAMES, Auth, Authenticated
from app.web.gate import IN_URL
from app.web.introduction import introduce
from app.web.multiplex import Session
from app.web.origins import is_own

Serve: TypeAlias = Callable[[WebSocket, Writer], Awaitable[None]]


class SocketDoors:
    """`/api/jobs/{id}/ws` and `/api/ws`."""

    def __init__(self, hub: Hub, jobs: JobStore, *, allowed_origins: tuple[str, ...], most_subscriptions: int) -> None:
        self._hub = hub
        self._jobs = jobs
        self._allowed_origins = frozenset(allowed_origins)
        self._most_subscriptions = most_subscriptions

    def routes(self) -> list[BaseRoute]:
        return [
            DescribedSocket("/api/jobs/{job_id}/ws", self._door(self._job_events), self._job_events),
            DescribedSocket("/api/ws", self._door(self._multiplex), self._multiplex),
        ]

    def _door(self, serve: Serve) -> "_Door":
        channel: Channel = serve.channel  # type: ignore[attr-defined]  # `speaks` has hung it there
        return _Door(self._hub, self._allowed_origins, serve, channel.access)

    @speaks(
        "job",
        scope=Scope.READ,
        narrowed=True,
        tells=[StreamEvent, Authenticated],
        hears=[Auth],
        parameters=[*AFTER, IN_URL],
        closes=[*Close],
    )
    async def _job_events(self, socket: WebSocket, writer: Writer) -> None:
        """One job's events.

        A snapshot, then what happens, to the end; with `after` the events after that seq instead of the snapshot.
        """
        job_id, after = socket.path_params["job_id"], after_of(socket)
        if not is_job_id(job_id):
            return writer.finish(Close.UNKNOWN_JOB)
        subscription = Subscription(writer, lambda: writer.finish(Close.ENDED))
        try:
            channel = await self._hub.watch(job_id, subscription)
            history = await channel.history(after)
            if history is None or not principal_of(socket).sees(history.job):
                return writer.finish(Close.UNKNOWN_JOB)
            await channel.join(subscription, history, after)
            await until_gone(socket.receive)
        finally:
            self._hub.unwatch(job_id, subscription)

    @speaks(
        "multiplex",
        scope=Scope.READ,
        narrowed=True,
        tells=[StreamEvent, *SERVER_FRAMES],
        hears=CLIENT_FRAMES,
        parameters=[IN_URL],
        closes=[close for close in Close if close not in (Close.ENDED, Close.UNKNOWN_JOB)],
    )
    async def _multiplex(self, socket: WebSocket, writer: Writer) -> None:
        """The events of many jobs, and of all.

        Each frame of the client is answered, by an `error` where it cannot be done; what is no JSON object closes the
        connection.
        """
        principal, authenticator = principal_of(socket), socket.scope["router"].authenticator
        session = Session(principal, authenticator, self._hub, self._jobs, writer, most=self._most_subscriptions)
        try:
            await session.run(socket.receive)
        finally:
            session.close()


class _Door:
    """An ASGI application around one socket: the handshake before, the close code after."""

    def __init__(self, hub: Hub, allowed_origins: frozenset[str], serve: Serve, access: Access) -> None:
        self._hub = hub
        self._allowed_origins = allowed_origins
        self._serve = serve
        self._access = access

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        if not self._is_welcome(socket):
            return await socket.close()  # before the handshake this answers 403
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None)
        writer = Writer(LINES, send, hang_up_of(scope))
        writer.open()
        try:
            await introduce(socket, self._access)
            with self._hub.attendance.admitted(principal_of(socket), writer):
                expect_reader(scope)
                await self._serve(socket, writer)
        except Full as full:
            writer.finish(full.close)
        except Unauthenticated:
            writer.finish(Close.UNAUTHENTICATED)
        except (Forbidden, Misdirected):
            writer.finish(Close.FORBIDDEN)
        except (BadRequest, BadMessage):
            writer.finish(Close.BAD_MESSAGE)
        except Unavailable:
            writer.finish(Close.RESTARTING)
        finally:
            await writer.aclose()

    def _is_welcome(self, socket: WebSocket) -> bool:
        """To a page a WebSocket is open without CORS, so the Origin it sends decides."""
        return socket.headers.get("origin") in self._allowed_origins or is_own(socket.headers)
