"""Places for files that come in: one owner cannot hold them all."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.artifacts import FileStore
from app.errors import Unavailable, UploadTooFast
from app.intake.reception import MOST_AT_ONCE, Reception
from app.store import UploadStore


@pytest.fixture
def reception(tmp_path: Path) -> Reception:
    return Reception(FileStore(tmp_path), UploadStore(Redis(), 60), per_minute=1)


def taken(reception: Reception, stack: ExitStack, owner: str) -> int:
    """How many places the owner gets that takes all it may."""
    for count in range(MOST_AT_ONCE + 1):
        try:
            stack.enter_context(reception.admitted(owner))
        except UploadTooFast:
            return count
    raise AssertionError("no bound")


def test_an_owner_may_have_as_many_places_as_are_free(reception: Reception) -> None:
    with ExitStack() as stack:
        assert [taken(reception, stack, owner) for owner in ("ann", "bob", "cid", "dan")] == [32, 16, 8, 4]
        with pytest.raises(UploadTooFast) as refused, reception.admitted("ann"):
            pass
        assert refused.value.headers == {"Retry-After": "5"}
        with reception.admitted("eve"):
            pass


def test_what_is_over_is_free_again(reception: Reception) -> None:
    for _ in range(2):
        with ExitStack() as stack:
            assert taken(reception, stack, "ann") == MOST_AT_ONCE // 2


def test_when_all_are_taken_everybody_waits(reception: Reception) -> None:
    with ExitStack() as stack:
        for number in range(MOST_AT_ONCE):
            stack.enter_context(reception.admitted(f"owner{number}"))
        with pytest.raises(Unavailable), reception.admitted("late"):
            pass
