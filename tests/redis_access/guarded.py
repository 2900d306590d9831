"""A house whose web process and worker come to Valkey as the user that `deploy/valkey.acl` describes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from app.processes.embedded import Valkey, quoted
from tests.faults.house import ROOT, House

ACL: Final = ROOT / "deploy" / "valkey.acl"
PASSWORD: Final = "p@ss/w#rd:%"


class Guarded(Valkey):
    """With the users of the file, and one of ours who may do anything."""

    def _config(self) -> str:
        path = self._directory / "users.acl"
        path.write_text(users())
        return f"{super()._config()}aclfile {quoted(path)}\n"


def users() -> str:
    """The file as an operator would have filled it in, but for the default user."""
    return ACL.read_text().replace("default off", "default on nopass ~* &* +@all").replace(">PASSWORD", f">{PASSWORD}")


def user_url(server: Valkey) -> str:
    """What the web process and the worker are given."""
    return server.url.replace("://", f"://tidings:{quote(PASSWORD, safe='')}@")


@asynccontextmanager
async def guarded(folder: Path, **settings: Any) -> AsyncIterator[House]:
    """`house.redis` is the operator's."""
    server = Guarded(folder / "valkey", folder / "valkey.sock")
    house = House(folder, redis_url=user_url(server), **settings)
    house.valkey = server
    async with house:
        yield house


async def denied(house: House) -> list[str]:
    """What was refused so far, and to whom."""
    entries = await house.redis.execute_command("ACL", "LOG")  # type: ignore[no-untyped-call]  # redis-py
    return [f"{one['username']}: {one['reason']} {one['object']}" for one in map(_named, entries)]


def _named(entry: list[Any]) -> dict[str, str]:
    texts = [part.decode() if isinstance(part, bytes) else str(part) for part in entry]
    return dict(zip(texts[::2], texts[1::2], strict=True))
