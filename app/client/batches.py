"""What can be asked of batches: many jobs at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from app.client.asking import asked_for_object, asked_once_for_object, posted, posted_once
from app.client.faces import operation
from app.client.wire import Call, Json, Wire


class BatchOperations:
    """Those of both faces that are about batches."""

    wire: Wire

    @operation
    async def submit_batch(
        self, /, jobs: Iterable[Mapping[str, Any]], *, tags: Sequence[str] = (), idempotency_key: str = "", **more: Any
    ) -> Json:
        """Submit many jobs, all or none; each as `{"kind", "params", …}`. Returns the batch object."""
        body = {"jobs": list(jobs)} | ({"tags": list(tags)} if tags else {}) | more
        return await posted_once(self.wire, "/api/batches", body, idempotency_key)

    @operation
    async def batch(self, batch_id: str) -> Json:
        """The batch object, as it stands."""
        return await asked_for_object(self.wire, Call("GET", batch_path(batch_id)))

    @operation
    async def cancel_batch(self, batch_id: str) -> Json:
        """Ask for all its jobs to be stopped. Returns the batch object."""
        return await asked_for_object(self.wire, posted(f"{batch_path(batch_id)}/cancel"))

    @operation
    async def retry_batch(self, batch_id: str) -> Json:
        """Run its failed jobs again. Returns the batch object."""
        return await asked_once_for_object(self.wire, posted(f"{batch_path(batch_id)}/retry"))


def batch_path(batch_id: str) -> str:
    """Where the batch is."""
    return f"/api/batches/{quote(batch_id, safe='')}"
