"""The Lua scripts, each with the transition table and the shared parts in front. Called by the stores here."""

from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.events import KEPT
from app.jobs import SUCCESSORS
from app.store.line import line_of
from app.store.reach import reaching

Arguments: TypeAlias = Sequence[str | bytes | int | float]


TELLING: Final = ("record", "nudge", "webhooks")
LINE: Final = (*TELLING, "tally", "lanes", "slots", "pace", "placing")
LIFE: Final = (*LINE, "life")

PARTS: Final = {
    "submit": (*LIFE, "allowance", "accept", "recall"),
    "apply": LIFE,
    "claim": (*LIFE, "overdue"),
    "renew": ("record",),
    "sweep": (*LIFE, "overdue"),
    "hold": LIFE,
    "retry": (*LIFE, "accept", "again"),
    "purge": LIFE,
    "prune": ("record", "nudge", "lanes", "slots"),
    "place": LINE,
    "read": (*LINE, "view"),
    "poll": (*LINE, "view", "allowance"),
    "commit": (*LIFE, "allowance", "accept", "recall"),
    "survey": (*LINE, "view", "allowance"),
    "command": (*LIFE, "accept"),
    "begin": ("record",),
    "chore": (*LIFE, "overdue", "accept", "again"),
    "deliver": (*TELLING, "receiving"),
    "settle": (*TELLING, "receiving"),
    "redeliver": (*TELLING, "receiving"),
}
"""The scripts, and what each has in front."""


def _table(keys: Iterable[str]) -> str:
    return "{" + ",".join(f"{key}=true" for key in sorted(keys)) + "}"


def _tables() -> str:
    successors = ",".join(f"{status}={_table(following)}" for status, following in SUCCESSORS.items())
    return f"local SUCCESSORS = {{{successors}}}\nlocal KEPT = {_table(KEPT)}\n"


@cache
def source(name: str) -> str:
    """The whole text of one script."""
    room = files("app.store") / "lua"
    parts = [room / "parts" / f"{part}.lua" for part in PARTS[name]]
    return "\n".join((_tables(), *(file.read_text() for file in (*parts, room / f"{name}.lua"))))


class Scripts:
    """The scripts, on the line of one client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._texts = {name: source(name) for name in PARTS}
        self._digests = {
            name: sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in self._texts.items()
        }

    @reaching
    async def run(self, name: str, arguments: Arguments) -> Any:
        """One call, one round trip; a server that lost its script cache gets the text again."""
        line, command = line_of(self._redis), ("EVALSHA", self._digests[name], 0, *arguments)
        try:
            return await line.call(*command)
        except NoScriptError:
            return (await line.call_all([("SCRIPT", "LOAD", self._texts[name]), command]))[-1]

    @reaching
    async def run_many(self, name: str, calls: Sequence[Arguments]) -> list[Any]:
        """Many calls in one round trip."""
        line, commands = line_of(self._redis), [("EVALSHA", self._digests[name], 0, *arguments) for arguments in calls]
        try:
            return await line.call_all(commands)
        except NoScriptError:
            return (await line.call_all([("SCRIPT", "LOAD", self._texts[name]), *commands]))[1:]
