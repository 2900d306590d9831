"""What can be asked of the service, each written once for both faces (`client.py`, `asynchronous.py`)."""

from collections.abc import Callable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from app.client.asking import asked_for_object, posted
from app.client.batches import BatchOperations
from app.client.faces import operation
from app.client.following import FollowOperations
from app.client.jobs import JobOperations
from app.client.operators import OperatorOperations
from app.client.queues import QueueOperations
from app.client.upload import uploaded
from app.client.webhooks import WebhookOperations
from app.client.wire import Json, Wire


class Operations(
    JobOperations, FollowOperations, BatchOperations, QueueOperations, OperatorOperations, WebhookOperations
):
    """Raises Refused or Unreachable where what was asked for did not happen, if nothing else is said."""

    wire: Wire

    @property
    def url(self) -> str:
        """Where the service is."""
        return self.wire.url

    def absolute(self, link: str) -> str:
        """A link of the service, which may be path-absolute, as one to click on."""
        return self.url + link if link.startswith("/") else link

    @operation
    async def upload(
        self, path: str | PathLike[str], on_progress: Callable[[int, int], None] = lambda sent, total: None
    ) -> Json:
        """Send a file; `input` of what is returned goes into params. `on_progress` hears bytes sent and in all.

        What breaks off is gone on with. Raises OSError when the file cannot be read to its end.
        """
        return await uploaded(self.wire, Path(fspath(path)), on_progress)

    @operation
    async def create_token(
        self,
        scope: str,
        *,
        jobs: Sequence[str] = (),
        tag: str = "",
        batch_id: str = "",
        feed: bool = False,
        owner: str = "",
        kind: str = "",
        ttl_seconds: float | None = None,
    ) -> Json:
        """A short-lived token for a browser, to `read` or `cancel` one of the former four, or to `submit` a kind.

        For an operator the `feed` is everybody's with the `owner` `*`. Returns `{"token", "expires_at"}`
        (docs/security.md).
        """
        reach: dict[str, Any] = {"jobs": list(jobs), "tag": tag, "batch_id": batch_id, "feed": feed, "owner": owner}
        body = {"scope": scope} | {name: value for name, value in (reach | {"kind": kind}).items() if value}
        body |= {} if ttl_seconds is None else {"ttl_seconds": ttl_seconds}
        return await asked_for_object(self.wire, posted("/api/tokens", body))
