"""The world outside: takes webhooks, not always kindly, and calls back the jobs that wait for it. Used by `run.py`."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from pydantic_core import from_json
from standardwebhooks import Webhook, WebhookVerificationError

from tests.stress.submitter import AGAIN_SECONDS
from tests.webhooks.receiver import SILENCE, Receiver, Request, answer, receiving

SECRET: Final = "whsec_c3RyZXNzc3RyZXNzc3RyZXNzc3RyZXNzc3RyZXNz"
TELLING: Final = {
    "webhook_allow_networks": "127.0.0.0/8",
    "webhook_secret": SECRET,
    "webhook_retry_scale": 0.01,
}
"""Settings with which it is told: seconds become hundredths."""
TEMPERS: Final = (*["kind"] * 16, "fails", "hangs up", "dawdles")
DAWDLES_SECONDS: Final = 1.0
HEARD: Final = frozenset({200, 202, 409, 410})
"""What is answered to a callback that needs no repetition: it counts, or did so before, or something else does."""


@dataclass(slots=True)
class Told:
    """One webhook by its id: what each attempt brought, and whether one was taken."""

    bodies: list[bytes] = field(default_factory=list)
    taken: bool = False
    forged: int = 0


class Outside(Receiver):
    """`POST /orders {url, answer}` has it call that URL back; whatever else comes is a webhook."""

    def __init__(self, ports: Callable[[], Sequence[int]], client: httpx.AsyncClient, seed: int) -> None:
        super().__init__("")
        self.webhooks: defaultdict[str, Told] = defaultdict(Told)
        self._ports = ports
        self._client = client
        self._random = Random(f"{seed} outside")
        self._calls: set[asyncio.Task[None]] = set()

    async def reply_to(self, request: Request) -> bytes:
        """The answer to come."""
        if request.target == "/orders":
            call = asyncio.create_task(self._call_back(**from_json(request.body)))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            return answer()
        temper = self._random.choice(TEMPERS)
        if temper == "dawdles":
            await asyncio.sleep(DAWDLES_SECONDS)
        self._note(request, taken=temper in ("kind", "dawdles"))
        return {"fails": answer(500), "hangs up": SILENCE}.get(temper, answer())

    def _note(self, request: Request, *, taken: bool) -> None:
        told = self.webhooks[request.headers["webhook-id"]]
        told.bodies.append(request.body)
        told.taken |= taken
        try:
            Webhook(SECRET).verify(request.body, dict(request.headers))
        except WebhookVerificationError:
            told.forged += 1

    async def _call_back(self, url: str, answer: int) -> None:
        """After a while, until it is heard."""
        await asyncio.sleep(self._random.uniform(0, 2))
        while True:
            if await self._heard(urlsplit(url).path, {"answer": answer}):
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _heard(self, path: str, body: dict[str, Any]) -> bool:
        if not (ports := self._ports()):
            return False
        try:
            response = await self._client.post(f"http://127.0.0.1:{random.choice(ports)}{path}", json=body)
        except httpx.TransportError:
            return False
        return response.status_code in HEARD

    async def leave(self) -> None:
        """Call nobody back any more."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)


@asynccontextmanager
async def outside(ports: Callable[[], Sequence[int]], client: httpx.AsyncClient, seed: int) -> AsyncIterator[Outside]:
    """There while the block lasts."""
    there = Outside(ports, client, seed)
    try:
        async with receiving(receiver=there):
            yield there
    finally:
        await there.leave()
