"""When connections are told to come back; the time is the test's."""

import random

import pytest

from app.hub.ages import JITTER, Ages
from app.hub.writer import Writer
from tests.watching import Client


@pytest.fixture
def writers() -> list[Writer]:
    return [Client().writer for _ in range(200)]


def begun(ages: Ages, writers: list[Writer]) -> None:
    for writer in writers:
        ages.begin(writer, 1_000.5)


def ended_at(ages: Ages, until: int, *, stirring: bool = False, writers: list[Writer]) -> dict[Writer, int]:
    """In which second each was told."""
    found: dict[Writer, int] = {}
    for second in range(1_001, until):
        if stirring:
            for writer in writers:
                writer.stirred = True
        found |= dict.fromkeys(ages.ending(second + 0.5), second)
    return found


def is_empty(ages: Ages) -> bool:
    return not any((ages._ends_at, ages._second_of, ages._in_second))


async def test_each_ends_at_its_age_and_not_all_at_once(writers: list[Writer]) -> None:
    random.seed(7)
    ages = Ages(longest_seconds=100)
    begun(ages, writers)
    ended = ended_at(ages, 1_200, writers=writers)
    assert set(ended) == set(writers)
    assert min(ended.values()) >= 1_000 + 100 * (1 - JITTER)
    assert max(ended.values()) <= 1_102
    assert len(set(ended.values())) >= 8


async def test_those_on_which_something_happens_go_on_and_the_others_do_not(writers: list[Writer]) -> None:
    ages = Ages(idle_seconds=10)
    begun(ages, writers)
    busy, idle = writers[::2], writers[1::2]
    ended = ended_at(ages, 1_300, stirring=True, writers=busy)
    assert set(ended) == set(idle)


async def test_a_busy_one_ends_at_its_age_all_the_same(writers: list[Writer]) -> None:
    ages = Ages(longest_seconds=50, idle_seconds=10)
    begun(ages, writers)
    ended = ended_at(ages, 1_100, stirring=True, writers=writers)
    assert set(ended) == set(writers)
    assert max(ended.values()) <= 1_052


async def test_what_is_over_is_forgotten_and_never_told(writers: list[Writer]) -> None:
    ages = Ages(longest_seconds=10, idle_seconds=5)
    begun(ages, writers)
    for writer in writers:
        ages.end(writer)
    assert ended_at(ages, 1_100, writers=[]) == {}
    assert is_empty(ages)


async def test_one_that_was_told_may_be_over_later(writers: list[Writer]) -> None:
    ages = Ages(longest_seconds=10)
    begun(ages, writers[:1])
    assert list(ended_at(ages, 1_100, writers=[])) == writers[:1]
    ages.end(writers[0])
    assert is_empty(ages)


async def test_without_a_limit_nobody_is_looked_at(writers: list[Writer]) -> None:
    ages = Ages()
    begun(ages, writers)
    assert not ages._in_second
