"""A short stress run whenever the tests run; `make stress` makes it as long as you like."""

from pathlib import Path

import pytest

from tests.stress import plan
from tests.stress.run import run

SEED = 20
SECONDS = 9


@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_left_behind_whatever_is_killed(short_path: Path) -> None:
    made = plan.make(SEED, SECONDS)
    assert {strike.subject.split()[0] for strike in made.strikes} == {"web", "worker", "valkey"}
    report = await run(made, short_path, print)
    assert report.problems == [], f"seed {SEED}, {SECONDS} s"
    assert report.figures["ends"]["completed"] > 10
