"""A client of tus 1.0 by hand, for the tests of its rules and of what goes wrong."""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx

from tests.web.conftest import Store

MIB = 1 << 20
VERSION = {"Tus-Resumable": "1.0.0"}
PIECE = VERSION | {"Content-Type": "application/offset+octet-stream"}


def metadata(**pairs: str) -> dict[str, str]:
    said = ",".join(f"{name} {b64encode(value.encode()).decode()}".strip() for name, value in pairs.items())
    return {"Upload-Metadata": said}


def checksum(content: bytes, algorithm: str = "sha256") -> dict[str, str]:
    digest = hashlib.new(algorithm, content).digest()
    return {"Upload-Checksum": f"{algorithm} {b64encode(digest).decode()}"}


async def create(web: httpx.AsyncClient, length: int, **headers: str) -> str:
    """Where it is."""
    response = await web.post("/api/uploads", headers=VERSION | {"Upload-Length": str(length)} | headers)
    assert response.status_code == 201, response.text
    return response.headers["location"]


async def patch(
    web: httpx.AsyncClient, url: str, offset: int, content: Any, headers: dict[str, str] | None = None
) -> httpx.Response:
    more = PIECE | {"Upload-Offset": str(offset)} | (headers or {})
    response = await web.patch(url, content=content, headers=more, timeout=60)
    assert response.headers["tus-resumable"] == "1.0.0"
    return response


async def offset_of(web: httpx.AsyncClient, url: str) -> int:
    response = await web.head(url, headers=VERSION)
    assert response.status_code == 200
    return int(response.headers["upload-offset"])


async def assert_whole(web: httpx.AsyncClient, store: Store, url: str, content: bytes) -> None:
    """It is an upload like any other, and nothing else is left of it."""
    shown = (await web.get(url)).json()
    upload_id = url.rpartition("/")[2]
    assert (shown["upload_id"], shown["input"]) == (upload_id, f"upload:{upload_id}")
    assert shown["size"] == shown["offset"] == len(content)
    assert shown["sha256"] == hashlib.sha256(content).hexdigest()
    assert store.files.upload(upload_id).read_bytes() == content
    assert not store.files.unfinished(upload_id).exists()
    assert not await store.redis.keys("tidings:unfinished*")
    assert not await store.redis.keys("tidings:promised*")
    body = {"kind": "transcode", "params": {"input": shown["input"]}}
    assert (await web.post("/api/jobs", json=body)).status_code == 202


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
