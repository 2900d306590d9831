"""`python -m tests.bank --port 8001 --ledger bank.sqlite --seed 7 --traits '{"lies": 0.5}'`"""

import argparse
from pathlib import Path

import uvicorn

from tests.bank.ledger import Ledger
from tests.bank.server import Bank
from tests.bank.traits import Traits


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.bank", description=__doc__)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--ledger", type=Path, default=Path("bank.sqlite"), help="the file of its charges")
    parser.add_argument("--seed", default="7", help="decides all that is random")
    parser.add_argument("--traits", type=Traits.model_validate_json, default=Traits(), help="JSON; see traits.py")
    wishes = parser.parse_args()
    bank = Bank(Ledger(wishes.ledger), wishes.traits, wishes.seed)
    uvicorn.run(bank.app(), port=wishes.port, log_level="warning", access_log=False, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
