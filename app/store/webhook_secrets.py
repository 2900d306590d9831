"""The secrets that sign an owner's webhooks: its own, latest first, else the operator's. All of them sign.

Asked by the workers' deliverer, kept by the doors of the web process. An owner for whom there is none at all gets one
that nobody can guess, so that no webhook goes unsigned. They are kept until they are deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from time import monotonic
from typing import Final

from redis.asyncio import Redis

from app.errors import TooManySecrets
from app.store.clock import redis_now_ms
from app.store.jobs import PREFIX
from app.store.reach import reaching
from app.webhooks import new_webhook_secret

MADE: Final = "made"
"""The id of the one that was made because there was none."""
MOST_SECRETS: Final = 10
"""Of an owner: each is a signature in every webhook."""
REMEMBERED_SECONDS: Final = 1.0
MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """`secret` is `whsec_…`, `created_at` milliseconds since 1970."""

    secret_id: str
    created_at: int
    secret: str

    @property
    def was_made(self) -> bool:
        """Whether nobody has seen it when it came to be."""
        return self.secret_id == MADE


class WebhookSecrets:
    """Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis, defaults: Sequence[str] = ()) -> None:
        self._redis = redis
        self._defaults = tuple(defaults)
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def of(self, owner: str) -> tuple[str, ...]:
        """What signs the owner's webhooks; never empty. As it was within the last second."""
        until, known = self._known.get(owner, (0.0, ()))
        if monotonic() < until:
            return known
        found = tuple(secret.secret for secret in await self.all(owner)) or self._defaults
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[owner] = (monotonic() + REMEMBERED_SECONDS, found)
        return found

    @reaching
    async def all(self, owner: str) -> list[WebhookSecret]:
        """Those of the owner, latest first; where it has none, and the operator neither, one is made."""
        entries = await self._redis.hgetall(_key(owner))  # type: ignore[misc]  # redis-py
        if not entries and not self._defaults:
            await self._keep(owner, MADE, new_webhook_secret())
            entries = await self._redis.hgetall(_key(owner))  # type: ignore[misc]  # another may have made it
        secrets = [_secret(secret_id.decode(), entry.decode()) for secret_id, entry in entries.items()]
        return sorted(secrets, key=lambda secret: (secret.created_at, secret.secret_id), reverse=True)

    @reaching
    async def create(self, owner: str) -> WebhookSecret:
        """One more, beside those there are. Raises TooManySecrets."""
        if await self._redis.hlen(_key(owner)) >= MOST_SECRETS:  # type: ignore[misc]  # redis-py
            raise TooManySecrets(f"There are {MOST_SECRETS} already; delete one.")
        return await self._keep(owner, token_hex(8), new_webhook_secret())

    @reaching
    async def delete(self, owner: str, secret_id: str) -> bool:
        """It signs no more, within a second; whether there was one."""
        return bool(await self._redis.hdel(_key(owner), secret_id))  # type: ignore[misc]  # redis-py

    async def _keep(self, owner: str, secret_id: str, secret: str) -> WebhookSecret:
        now = await redis_now_ms(self._redis)
        await self._redis.hsetnx(_key(owner), secret_id, f"{now} {secret}")  # type: ignore[misc]  # redis-py
        return WebhookSecret(secret_id, now, secret)


def _key(owner: str) -> str:
    return f"{PREFIX}webhooks:secrets:{owner}"


def _secret(secret_id: str, entry: str) -> WebhookSecret:
    created_at, _, secret = entry.partition(" ")
    return WebhookSecret(secret_id, int(created_at), secret)
