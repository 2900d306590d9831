"""What can be asked of webhooks: what became of them, sending them again, and what signs them."""

from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import quote

from app.client.asking import asked, asked_for_object, asked_once_for_object, paged, posted
from app.client.batches import batch_path
from app.client.faces import operation, telling
from app.client.jobs import job_path
from app.client.wire import Call, Json, Wire

SECRETS: Final = "/api/webhooks/secrets"


class WebhookOperations:
    """Those of both faces that are about webhooks."""

    wire: Wire

    @telling
    def deliveries(self, job_id: str = "", *, batch_id: str = "") -> AsyncGenerator[Json]:
        """Webhooks of a job or a batch, the latest first."""
        return paged(self.wire, f"{_subject(job_id, batch_id)}/deliveries", "deliveries")

    @operation
    async def redeliver(self, n: int, job_id: str = "", *, batch_id: str = "") -> Json:
        """Send the n-th webhook of a job or a batch again. Returns `{"redelivered", "more"}`."""
        return await asked_once_for_object(self.wire, posted(f"{_subject(job_id, batch_id)}/deliveries/{n}/redeliver"))

    @operation
    async def redeliver_failed(self) -> Json:
        """Send the oldest thousand of the owner's failed webhooks again. Returns `{"redelivered", "more"}`."""
        return await asked_once_for_object(self.wire, posted("/api/deliveries/redeliver"))

    @operation
    async def webhook_secrets(self) -> list[Json]:
        """What signs the owner's webhooks, the latest first; only one that the service made shows its `secret`."""
        return await self._secrets()

    @operation
    async def create_webhook_secret(self) -> Json:
        """One more, with its `secret`, which is not shown again."""
        return await self._created()

    @operation
    async def delete_webhook_secret(self, secret_id: str) -> None:
        """Have it sign no more."""
        await asked(self.wire, Call("DELETE", f"{SECRETS}/{quote(secret_id, safe='')}"))

    @operation
    async def webhook_secret(self) -> str:
        """One that signs the owner's webhooks: the one the service has made by itself, else a new one."""
        for secret in await self._secrets():
            if "secret" in secret:
                return str(secret["secret"])
        return str((await self._created())["secret"])

    async def _secrets(self) -> list[Json]:
        listed: list[Json] = (await asked_for_object(self.wire, Call("GET", SECRETS)))["secrets"]
        return listed

    async def _created(self) -> Json:
        return await asked_once_for_object(self.wire, posted(SECRETS))


def _subject(job_id: str, batch_id: str) -> str:
    return batch_path(batch_id) if batch_id else job_path(job_id)
