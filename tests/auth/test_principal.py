"""Who sees what: owners, and the reach of a token."""

from dataclasses import replace

import pytest

from app.auth import OPEN, Principal, Reach, Scope
from app.auth.principal import USUAL, is_owner
from app.batches import Batch
from app.jobs import EVERYBODY, Job, Status

JOB_ID, BATCH_ID = "a" * 26, "b" * 26


def job(owner: str = "ann", tags: tuple[str, ...] = ("red",), batch_id: str | None = BATCH_ID) -> Job:
    return Job(
        JOB_ID, "k", Status.PENDING, owner, "default", 1, 0, 1, created_at=0, updated_at=0, tags=tags, batch_id=batch_id
    )


def ann(reach: Reach | None = None) -> Principal:
    return Principal("ann", USUAL, reach=reach)


def test_an_owner_sees_its_own_jobs_and_batches_alone() -> None:
    assert ann().sees(job())
    assert not ann().sees(job("bob"))
    assert ann().sees_batch(Batch.accepted(BATCH_ID, "ann", 1, 0))
    assert not ann().sees_batch(Batch.accepted(BATCH_ID, "bob", 1, 0))


@pytest.mark.parametrize(
    "reach", [Reach(jobs=frozenset({JOB_ID})), Reach(tag="red"), Reach(batch_id=BATCH_ID), Reach(feed=True)]
)
def test_a_reach_covers_what_it_names_of_its_owner(reach: Reach) -> None:
    assert ann(reach).sees(job())
    assert not ann(reach).sees(job("bob"))


@pytest.mark.parametrize(
    "reach",
    [Reach(), Reach(jobs=frozenset({"c" * 26})), Reach(tag="blue"), Reach(batch_id="c" * 26), Reach(kind="k")],
)
def test_a_reach_covers_nothing_else(reach: Reach) -> None:
    assert not ann(reach).sees(job())
    assert not ann(reach).sees_batch(Batch.accepted(BATCH_ID, "ann", 1, 0))


def test_an_empty_reach_does_not_take_nothing_for_a_match() -> None:
    assert not ann(Reach()).sees(job(tags=("",), batch_id=None))
    assert not ann(Reach()).sees(job(tags=(), batch_id=""))


@pytest.mark.parametrize("reach", [Reach(batch_id=BATCH_ID), Reach(feed=True)])
def test_a_batch_is_reached_by_its_id_and_by_the_feed(reach: Reach) -> None:
    assert ann(reach).sees_batch(Batch.accepted(BATCH_ID, "ann", 1, 0))


def test_without_authentication_there_is_one_owner_who_may_everything() -> None:
    assert OPEN.owner == "default"
    assert OPEN.scopes == frozenset(Scope)


def test_an_operator_has_everybody_in_sight_and_nobody_else_has() -> None:
    operator = Principal("ops", frozenset(Scope), "key")
    assert operator.sight == EVERYBODY
    assert operator.sees(job())
    assert operator.sees_batch(Batch.accepted(BATCH_ID, "ann", 1, 0))
    for other in (OPEN, replace(operator, scopes=USUAL), replace(operator, reach=Reach(feed=True))):
        assert other.sight == other.owner
        assert not other.sees(job())
        assert not other.sees_batch(Batch.accepted(BATCH_ID, "ann", 1, 0))


@pytest.mark.parametrize("name", ["a", "team-7", "ann@example.org", "auth0%7C123", "A.b_c+d", "x" * 128])
def test_names_of_owners(name: str) -> None:
    assert is_owner(name)


@pytest.mark.parametrize("name", ["", "-a", "a b", "a:b", "a|b", "a/b", "ä", "a\n", "x" * 129, "{a}", "a\x00"])
def test_what_would_be_trouble_in_a_key_of_redis_is_no_owner(name: str) -> None:
    assert not is_owner(name)
