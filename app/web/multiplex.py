"""One multiplexed WebSocket: subscriptions that come and go, all told through one writer.

Its frames are in `app/web/frames.py`. What is no JSON object closes the connection with 4400; what is one but cannot be
done is answered by an error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Receive

from app.auth import Principal, Scope
from app.auth.authenticator import Authenticator
from app.errors import Forbidden, Refusal, TooManySubscriptions, UnknownJob
from app.events import json_text
from app.hub import Close, Hub, Overview, Subscription, Writer
from app.jobs import Job, is_job_id
from app.store import JobStore
from app.web.contract import Access
from app.web.filters import filter_from, owner_in, within
from app.web.frames import (
    Auth,
    Cancel,
    FeedFilter,
    Ping,
    Subscribe,
    SubscribeFeed,
    Unsubscribe,
    UnsubscribeFeed,
    parse,
    read_frame,
)
from app.web.gate import permit
from app.web.introduction import authenticated

WATCH: Final = Access(Scope.READ, narrowed=True)
CANCEL: Final = Access(Scope.CANCEL, narrowed=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a frame, in line with the events."""

    line: str
    job_id: str = ""
    conflatable: bool = False


class Session:
    """The subscriptions of one connection."""

    def __init__(
        self, principal: Principal, authenticator: Authenticator, hub: Hub, jobs: JobStore, writer: Writer, *, most: int
    ) -> None:
        self._principal = principal
        self._authenticator = authenticator
        self._hub = hub
        self._jobs = jobs
        self._writer = writer
        self._most = most
        self._watched: dict[str, Subscription] = {}
        self._reached: dict[str, Job] = {}
        self._feed: Overview | None = None

    async def run(self, receive: Receive) -> None:
        """Serve frames until the client is gone, or its credential: what it still says is not done."""
        while (message := await receive())["type"] == "websocket.receive" and not self._writer.finished:
            frame = parse(message.get("text"))
            if frame is None:
                return self._writer.finish(Close.BAD_MESSAGE)
            try:
                await self._serve(frame)
            except Refusal as refusal:
                self._reply(frame, "error", code=refusal.code, detail=refusal.detail or refusal.title)

    def close(self) -> None:
        """Give up all subscriptions."""
        for job_id, subscription in self._watched.items():
            self._hub.unwatch(job_id, subscription)
        self._watched.clear()
        self._drop_feed()

    async def _serve(self, members: dict[str, Any]) -> None:
        match read_frame(members):
            case SubscribeFeed(filter=wanted):
                await self._subscribe_feed(members, wanted)
            case UnsubscribeFeed():
                self._drop_feed()
                self._reply(members, "unsubscribed", feed=True)
            case Subscribe(job_id=job_id, after=after):
                await self._subscribe(members, job_id, after)
            case Unsubscribe(job_id=job_id):
                self._drop(job_id)
                self._reply(members, "unsubscribed", job_id=job_id)
            case Cancel(job_id=job_id, reason=reason):
                await self._cancel(members, job_id, reason)
            case Auth(token=token):
                await self._renew(members, token)
            case Ping():
                self._reply(members, "pong")

    async def _subscribe(self, frame: dict[str, Any], job_id: str, after: int | None) -> None:
        if not is_job_id(job_id):
            raise UnknownJob
        self._drop(job_id)
        if len(self._watched) >= self._most:
            raise TooManySubscriptions(f"At most {self._most}; unsubscribe from some.")
        subscription = Subscription(self._writer, self._ender(job_id))
        self._watched[job_id] = subscription
        try:
            channel = await self._hub.watch(job_id, subscription)
            history = await channel.history(after)
            if history is None or not self._principal.sees(history.job):
                raise UnknownJob
        except Refusal:
            self._drop(job_id)
            raise
        self._reached[job_id] = history.job
        self._reply(frame, "subscribed", job_id=job_id)
        await channel.join(subscription, history, after)

    async def _subscribe_feed(self, frame: dict[str, Any], wanted: FeedFilter) -> None:
        self._drop_feed()
        owner = owner_in(self._principal, wanted.get("owner"))
        fitting = within(self._principal.reach, filter_from(wanted), feed=True)
        self._feed = self._hub.overview(owner, self._writer, fitting)
        try:
            await self._feed.begin()
        except Refusal:
            self._drop_feed()
            raise
        self._reply(frame, "subscribed", feed=True)
        await self._feed.join()

    async def _cancel(self, frame: dict[str, Any], job_id: str, reason: object) -> None:
        permit(self._principal, CANCEL)
        view = await self._jobs.read(job_id) if is_job_id(job_id) else None
        if view is None or not self._principal.sees(view.job):
            raise UnknownJob
        status = await self._jobs.cancel(job_id, by=self._principal.owner, reason=str(reason)[:256] if reason else None)
        self._reply(frame, "cancelling", job_id=job_id, status=status)

    async def _renew(self, frame: dict[str, Any], token: str) -> None:
        """Go on with a fresh credential of the same owner; what that does not reach is dropped."""
        if await self._authenticator.asks():
            fresh = await self._authenticator.principal(token)
            permit(fresh, WATCH)
            if fresh.owner != self._principal.owner:
                raise Forbidden("The token is another owner's.")
            same_sight = (fresh.reach, fresh.sight) == (self._principal.reach, self._principal.sight)
            self._principal = fresh
            self._hub.attendance.visits.note(fresh, self._writer)
            if not same_sight:
                self._drop_unreached()
        self._writer.write_events([Reply(json_text(authenticated(self._principal, frame)))])

    def _drop_unreached(self) -> None:
        for job_id, job in list(self._reached.items()):
            if not self._principal.sees(job):
                self._drop(job_id)
                self._reply({}, "unsubscribed", job_id=job_id, reason="forbidden")
        if self._feed:
            self._drop_feed()
            self._reply({}, "unsubscribed", feed=True, reason="forbidden")

    def _ender(self, job_id: str) -> Callable[[], None]:
        def end() -> None:
            if self._drop(job_id):
                self._reply({}, "unsubscribed", job_id=job_id, reason="ended")

        return end

    def _drop(self, job_id: str) -> bool:
        self._reached.pop(job_id, None)
        subscription = self._watched.pop(job_id, None)
        if subscription:
            self._hub.unwatch(job_id, subscription)
        return subscription is not None

    def _drop_feed(self) -> None:
        if self._feed:
            self._feed.close()
            self._feed = None

    def _reply(self, frame: dict[str, Any], op: str, **members: Any) -> None:
        ref = {"ref": frame["ref"]} if "ref" in frame else {}
        self._writer.write_events([Reply(json_text({"op": op} | ref | members))])
