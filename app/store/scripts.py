"""The Lua scripts, each with the transition table and the shared parts in front. Called by the stores here."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

from app.events import KEPT
from app.jobs import SUCCESSORS
from app.store.reach import reaching

Arguments: TypeAlias = Sequence[str | bytes | int | float]


LINE: Final = ("record", "lanes", "slots", "pace", "placing")
LIFE: Final = (*LINE, "life")

PARTS: Final = {
    "submit": (*LIFE, "allowance", "accept"),
    "apply": LIFE,
    "claim": (*LIFE, "overdue"),
    "renew": ("record",),
    "sweep": (*LIFE, "overdue"),
    "hold": LIFE,
    "retry": (*LIFE, "accept", "again"),
    "purge": LIFE,
    "prune": ("record", "lanes", "slots"),
    "place": LINE,
    "read": (*LINE, "view"),
    "poll": (*LINE, "view", "allowance"),
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
    """The scripts of one connection pool."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = {name: redis.register_script(source(name)) for name in PARTS}

    @reaching
    async def run(self, name: str, arguments: Arguments) -> Any:
        """One call, one round trip; a server that lost its script cache gets the text again."""
        return await self._scripts[name](args=arguments)

    @reaching
    async def run_many(self, name: str, calls: Sequence[Arguments]) -> list[Any]:
        """Many calls in one round trip."""
        script = self._scripts[name]
        try:
            return await self._pipelined(script, calls)
        except NoScriptError:
            await self._redis.script_load(script.script)
            return await self._pipelined(script, calls)

    async def _pipelined(self, script: AsyncScript, calls: Sequence[Arguments]) -> list[Any]:
        pipeline: Pipeline = self._redis.pipeline(transaction=False)
        for arguments in calls:
            pipeline.execute_command("EVALSHA", script.sha, 0, *arguments)
        return await pipeline.execute()
