"""Every door of the service: which there are, and what each leads to. Called by the assembly (`app/main.py`)."""

from collections.abc import Awaitable, Callable

from starlette.routing import BaseRoute

from app.artifacts import FileStore
from app.auth.opening import OPEN_MODES
from app.auth.tokens import Tokens
from app.chores import Chores
from app.hub import Hub
from app.intake.intake import Intake
from app.objects.signature import store_origin
from app.settings import Settings
from app.store.stores import Stores
from app.web.batches import BatchDoors
from app.web.callbacks import CallbackDoors
from app.web.commands import CommandDoors
from app.web.deliveries import DeliveryDoors
from app.web.description import DescriptionDoors
from app.web.health import HealthDoors
from app.web.jobs import JobDoors
from app.web.kinds import KindDoors
from app.web.page import page_routes
from app.web.params import ParamsDoors
from app.web.pollers import PollerDoors
from app.web.polls import Polls
from app.web.queues import QueueDoors
from app.web.results import ResultDoors
from app.web.sse import EventDoors
from app.web.tokens import TokenDoors
from app.web.tus import TusDoors
from app.web.uploads import UploadDoors
from app.web.waiting import Waits
from app.web.webhook_secrets import SecretDoors
from app.web.websocket import SocketDoors
from app.web.workers import WorkerDoors


def doors(
    settings: Settings,
    stores: Stores,
    files: FileStore,
    intake: Intake,
    hub: Hub,
    *,
    chores: Chores,
    tokens: Tokens,
    reach: Callable[[], Awaitable[object]],
) -> list[BaseRoute]:
    """All routes, described by the last of them. `reach` returns once Redis is reached."""
    polls = Polls(stores.jobs, settings.poll_burst)
    there = [
        *_jobs(settings, stores, files, intake, hub, polls),
        *BatchDoors(settings, intake.batches, stores.batches, chores).routes(),
        *DeliveryDoors(stores.jobs, stores.batches, stores.deliveries).routes(),
        *SecretDoors(stores.webhook_secrets).routes(),
        *CallbackDoors(settings, stores.callbacks, stores.secret).routes(),
        *TokenDoors(settings, tokens).routes(),
        *TusDoors(settings, intake.resumptions, intake.reception).routes(),
        *UploadDoors(settings, files, intake.reception).routes(),
        *KindDoors(intake.catalog, stores.queues).routes(),
        *QueueDoors(intake.catalog, stores.queues).routes(),
        *WorkerDoors(stores.workers).routes(),
        *PollerDoors(stores.pollers).routes(),
        *_streams(settings, stores, hub, polls),
        *HealthDoors(reach, lambda: hub.attendance.draining).routes(),
        *page_routes(store_origin(settings)),
    ]
    descriptions = DescriptionDoors(there, settings.public_url, is_open=settings.auth in OPEN_MODES)
    return [*there, *descriptions.routes()]


def _jobs(  # noqa: PLR0917  what doors lead to
    settings: Settings, stores: Stores, files: FileStore, intake: Intake, hub: Hub, polls: Polls
) -> list[BaseRoute]:
    commands = CommandDoors(settings, stores.jobs)
    waits = Waits(hub, polls)
    return [
        *JobDoors(settings, intake.submissions, stores.listing, waits, commands).routes(),
        *commands.routes(),
        *ResultDoors(stores.jobs, files, polls).routes(),
        *ParamsDoors(stores.jobs).routes(),
    ]


def _streams(settings: Settings, stores: Stores, hub: Hub, polls: Polls) -> list[BaseRoute]:
    sockets = SocketDoors(
        hub, stores.jobs, allowed_origins=settings.allowed_origins, most_subscriptions=settings.max_subscriptions
    )
    return [*EventDoors(hub, polls).routes(), *sockets.routes()]
