"""What Redis holds. Lua scripts are the only writers of a job's state; each is one noun's file here.

Used by the web process (submit, cancel, read, list) and the workers (claim, apply, renew, announce, sweep).
"""

from app.store.identity import Identity
from app.store.jobs import Change, Claims, JobStore, Renewal, Run, View
from app.store.kinds import Kind, KindStore
from app.store.listing import Filter, Listing, Page
from app.store.nudges import Nudges
from app.store.retention import Retention
from app.store.uploads import Upload, UploadStore

__all__ = [
    "Change",
    "Claims",
    "Filter",
    "Identity",
    "JobStore",
    "Kind",
    "KindStore",
    "Listing",
    "Nudges",
    "Page",
    "Renewal",
    "Retention",
    "Run",
    "Upload",
    "UploadStore",
    "View",
]
