"""The announced kinds: what one worker has said must not cost the kinds of the others."""

from dataclasses import asdict
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from app.events import json_text
from app.store import Kind, KindStore

OURS: Final = Kind("ours", "", {"type": "object"}, "default", 60, 3)
THEIRS: Final = asdict(OURS) | {"kind": "theirs", "announced_at": 2**52}


async def announced(redis: Redis, entry: str | bytes) -> dict[str, Kind]:
    """What is known beside an entry that was not ours."""
    kinds = KindStore(redis)
    await redis.hset("tidings:kinds", "theirs", entry)  # type: ignore[misc, arg-type]  # redis-py's own types
    await kinds.announce([OURS])
    known = await kinds.known()
    assert known.pop("ours") == OURS
    return known


async def test_what_a_newer_worker_says_beyond_what_we_know_is_left_out(redis: Redis) -> None:
    known = await announced(redis, json_text(THEIRS | {"colour": "blue"}))
    assert known == {"theirs": Kind("theirs", "", {"type": "object"}, "default", 60, 3)}


@pytest.mark.parametrize("change", [{"max_attempts": "many"}, {"announced_at": None}, {"params_schema": []}])
async def test_an_entry_that_makes_no_sense_is_passed_over(redis: Redis, change: dict[str, Any]) -> None:
    assert await announced(redis, json_text(THEIRS | change)) == {}


@pytest.mark.parametrize("entry", [b"\xff{", b"[]", b"{}", b"null", b""])
async def test_an_entry_that_is_garbage_is_passed_over(redis: Redis, entry: bytes) -> None:
    assert await announced(redis, entry) == {}


async def test_a_kind_that_comes_back_after_more_than_a_week_is_not_forgotten_at_once(redis: Redis) -> None:
    long_ago = asdict(OURS) | {"announced_at": 1}
    await redis.hset("tidings:kinds", "ours", json_text(long_ago))  # type: ignore[misc]  # redis-py's own types
    kinds = KindStore(redis)
    await kinds.announce([OURS])
    assert await kinds.known() == {"ours": OURS}
