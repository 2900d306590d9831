import subprocess
import sys

import pytest

from tests.faults.house import ROOT


@pytest.mark.timeout(240)
def test_the_bus_keeps_no_memory_of_what_has_come_and_gone() -> None:
    command = [sys.executable, "-m", "tests.stress.busload", "--rounds", "24"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
