"""What Redis holds. Lua scripts are the only writers of a job's state; each is one noun's file here.

Used by the web process (submit, cancel, read, list) and the workers (claim, apply, renew, announce, sweep).
"""

from app.store.acceptance import Acceptance
from app.store.batches import BatchAcceptance, BatchLook, BatchStore, Order
from app.store.by_expiry import ByExpiry
from app.store.callbacks import CallbackStore
from app.store.claims import Claims, Renewal, Run
from app.store.deliveries import Claimed, DeliveryStore, Due, Outcome
from app.store.delivery_log import Delivery, DeliveryLog
from app.store.identity import Identity
from app.store.jobs import Change, JobStore
from app.store.keys import Key, KeyStore
from app.store.kinds import Kind, KindStore
from app.store.listing import Filter, Listing, Page
from app.store.memory import Memory
from app.store.nudges import Nudges
from app.store.pollers import Poller, Pollers
from app.store.queues import Queue, Queues
from app.store.retention import Retention
from app.store.secret import Secret
from app.store.unfinished import Unfinished, UnfinishedStore
from app.store.uploads import Upload, UploadStore
from app.store.views import Look, View
from app.store.webhook_secrets import WebhookSecret, WebhookSecrets
from app.store.workers import Announcement, WorkerSeen, WorkerStore

__all__ = [
    "Acceptance",
    "Announcement",
    "BatchAcceptance",
    "BatchLook",
    "BatchStore",
    "ByExpiry",
    "CallbackStore",
    "Change",
    "Claimed",
    "Claims",
    "Delivery",
    "DeliveryLog",
    "DeliveryStore",
    "Due",
    "Filter",
    "Identity",
    "JobStore",
    "Key",
    "KeyStore",
    "Kind",
    "KindStore",
    "Listing",
    "Look",
    "Memory",
    "Nudges",
    "Order",
    "Outcome",
    "Page",
    "Poller",
    "Pollers",
    "Queue",
    "Queues",
    "Renewal",
    "Retention",
    "Run",
    "Secret",
    "Unfinished",
    "UnfinishedStore",
    "Upload",
    "UploadStore",
    "View",
    "WebhookSecret",
    "WebhookSecrets",
    "WorkerSeen",
    "WorkerStore",
]
