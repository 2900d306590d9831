"""What can be followed as it happens: a job, a batch, all jobs. The streams are kept up over many connections."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias
from urllib.parse import urlencode

from app.client.asking import asked_for_object
from app.client.batches import batch_path
from app.client.errors import ClientError, Refused, Unreachable
from app.client.faces import operation, telling
from app.client.follow import Answer, FeedFollower, Follower, NotOurs, answer
from app.client.jobs import job_path
from app.client.wire import Call, Json, Wire

OnAway: TypeAlias = Callable[[float], None]
"""Hears for how many seconds a lost service is left alone, and 0 when it is there, at first too."""


def unheard(seconds: float) -> None:
    """For who does not care."""


class FollowOperations:
    """Those of both faces that follow."""

    wire: Wire

    @telling
    def follow(self, job_id: str, after: int | None = None, on_away: OnAway = unheard) -> AsyncGenerator[Json]:
        """The job's events to its end, over as many connections as it takes.

        Without `after` a snapshot comes first; with it, what the log has of a higher seq (0: everything). `on_away`
        hears for how many seconds a lost service is left alone, and 0 when it is there.
        """
        return followed(self.wire, f"{job_path(job_id)}/events", Follower(after), on_away)

    @telling
    def follow_batch(self, batch_id: str, after: int | None = None, on_away: OnAway = unheard) -> AsyncGenerator[Json]:
        """How a batch stands, whenever that has changed, to the end of its last job; as `follow` does."""
        return followed(self.wire, f"{batch_path(batch_id)}/events", Follower(after), on_away)

    @telling
    def feed(self, /, on_away: OnAway = unheard, **filters: str | Sequence[str]) -> AsyncGenerator[Json]:
        """What happens to any job, or to those of a `status`, `kind`, `tag`; without an end.

        Each connection begins with a snapshot of every active job. What happened between two is not told.
        """
        query = urlencode(filters, doseq=True)
        return followed(self.wire, f"/api/events?{query}" if query else "/api/events", FeedFollower(), on_away)

    @operation
    async def watch(self, job_id: str, after: int | None = None) -> Json:
        """Show a job to its end: by a bar in a notebook or a terminal, by lines elsewhere. Returns the job object.

        What is shown goes to the notebook's cell, or to stderr.
        """
        from app.display import display  # noqa: PLC0415  what draws takes a while to import

        path = f"{job_path(job_id)}/events"
        with display(stderr=True) as shown:
            async with aclosing(followed(self.wire, path, Follower(after), shown.away)) as events:
                async for event in events:
                    shown.show(event)
        return await asked_for_object(self.wire, Call("GET", job_path(job_id)))


async def followed(wire: Wire, path: str, follower: Follower, on_away: OnAway) -> AsyncGenerator[Json]:
    """All events of a stream. Raises Refused or Unreachable once coming back does not help."""
    while True:
        over, broken = follower.ended, False
        failure: ClientError = Unreachable(wire.url, "the stream ended before the job did")
        try:
            async with aclosing(_heard(wire, path, follower, on_away)) as events:
                async for event in events:
                    yield event
        except ClientError as error:
            failure, broken = error, error.heals
        if follower.ended and (over or not broken):  # what broke off may have told an end before the job's last retry
            return
        seconds = follower.lost(failure.retry_after) if failure.heals else None
        if seconds is None:
            raise failure
        on_away(seconds)
        await wire.pause(seconds)


async def _heard(wire: Wire, path: str, follower: Follower, on_away: OnAway) -> AsyncGenerator[Json]:
    """One connection's events."""
    async with wire.opened(Call("GET", path, follower.connect())) as (reply, read):
        try:
            match answer(reply.status, reply.headers.get("Content-Type", "")):
                case Answer.OVER:
                    follower.ended = True
                case Answer.STREAM:
                    on_away(0)
                    while chunk := await read():
                        for event in follower.feed(chunk):
                            yield event
                case _:
                    raise Refused.by(reply)
        except NotOurs as error:
            raise Unreachable(wire.url, error, heals=False) from error
