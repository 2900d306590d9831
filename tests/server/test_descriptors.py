"""In processes of their own: what one may have is changed for good."""

import subprocess
import sys

import pytest

from app.server.descriptors import FEWEST_CONNECTIONS, FEWEST_SPARE

PROGRAM = """
import resource, sys
from app.server import affordable, raise_limit
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), affordable())
"""


def raised(soft: int, hard: int) -> list[int]:
    """The limits after it, and the connections that leaves."""
    argv = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    return [int(word) for word in subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split()]


@pytest.mark.parametrize(
    ("hard", "connections"), [(4_000, 3_200), (1_000, 1_000 - FEWEST_SPARE), (200, FEWEST_CONNECTIONS)]
)
def test_a_process_takes_all_it_may_have_and_keeps_some_for_other_things(hard: int, connections: int) -> None:
    assert raised(100, hard) == [hard, hard, connections]


def test_what_is_as_high_as_it_may_be_stays() -> None:
    assert raised(1_000, 1_000)[:2] == [1_000, 1_000]
