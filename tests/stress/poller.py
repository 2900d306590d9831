"""A client that only asks, with the entity tag of the last answer: the seqs it is told, and whether 304 was true."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import httpx

from app.jobs import TERMINAL

INTERVAL_SECONDS: Final = (0.1, 1.0)


class Poller:
    """Of one job, until it has ended."""

    def __init__(self, job_id: str, ports: Callable[[], Sequence[int]], client: httpx.AsyncClient) -> None:
        self.job_id = job_id
        self.seqs: list[int] = []
        self.statuses: list[str] = []
        self.refusals: list[str] = []
        self._ports = ports
        self._client = client
        self._etag = ""
        self._random = Random(job_id)

    def __str__(self) -> str:
        return "poller"

    async def follow(self) -> None:
        """To the end."""
        while not await self._asked():
            await asyncio.sleep(self._random.uniform(*INTERVAL_SECONDS))

    async def _asked(self) -> bool:
        ports = self._ports()
        if not ports:
            return False
        url = f"http://127.0.0.1:{self._random.choice(ports)}/api/jobs/{self.job_id}"
        try:
            answer = await self._client.get(url, headers={"If-None-Match": self._etag} if self._etag else {})
        except httpx.TransportError:
            return False
        return self._take(answer)

    def _take(self, answer: httpx.Response) -> bool:
        """Whether that was the end."""
        match answer.status_code:
            case 200:
                self._note(answer)
            case 304 if answer.headers["etag"] != self._etag:
                self.refusals.append(f"304 for {self._etag} with {answer.headers['etag']}")
            case 304 | 429 | 503:
                pass
            case status:
                self.refusals.append(f"status {status}")
                return True
        return bool(self.statuses) and self.statuses[-1] in TERMINAL

    def _note(self, answer: httpx.Response) -> None:
        job, self._etag = answer.json(), answer.headers["etag"]
        if self._etag != f'"{job["seq"]}"':
            self.refusals.append(f"the tag {self._etag} of seq {job['seq']}")
        self.seqs.append(job["seq"])
        self.statuses.append(job["status"])
