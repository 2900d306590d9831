"""Fan-out: one event in from the bus, its one frame out to every watcher. Used by the stream doors of `app/web`."""

from app.hub.ages import Ages
from app.hub.attendance import Attendance, Full
from app.hub.bell import Bell
from app.hub.channel import Channel
from app.hub.history import History
from app.hub.hub import Hub
from app.hub.overview import Overview
from app.hub.places import Places
from app.hub.subscription import FeedSubscription, Subscription
from app.hub.wire import LINES, SSE, BarWire, Close, Message, Wire
from app.hub.writer import Writer

__all__ = [
    "LINES",
    "SSE",
    "Ages",
    "Attendance",
    "BarWire",
    "Bell",
    "Channel",
    "Close",
    "FeedSubscription",
    "Full",
    "History",
    "Hub",
    "Message",
    "Overview",
    "Places",
    "Subscription",
    "Wire",
    "Writer",
]
