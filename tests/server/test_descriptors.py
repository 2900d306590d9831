"""In a process of its own: what one may have is lowered for good."""

import subprocess
import sys

from app.server.descriptors import FEWEST_CONNECTIONS, FEWEST_SPARE

PROGRAM = """
import resource, sys
from app.server import affordable, raise_limit
for hard in map(int, sys.argv[1:]):
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    raise_limit()
    raise_limit()
    print(*resource.getrlimit(resource.RLIMIT_NOFILE), affordable())
"""


def test_a_process_takes_all_it_may_have_and_keeps_some_for_other_things() -> None:
    argv = [sys.executable, "-c", PROGRAM, "4000", "1000", "200"]
    printed = subprocess.run(argv, capture_output=True, check=True, text=True).stdout
    assert [tuple(map(int, line.split())) for line in printed.splitlines()] == [
        (4_000, 4_000, 3_200),
        (1_000, 1_000, 1_000 - FEWEST_SPARE),
        (200, 200, FEWEST_CONNECTIONS),
    ]
