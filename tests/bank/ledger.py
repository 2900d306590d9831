"""What the bank knows. In SQLite, so that a bank that is killed has forgotten none of its charges.

How a charge will end is decided when it is made; the end is to be seen from `settles_at` on. So nothing has to happen
in time, and a bank that comes back needs to do nothing.
"""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS charges (
    id TEXT PRIMARY KEY, key TEXT UNIQUE, amount INTEGER, currency TEXT, reference TEXT, callback_url TEXT,
    outcome TEXT, settles_at REAL, asked INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS deeds (deed TEXT PRIMARY KEY, times INTEGER);
"""


class OtherContent(Exception):
    """The key was used for another order."""


class Order(BaseModel):
    """What somebody wants charged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: int = Field(gt=0, strict=True)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    reference: str = Field(min_length=1)
    callback_url: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of the ledger. `asked` is how often it was asked for, under the one key."""

    id: str
    key: str
    amount: int
    currency: str
    reference: str
    callback_url: str
    outcome: str
    settles_at: float
    asked: int

    @property
    def status(self) -> str:
        return self.outcome if time.time() >= self.settles_at else "pending"

    def told(self, status: str) -> dict[str, Any]:
        """As the bank tells of it."""
        facts = {"id": self.id, "status": status, "amount": self.amount, "currency": self.currency}
        reason = {"reason": "insufficient funds"} if status == "failed" else {}
        return facts | {"reference": self.reference} | reason


class Ledger:
    """On a file, which several processes may have open."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # of a killed process nothing is lost, and no power fails here
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def charge(self, key: str, order: Order, outcome: str, settles_at: float) -> Charge:
        """The charge of that key, made if there is none. Where it calls back is what was last said."""
        self._db.execute(
            "INSERT OR IGNORE INTO charges VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (f"ch_{token_hex(8)}", key, order.amount, order.currency, order.reference, "", outcome, settles_at),
        )
        (found,) = self._charges("WHERE key = ?", key)
        if (found.amount, found.currency, found.reference) != (order.amount, order.currency, order.reference):
            raise OtherContent
        self._db.execute(
            "UPDATE charges SET asked = asked + 1, callback_url = ? WHERE key = ?", (order.callback_url, key)
        )
        return self._charges("WHERE key = ?", key)[0]

    def find(self, charge_id: str) -> Charge | None:
        found = self._charges("WHERE id = ?", charge_id)
        return found[0] if found else None

    def charges(self) -> list[Charge]:
        """All of them, the oldest first."""
        return self._charges("ORDER BY rowid")

    def settle(self) -> None:
        """Whatever was to end some time ends now."""
        self._db.execute("UPDATE charges SET settles_at = 0")

    def note(self, deed: str) -> None:
        """That it was done once more."""
        self._db.execute("INSERT INTO deeds VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1", (deed,))

    def deeds(self) -> dict[str, int]:
        """How often each was done."""
        return dict(self._db.execute("SELECT deed, times FROM deeds"))

    def _charges(self, which: str, *values: str) -> list[Charge]:
        return [Charge(*row) for row in self._db.execute(f"SELECT * FROM charges {which}", values)]
