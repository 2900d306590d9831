"""The HTTP API of the bank at `TIDINGS_BANK_URL`, as `payment.py` asks it.

`POST /charges` with an `Idempotency-Key` makes a charge, or finds the one made under that key; `GET /charges/{id}`
says how it stands. No answer, one that nobody understands, and a refusal that may pass raise Retry: to ask again
under the same key never charges twice.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from random import SystemRandom
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers import Failed, Retry

ANSWER_SECONDS: Final = 10.0
PAUSES: Final = (0.5, 2.0)
"""Seconds between the tries of one run, shortened by up to a half."""
MOST_BYTES: Final = 64 << 10
LONGEST_PAUSE_SECONDS: Final = 3600
REFUSALS: Final = (400, 402, 422)
"""Of a charge to be made, for good: there is none, however often it is asked for."""

_random = SystemRandom()

ChargeId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.:~-]{0,199}$")]


class Named(BaseModel):
    """What making a charge answers. How it stood may have been written down long ago, so only the name counts."""

    id: ChargeId


class Charge(BaseModel):
    """As the bank has it now."""

    model_config = ConfigDict(frozen=True)

    id: ChargeId
    status: Literal["pending", "succeeded", "failed"]
    amount: int
    currency: str
    reference: str
    reason: str | None = None


Told = TypeVar("Told", bound=BaseModel)


class Bank:
    """Made by `connected`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def charge(self, key: str, order: Mapping[str, Any]) -> Charge:
        """The charge of that key, made if there is none. Raises Retry, and Failed where the bank refuses for good."""
        named = await self._ask(Named, "POST", "/charges", json=order, headers={"Idempotency-Key": key})
        return await self._ask(Charge, "GET", f"/charges/{named.id}")

    async def _ask(self, shape: type[Told], method: str, path: str, **request: Any) -> Told:
        """What a bank stumbles over is often gone a moment later, and need not take an attempt."""
        for pause in PAUSES:
            try:
                return await self._ask_once(shape, method, path, **request)
            except Retry as retry:
                if retry.after is not None:
                    raise
            await asyncio.sleep(pause * _random.uniform(0.5, 1.0))
        return await self._ask_once(shape, method, path, **request)

    async def _ask_once(self, shape: type[Told], method: str, path: str, **request: Any) -> Told:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._http.stream(method, path, **request) as answer:
                body = await _read(answer)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Retry(message=f"The bank does not answer: {type(error).__name__}") from None
        if method == "POST" and answer.status_code in REFUSALS:
            raise Failed(f"The bank refuses, with {answer.status_code}: {_words(body)}", code="rejected")
        if not answer.is_success:
            raise Retry(_pause(answer), f"The bank answers {answer.status_code}: {_words(body)}")
        try:
            return shape.model_validate_json(body)
        except ValidationError:
            raise Retry(message="The bank's answer is not understood") from None


@asynccontextmanager
async def connected() -> AsyncIterator[Bank]:
    """The bank, for one run. Raises Failed when none is set."""
    url = os.environ.get("TIDINGS_BANK_URL")
    if not url:
        raise Failed("There is no bank: TIDINGS_BANK_URL is not set", code="unavailable")
    async with httpx.AsyncClient(base_url=url, verify=_trust(), timeout=ANSWER_SECONDS, trust_env=False) as http:
        yield Bank(http)


@cache
def _trust() -> ssl.SSLContext:
    """Made once, as that takes long enough to be felt by the other runs on the loop."""
    return ssl.create_default_context()


async def _read(answer: httpx.Response) -> bytes:
    """Its body, as far as that makes sense."""
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > MOST_BYTES:
            break
    return bytes(body)


def _pause(answer: httpx.Response) -> float | None:
    """Seconds it asks to be left alone; None for no number."""
    told = answer.headers.get("Retry-After", "")
    return min(int(told[:9]), LONGEST_PAUSE_SECONDS) if told.isascii() and told.isdecimal() else None


def _words(body: bytes) -> str:
    """The beginning of what it says."""
    return " ".join(body[:300].decode(errors="replace").split())
