"""`make demo` as a user runs it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from app.processes.supervisor import free_port
from tests.bank.ledger import Ledger
from tests.bank.process import ROOT


def test_what_the_demo_says_was_paid_is_what_the_bank_has(tmp_path: Path) -> None:
    settings = {"TIDINGS_DATA_DIR": str(tmp_path), "TIDINGS_PORT": str(free_port("127.0.0.1", 0))}
    demo = subprocess.Popen(
        [sys.executable, "-m", "tests.bank.demo"],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout
    said = ""
    try:
        for line in demo.stdout:
            said += line
            if "Another payment" in line:
                break
    finally:
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, said + rest
    with closing(Ledger(tmp_path / "bank.sqlite")) as ledger:
        charges = ledger.charges()
    paid = sum(charge.amount for charge in charges if charge.status == "succeeded")
    assert len(charges) == said.count("succeeded as") + said.count("declined charge") == 12
    assert re.findall(r"Paid: ([\d.]+) EUR", said) == [f"{paid / 100:.2f}"]
