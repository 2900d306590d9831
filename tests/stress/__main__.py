"""`python -m tests.stress --seconds 120 --seed 7`: prints the seed, what happened, and what was not held."""

import argparse
import asyncio
import pickle
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.stress import plan
from tests.stress.run import run

MOST_TOLD: Final = 60


def main() -> int:
    """The exit code."""
    wishes = _parsed()
    print(f"seed {wishes.seed}, {wishes.seconds:g} seconds")
    folder = Path(tempfile.mkdtemp(prefix="tidings-stress-", dir="/tmp"))
    began = time.monotonic()
    try:
        report = asyncio.run(run(plan.make(wishes.seed, wishes.seconds), folder, lambda line: print(f"  {line}")))
    except BaseException:
        print(f"seed {wishes.seed} broke off; the logs are in {folder}")
        raise
    for name, figure in report.figures.items():
        print(f"  {name}: {figure}")
    print(f"took {time.monotonic() - began:.0f} s")
    if not report.problems:
        shutil.rmtree(folder)
        print(f"seed {wishes.seed}: everything held")
        return 0
    (folder / "collected.pickle").write_bytes(pickle.dumps(report.collected))
    for problem in report.problems[:MOST_TOLD]:
        print(f"NOT HELD  {problem}")
    print(f"seed {wishes.seed}: {len(report.problems)} problems; the logs, and what was collected, are in {folder}")
    return 1


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long the chaos lasts")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="decides all that is random")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
