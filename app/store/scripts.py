"""The Lua scripts, each with what it uses of the shared parts in front. Called by the stores here."""

import re
from asyncio import AbstractEventLoop, Task, create_task, get_running_loop, shield
from collections.abc import Iterable, Sequence
from functools import cache, partial
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.events import KEPT
from app.jobs import SUCCESSORS
from app.store.line import Line, line_of
from app.store.reach import reaching

Arguments: TypeAlias = Sequence[str | bytes | int | float]


SCRIPTS: Final = (
    *("submit", "apply", "claim", "renew", "sweep", "hold", "callback", "retry", "purge", "prune", "place", "read"),
    *("poll", "commit", "survey", "command", "begin", "announce", "list", "queue", "arrive", "chore"),
    *("deliver", "settle", "redeliver"),
)

PARTS: Final = (
    *("record", "nudge", "webhooks", "tally", "lanes", "slots", "pace", "placing", "throughput", "life", "waiting"),
    *("overdue", "allowance", "refusals", "view", "accept", "again", "recall", "receiving"),
)
"""Each uses those before it."""

_COMMENT = re.compile(r"(?:^| +)--.*", re.MULTILINE)
_STATEMENT = re.compile(r"^(?=(?!end\b)\w)", re.MULTILINE)
_DEFINED = re.compile(r"local (?:function )?([\w, ]+)")
_NAME = re.compile(r"(?<![.'\w])[A-Za-z_]\w*")


def _table(keys: Iterable[str]) -> str:
    return "{" + ",".join(f"{key}=true" for key in sorted(keys)) + "}"


def _tables() -> str:
    successors = ",".join(f"{status}={_table(following)}" for status, following in SUCCESSORS.items())
    return f"local SUCCESSORS = {{{successors}}}\nlocal KEPT = {_table(KEPT)}\n"


@cache
def source(name: str) -> str:
    """The whole text of one script."""
    script = _lua(name)
    return used(_parts(), script) + script


@cache
def _parts() -> str:
    return "\n".join((_tables(), *(_lua(f"parts/{part}") for part in PARTS)))


def _lua(name: str) -> str:
    return _COMMENT.sub("", (files("app.store") / "lua" / f"{name}.lua").read_text())


def used(parts: str, script: str) -> str:
    """Of the parts what a script uses. Redis makes every function anew at each call, used or not, and to make those of
    all parts costs as much as most scripts do."""
    names, statements = set(_NAME.findall(script)), []
    for statement in reversed(_STATEMENT.split(parts)):
        defined = _DEFINED.match(statement)
        if defined is None or not names.isdisjoint(_NAME.findall(defined[1])):
            statements.append(statement)
            names.update(_NAME.findall(statement))
    return "".join(reversed(statements))


@cache
def digest(text: str) -> str:
    """What a server calls it by."""
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """The scripts, on the line of one client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._used: tuple[AbstractEventLoop, Line] | None = None
        self._on_their_way: dict[str, Task[Any]] = {}
        self._texts = {name: source(name) for name in SCRIPTS}
        self._digests = {name: digest(text) for name, text in self._texts.items()}

    @property
    def _line(self) -> Line:
        loop = get_running_loop()
        if self._used is None or self._used[0] is not loop:
            self._used = loop, line_of(self._redis)
        return self._used[1]

    @reaching
    async def run(self, name: str, arguments: Arguments) -> Any:
        """One call, one round trip; a server that lost its script cache gets the text again."""
        line, command = self._line, ("EVALSHA", self._digests[name], 0, *arguments)
        try:
            return await line.call(*command)
        except NoScriptError:
            await self._bring(line, name)
            return await line.call(*command)

    @reaching
    async def run_many(self, name: str, calls: Sequence[Arguments]) -> list[Any]:
        """Many calls in one round trip."""
        line, commands = self._line, [("EVALSHA", self._digests[name], 0, *arguments) for arguments in calls]
        try:
            return await line.call_all(commands)
        except NoScriptError:
            await self._bring(line, name)
            return await line.call_all(commands)

    async def _bring(self, line: Line, name: str) -> None:
        """The text of a script to a server that lacks it: once, however many have missed it."""
        if name not in self._on_their_way:
            bringing = self._on_their_way[name] = create_task(line.call("SCRIPT", "LOAD", self._texts[name]))
            bringing.add_done_callback(partial(self._brought, name))
        await shield(self._on_their_way[name])

    def _brought(self, name: str, bringing: Task[Any]) -> None:
        del self._on_their_way[name]
        if not bringing.cancelled():
            bringing.exception()  # who waited has it; they may all have been cancelled
