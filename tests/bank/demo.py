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
LOOK_SECONDS: Final = 0.2


def main() -> int:
    """Everything up, the payments to their ends, and then up until it is told to stop. Answers the exit code."""
    settings = Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    with suppress(KeyboardInterrupt), BankProcess(settings.data_dir / "bank.sqlite", WILD, seed=time.time_ns()) as bank:
        quiet = {"TIDINGS_LOG_LEVEL": "warning"} | os.environ
        env = quiet | {"TIDINGS_BANK_URL": bank.url, "TIDINGS_BANK_POLL_SECONDS": "5"}
        with (
            Child(sys.executable, "-P", "-m", "app.cli", "up", env=env, grace_seconds=STOP_SECONDS) as tidings,
            Client(f"http://127.0.0.1:{settings.port}") as client,
        ):
            while tidings.alive and not _takes_payments(client):
                time.sleep(LOOK_SECONDS)
            if tidings.alive:
                _pay(client)
                print("  The bank meanwhile:", ", ".join(f"{deed} {times}×" for deed, times in bank.deeds.items()))
                print(f"\n  The bank's ledger: curl {bank.url}/charges")
                print(f"  Another payment: .venv/bin/tidings submit payment {ANOTHER} --follow\n", flush=True)
            while tidings.alive:
                time.sleep(LOOK_SECONDS)
            return tidings.exit_code or 0
    return 0


def _takes_payments(client: Client) -> bool:
    try:
        return any(kind["kind"] == "payment" for kind in client.kinds())
    except ClientError:
        return False


def _pay(client: Client) -> None:
    """Some payments, a line of each as it ends, and what was paid in all."""
    print(f"  {PAYMENTS} payments through a bank that is slow, forgets, repeats itself and lies:\n", flush=True)
    sums: Counter[str] = Counter()
    for order, job_id in [(order, client.submit("payment", order)["job_id"]) for order in _orders()]:
        lines = [event["data"]["line"] for event in client.follow(job_id, 0) if event["type"] == "log"]
        job = client.job(job_id)
        sums[job["status"]] += order["amount"]
        told = job["error"]["message"] if job["error"] else f"succeeded as {job['result']['charge_id']}"
        print(f"  {order['reference']}  {order['amount'] / 100:6.2f} EUR  {told}", flush=True)
        print(*(f"      {line}" for line in lines), sep="\n", flush=True)
    print(f"\n  Paid: {sums['completed'] / 100:.2f} EUR. Declined: {sums['failed'] / 100:.2f} EUR.", flush=True)


def _orders() -> list[dict[str, Any]]:
    series = time.strftime("INV-%H%M%S")
    return [{"amount": 999 + 500 * n, "currency": "EUR", "reference": f"{series}-{n:02}"} for n in range(PAYMENTS)]


def _interrupt(*_: object) -> Never:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
