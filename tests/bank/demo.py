"""`make demo`: all of Tidings, a bank that misbehaves, and some payments through it, until Ctrl-C."""

import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import Any, Final, Never

from app.client import Client, ClientError
from app.processes.child import Child
from app.settings import Settings
from tests.bank.process import BankProcess
from tests.bank.traits import WILD

PAYMENTS: Final = 12
ANOTHER: Final = "amount=1999 currency=EUR reference=shoes"
STOP_SECONDS: Final = 30
LOOK_SECONDS: Final = 0.5


def main() -> None:
    """Everything up, the payments to their ends, and then up until it is told to stop."""
    settings = Settings()
    signal.signal(signal.SIGTERM, _leave)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with suppress(KeyboardInterrupt), BankProcess(settings.data_dir / "bank.sqlite", WILD, seed=time.time_ns()) as bank:
        env = os.environ | {"TIDINGS_BANK_URL": bank.url, "TIDINGS_BANK_POLL_SECONDS": "5"}
        with (
            Child(sys.executable, "-P", "-m", "app.cli", "up", env=env, grace_seconds=STOP_SECONDS) as tidings,
            Client(f"http://127.0.0.1:{settings.port}") as client,
        ):
            _pay(client, tidings)
            print(f"\n  The bank's ledger, and what it did: curl {bank.url}/charges")
            print(f"  Another payment: .venv/bin/tidings submit payment {ANOTHER} --follow\n")
            while tidings.alive:
                time.sleep(LOOK_SECONDS)


def _pay(client: Client, tidings: Child) -> None:
    """Some payments, and a line of each as it ends."""
    while tidings.alive and not _knows_payments(client):
        time.sleep(LOOK_SECONDS)
    day = time.strftime("%H%M%S")
    orders: list[dict[str, Any]] = [
        {"amount": 999 + 500 * n, "currency": "EUR", "reference": f"INV-{day}-{n:02}"} for n in range(PAYMENTS)
    ]
    jobs = [client.submit("payment", order, tags=["demo"]) for order in orders]
    print(f"  {PAYMENTS} payments through a bank that is slow, forgets, repeats itself and lies:\n")
    sums: Counter[str] = Counter()
    for order, job in zip(orders, jobs, strict=True):
        lines = [event["data"]["line"] for event in client.follow(job["job_id"], 0) if event["type"] == "log"]
        ended = client.job(job["job_id"])
        sums[ended["status"]] += order["amount"]
        print(f"  {order['reference']} {order['amount'] / 100:8.2f} EUR  {_told(ended)}")
        for line in lines:
            print(f"        {line}")
    print(f"\n  paid: {sums['completed'] / 100:.2f} EUR, declined: {sums['failed'] / 100:.2f} EUR")


def _told(job: dict[str, Any]) -> str:
    """How it ended."""
    return job["error"]["message"] if job["error"] else f"succeeded as {job['result']['charge_id']}"


def _knows_payments(client: Client) -> bool:
    try:
        return any(kind["kind"] == "payment" for kind in client.kinds())
    except ClientError:
        return False


def _leave(*_: object) -> Never:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
