"""Every store that a web process has, by its noun. Made by the assembly (`app/main.py`), handed to intake and doors."""

from dataclasses import dataclass
from typing import Self

from redis.asyncio import Redis

from app.settings import Settings
from app.store.batches import BatchStore
from app.store.callbacks import CallbackStore
from app.store.delivery_log import DeliveryLog
from app.store.jobs import JobStore
from app.store.keys import KeyStore
from app.store.kinds import KindStore
from app.store.listing import Listing
from app.store.memory import Memory
from app.store.pollers import Pollers
from app.store.pool import pool
from app.store.queues import Queues
from app.store.secret import Secret
from app.store.unfinished import UnfinishedStore
from app.store.uploads import UploadStore
from app.store.webhook_secrets import WebhookSecrets
from app.store.workers import WorkerStore


@dataclass(frozen=True, slots=True)
class Stores:
    """All on one pool of connections."""

    redis: Redis
    jobs: JobStore
    listing: Listing
    batches: BatchStore
    kinds: KindStore
    queues: Queues
    uploads: UploadStore
    unfinished: UnfinishedStore
    callbacks: CallbackStore
    deliveries: DeliveryLog
    webhook_secrets: WebhookSecrets
    keys: KeyStore
    secret: Secret
    memory: Memory
    workers: WorkerStore
    pollers: Pollers

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings bound them; nothing connects yet."""
        redis = Redis.from_pool(pool(settings.redis_address))
        admission, idempotency_ttl_ms = settings.admission, settings.idempotency_ttl_seconds * 1000
        jobs = JobStore(
            redis,
            max_log_events=settings.max_log_events,
            idempotency_ttl_ms=idempotency_ttl_ms,
            admission=admission,
        )
        return cls(
            redis=redis,
            jobs=jobs,
            listing=Listing(redis, jobs),
            batches=BatchStore(redis, idempotency_ttl_ms=idempotency_ttl_ms, admission=admission),
            kinds=KindStore(redis),
            queues=Queues(redis),
            uploads=UploadStore(redis, settings.upload_ttl_seconds),
            unfinished=UnfinishedStore.of(redis, settings),
            callbacks=CallbackStore(redis),
            deliveries=DeliveryLog(redis),
            webhook_secrets=WebhookSecrets(redis, settings.webhook_secrets),
            keys=KeyStore(redis),
            secret=Secret.of(redis, settings),
            memory=Memory(redis),
            workers=WorkerStore(redis),
            pollers=Pollers(redis),
        )
