"""How a job stands, as far as a bar tells, kept up by its events. What draws it is beside."""

from dataclasses import dataclass
from typing import Any, Final

from app.display.sentences import away, clean, left, percent_of, told

Json = dict[str, Any]

RUNNING: Final = frozenset({"pending", "processing"})
STATUSES: Final = RUNNING | {"completed", "failed", "cancelled"}
UNDER_WAY: Final = frozenset({"position", "suspended", "waiting", "cancel_requested"})


@dataclass(slots=True)
class Standing:
    """Texts are clean, and empty where there is nothing to say. `percent` is None as long as nobody has told any."""

    status: str = "pending"
    percent: float | None = None
    message: str = ""
    left: str = ""

    @property
    def percent_text(self) -> str:
        """`42 %`, or nothing."""
        return "" if self.percent is None else percent_of({"percent": self.percent})

    def take(self, event: Json) -> str:
        """Go on by one event. An event that is no matter of the bar's is answered as a line for itself."""
        type_, data = event["type"], event["data"]
        if type_ == "snapshot":
            self._become(data["status"])
            self._move(data.get("progress") or {})
        elif type_ in STATUSES:
            self._become(type_, told(event))
        elif type_ == "progress":
            self._move(data)
        elif type_ in UNDER_WAY:
            self._become_meanwhile(type_, told(event))
        elif type_ != "resumed":
            return told(event) if type_ == "log" else clean(f"{type_}: {told(event)}")
        return ""

    def away(self, seconds: float) -> None:
        """The service cannot be heard for so long; 0: it is back."""
        self.left = away(seconds) if seconds else ""

    def _become(self, status: str, message: str = "") -> None:
        """A new attempt starts from nothing; a completed job is full, any other end leaves the bar where it was."""
        self.status, self.message, self.left = status, message, ""
        if status in RUNNING:
            self.percent = None
        elif status == "completed":
            self.percent = 100

    def _become_meanwhile(self, type_: str, message: str) -> None:
        self.message, self.left = message, ""
        if type_ != "position":
            self.status = type_.replace("_", " ")

    def _move(self, progress: Json) -> None:
        if "percent" in progress:
            self.percent = float(progress["percent"])
            self.message = clean(str(progress.get("message") or ""))
            self.left = left(progress)
