"""All watchers of one batch. The bus says only that it has changed; it is read once for all, at most twice a second.

A batch is told whole each time, so nothing can be missed: the latest is all that counts.
"""

import asyncio
from typing import Final

import structlog

from app.batches import Batch, BatchEvent
from app.hub.history import SharedRead, Spawn
from app.hub.subscription import Subscription
from app.hub.wire import Message, Wire

INTERVAL_SECONDS: Final = 0.5

log = structlog.get_logger()


class Standing:
    """A batch at one moment, framed once for all who are told alike."""

    def __init__(self, batch: Batch, base_url: str) -> None:
        self.batch = batch
        self._base_url = base_url
        self._events: dict[str, BatchEvent] = {}
        self._messages: dict[tuple[Wire, str], Message] = {}

    @property
    def news(self) -> str:
        """The type of the event that tells of it."""
        return "completed" if self.batch.ended else "progress"

    def event(self, type: str) -> BatchEvent:
        """The batch as the data of an event."""
        if type not in self._events:
            self._events[type] = BatchEvent.of(self.batch, type, self._base_url)
        return self._events[type]

    def message(self, wire: Wire, type: str) -> Message:
        """The same, framed."""
        if (wire, type) not in self._messages:
            self._messages[wire, type] = wire.encode([self.event(type)])
        return self._messages[wire, type]


class BatchChannel:
    """One batch's. `read` gets how it stands; `spawn` runs a task the hub owns."""

    def __init__(self, batch_id: str, read: SharedRead[Standing | None], spawn: Spawn) -> None:
        self.read = read
        self._batch_id = batch_id
        self._spawn = spawn
        self._subscriptions: dict[Subscription, None] = {}
        self._latest: Standing | None = None
        self._changed = False
        self._looking = False

    @property
    def empty(self) -> bool:
        """Whether nobody watches."""
        return not self._subscriptions

    def attach(self, subscription: Subscription) -> None:
        """It is told what happens once it has joined."""
        self._subscriptions[subscription] = None

    def detach(self, subscription: Subscription) -> None:
        """It watches no more; none of ours is fine."""
        self._subscriptions.pop(subscription, None)

    async def join(self, subscription: Subscription, standing: Standing) -> None:
        """Send how the batch stood, as fast as the client reads; from then on what it comes to."""
        await subscription.writer.send(standing.message(subscription.writer.wire, "snapshot"))
        subscription.seq = standing.batch.seq
        if standing.batch.ended:
            subscription.on_end()
        elif self._latest:
            self._tell(subscription, self._latest)

    def accept(self) -> None:
        """It has changed, says the bus."""
        self._changed = True

    def deliver(self, now: float) -> None:
        """Look, unless somebody does."""
        if self._changed and not self._looking:
            self._looking = True
            self._spawn(self._look_while_it_changes())

    def missed(self) -> None:
        """The bus was away; it may have changed."""
        self._changed = True
        self.deliver(asyncio.get_running_loop().time())

    async def _look_while_it_changes(self) -> None:
        try:
            while self._changed and not self.empty:
                self._changed = False
                await self._look()
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            self._looking = False

    async def _look(self) -> None:
        try:
            standing = await self.read()
        except Exception as error:  # Redis is away, or worse; its watchers would wait for ever
            log.warning("batch not read", action="batch.recovering", batch_id=self._batch_id, error=repr(error))
            self._changed = True
            return
        if standing is None:
            for subscription in list(self._subscriptions):
                subscription.on_end()
            return
        self._latest = standing
        for subscription in list(self._subscriptions):
            self._tell(subscription, standing)

    def _tell(self, subscription: Subscription, standing: Standing) -> None:
        """Who has not been sent the snapshot yet is told after it."""
        if subscription.seq is None or standing.batch.seq <= subscription.seq:
            return
        subscription.seq = standing.batch.seq
        writer, type = subscription.writer, standing.news
        writer.write(standing.message(writer.wire, type), [standing.event(type)])
        if standing.batch.ended:
            subscription.on_end()
