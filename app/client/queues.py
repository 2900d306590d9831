"""What can be asked of kinds and queues: what there is, what waits, and holding it back."""

from urllib.parse import quote

from app.client.asking import asked_for_object, posted
from app.client.faces import operation
from app.client.wire import Call, Json, Wire


class QueueOperations:
    """Those of both faces that are about kinds and queues. To pause and resume takes the scope `admin`."""

    wire: Wire

    @operation
    async def kinds(self) -> list[Json]:
        """What can be asked for: `kind`, `description`, `params_schema` … of each."""
        known: list[Json] = (await asked_for_object(self.wire, Call("GET", "/api/kinds")))["kinds"]
        return known

    @operation
    async def pause_kind(self, kind: str) -> Json:
        """Start no job of it. Returns the kind."""
        return await self._held("kinds", kind, "pause")

    @operation
    async def resume_kind(self, kind: str) -> Json:
        """Start jobs of it again. Returns the kind."""
        return await self._held("kinds", kind, "resume")

    @operation
    async def queues(self) -> list[Json]:
        """Of each `queue`, `paused`, `lag_seconds`, and how many jobs are `waiting`, `delayed`, `running`."""
        known: list[Json] = (await asked_for_object(self.wire, Call("GET", "/api/queues")))["queues"]
        return known

    @operation
    async def pause_queue(self, queue: str) -> Json:
        """Start no job in it. Returns the queue."""
        return await self._held("queues", queue, "pause")

    @operation
    async def resume_queue(self, queue: str) -> Json:
        """Start jobs in it again. Returns the queue."""
        return await self._held("queues", queue, "resume")

    async def _held(self, what: str, name: str, command: str) -> Json:
        return await asked_for_object(self.wire, posted(f"/api/{what}/{quote(name, safe='')}/{command}"))
