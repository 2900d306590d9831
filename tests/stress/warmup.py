"""Has every process of a stress run do all it can, many times at once, so that its pools are as full as they get."""

import asyncio
from typing import Final

import httpx

from tests.stress.fleet import Fleet
from tests.stress.kinds import content_of
from tests.webhooks.receiver import receiving

AT_ONCE: Final = 24
WARM_TAG: Final = "warm-up"
END_SECONDS: Final = 60.0


async def warm_up(fleet: Fleet) -> None:
    """Returns when all of it is over."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client, receiving() as receiver:
        for port in fleet.ports:
            web = f"http://127.0.0.1:{port}"
            await asyncio.gather(*(_one(client, web, n, f"{receiver.url}/{port}/{n}") for n in range(AT_ONCE)))
        async with asyncio.timeout(END_SECONDS):
            while len({request.target for request in receiver.requests}) < AT_ONCE * len(fleet.ports):
                await asyncio.sleep(0.1)


async def _one(client: httpx.AsyncClient, web: str, n: int, callback_url: str) -> None:
    upload = (await client.put(f"{web}/api/uploads/warm.bin", content=content_of(str(n), 1 << 16))).raise_for_status()
    jobs = [
        await _submitted(client, web, "reading", input=upload.json()["input"]),
        await _submitted(client, web, "saving", files=2, size=1 << 16),
        await _submitted(client, web, "steady_thread", callback_url, steps=3),
    ]
    if n < 6:
        jobs += [await _submitted(client, web, "steady_process", steps=3)]
        jobs += [await _submitted(client, web, "program", seconds=0.2)]
    for job in jobs:
        async with asyncio.timeout(END_SECONDS):
            await _watched(client, f"{web}/api/jobs/{job}/events?after=0")
    (await client.get(f"{web}/api/jobs/{jobs[1]}/result")).raise_for_status()


async def _submitted(
    client: httpx.AsyncClient, web: str, kind: str, callback_url: str | None = None, **params: object
) -> str:
    body = {"kind": kind, "params": params, "tags": [WARM_TAG], "callback_url": callback_url}
    job_id: str = (await client.post(f"{web}/api/jobs", json=body)).raise_for_status().json()["job_id"]
    return job_id


async def _watched(client: httpx.AsyncClient, url: str) -> None:
    """To its end."""
    async with client.stream("GET", url, headers={"Accept": "text/event-stream"}) as answer:
        async for _ in answer.aiter_bytes():
            pass
