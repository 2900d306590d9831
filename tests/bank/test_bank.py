"""The bank does what its traits say: a test that relies on its misdeeds is to know that there were some."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.jobs import new_job_id
from tests.bank.process import BankProcess
from tests.bank.traits import WILD
from tests.conftest import eventually
from tests.small_server import Answer, SmallServer, serving


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankProcess]:
    with BankProcess(tmp_path_factory.mktemp("bank") / "ledger") as bank:
        yield bank


@pytest.fixture
def receiver() -> Iterator[SmallServer]:
    """Where the bank calls back."""
    with serving() as server:
        server.will("/told", Answer(202))
        yield server


def charge(bank: BankProcess, key: str = "", timeout: float = 20, **more: Any) -> httpx.Response:
    order = {"amount": 5, "currency": "EUR", "reference": "mine", "callback_url": "http://127.0.0.1:9/"} | more
    headers = {"Idempotency-Key": key or new_job_id()}
    return httpx.post(f"{bank.url}/charges", json=order, headers=headers, trust_env=False, timeout=timeout)


def find(bank: BankProcess, charge_id: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{bank.url}/charges/{charge_id}", trust_env=False).json()
    return found


def test_a_key_charges_once(bank: BankProcess) -> None:
    bank.behave()
    first, second = charge(bank, "one"), charge(bank, "one", callback_url="http://127.0.0.1:9/later")
    assert (first.status_code, first.json()) == (202, second.json())
    assert charge(bank, "one", amount=6).status_code == 422
    (found,) = [each for each in bank.charges if each.key == "one"]
    assert (found.amount, found.asked, found.callback_url) == (5, 2, "http://127.0.0.1:9/later")
    told = {"id": found.id, "status": "succeeded", "amount": 5, "currency": "EUR", "reference": "mine"}
    assert find(bank, found.id) == told


@pytest.mark.parametrize("more", [{"amount": 0}, {"amount": 1.5}, {"currency": "euro"}, {"reference": ""}, {"x": 1}])
def test_an_order_that_makes_no_sense_is_refused(bank: BankProcess, more: dict[str, Any]) -> None:
    bank.behave()
    assert charge(bank, **more).status_code == 422


def test_without_a_key_nothing_is_charged(bank: BankProcess) -> None:
    assert httpx.post(f"{bank.url}/charges", json={}, trust_env=False).status_code == 400


@pytest.mark.parametrize(
    ("traits", "told"),
    [
        ({}, ["succeeded"]),
        ({"declines": 1}, ["failed"]),
        ({"duplicates": 1}, ["succeeded", "succeeded"]),
        ({"reorders": 1, "duplicates": 1}, ["pending", "succeeded", "succeeded"]),
        ({"reorders": 1, "forgets": 1}, ["pending"]),
    ],
)
def test_it_tells_what_it_is_to_tell(
    bank: BankProcess, receiver: SmallServer, traits: dict[str, float], told: list[str]
) -> None:
    bank.behave(**traits)
    key = new_job_id()
    charge(bank, key, callback_url=f"{receiver.url}/told")
    eventually(lambda: len(receiver.seen) == len(told))
    assert sorted(seen.json()["status"] for seen in receiver.seen) == told
    (ours,) = [each.id for each in bank.charges if each.key == key]
    assert {seen.json()["id"] for seen in receiver.seen} == {ours}


def test_a_lie_is_not_what_the_ledger_says(bank: BankProcess, receiver: SmallServer) -> None:
    bank.behave(lies=1, forgets=1)
    for number in range(20):
        charge(bank, reference=f"lie {number}", callback_url=f"{receiver.url}/told")
    eventually(lambda: len(receiver.seen) == 20)
    truths = [each.told(each.status) for each in bank.charges]
    lies = [seen.json() for seen in receiver.seen]
    assert not [lie for lie in lies if lie in truths]
    assert {lie["status"] for lie in lies} == {"succeeded", "failed"}
    assert len({lie["amount"] for lie in lies}) == 2
    assert "ch_0000000000000000" in {lie["id"] for lie in lies}


@pytest.mark.parametrize(("misdeed", "done"), [("refuses", 0), ("stumbles", 1)])
def test_it_refuses_before_or_after_the_deed(bank: BankProcess, misdeed: str, done: int) -> None:
    bank.behave(**{misdeed: 1})
    key = new_job_id()
    assert charge(bank, key).status_code in (429, 500, 503)
    assert len([each for each in bank.charges if each.key == key]) == done
    assert bank.deeds[misdeed]


def test_it_stalls_after_the_deed(bank: BankProcess) -> None:
    bank.behave(stalls=1)
    key = new_job_id()
    with pytest.raises(httpx.ReadTimeout):
        charge(bank, key, timeout=1)
    assert [each.key for each in bank.charges].count(key) == 1


def test_a_charge_is_pending_until_its_time(bank: BankProcess) -> None:
    bank.behave(settle_seconds=3600)
    made = charge(bank, reference="slow").json()
    assert find(bank, made["id"])["status"] == "pending"


def test_a_bank_that_was_killed_has_lost_no_charge(tmp_path: Path) -> None:
    with BankProcess(tmp_path / "ledger") as bank:
        made = charge(bank, "kept").json()
        bank.kill()
        bank.stop()
        bank.start()
        assert find(bank, made["id"])["status"] == "succeeded"
        assert charge(bank, "kept").json() == made


def test_the_seed_decides_what_becomes_of_a_charge(tmp_path: Path) -> None:
    with BankProcess(tmp_path / "one", WILD) as one, BankProcess(tmp_path / "two", WILD) as two:
        for bank in (one, two):
            bank.behave(declines=0.5)
            for number in range(20) if bank is one else reversed(range(20)):
                charge(bank, reference=f"{number}")
        outcomes = [{each.reference: each.outcome for each in bank.charges} for bank in (one, two)]
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0].values()) == {"succeeded", "failed"}
