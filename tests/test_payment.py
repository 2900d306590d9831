"""The kind `payment`, run by run, against a real bank that misbehaves as it is told."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.jobs import new_job_id
from tests.bank.process import BankProcess
from tests.small_server import Answer, SmallServer, json, serving
from workers import Failed, Retry, Wait
from workers.handlers.payment import payment
from workers.testing import Ran, run_handler

Pay = Callable[..., Ran]


@pytest.fixture(scope="module")
def bank_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankProcess]:
    with BankProcess(tmp_path_factory.mktemp("bank") / "ledger") as bank:
        yield bank


@pytest.fixture
def bank(bank_process: BankProcess, monkeypatch: pytest.MonkeyPatch) -> BankProcess:
    bank_process.behave()
    monkeypatch.setenv("TIDINGS_BANK_URL", bank_process.url)
    return bank_process


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each run."""
    monkeypatch.setattr("workers.handlers.bank.PAUSES", ())


@pytest.fixture
def pay() -> Pay:
    """One run of one job; each call is another run of it."""
    job: dict[str, Any] = {"job_id": new_job_id(), "amount": 1250, "currency": "EUR"}
    return lambda **more: run_handler(payment, **(job | {"reference": job["job_id"]} | more))


def charges(bank: BankProcess) -> list[tuple[int, str, str]]:
    """What the latest job was charged."""
    reference = bank.charges[-1].reference
    return [(each.amount, each.currency, each.status) for each in bank.charges if each.reference == reference]


def test_a_charge_that_is_settled_at_once_needs_no_callback(bank: BankProcess, pay: Pay) -> None:
    result = pay().result
    assert result == {"charge_id": bank.charges[-1].id, "status": "succeeded", "amount": 1250, "currency": "EUR"}


def test_it_waits_for_a_bank_that_takes_its_time_and_then_ends_without_another_charge(
    bank: BankProcess, pay: Pay
) -> None:
    bank.behave(settle_seconds=3600)
    with pytest.raises(Wait):
        pay()
    bank.settle()
    told = {"id": bank.charges[-1].id, "status": "succeeded"}
    ran = pay(callback=told)
    assert ran.result["charge_id"] == told["id"]
    assert ran.lines == [f"charge {told['id']} is succeeded"]
    assert charges(bank) == [(1250, "EUR", "succeeded")]


@pytest.mark.parametrize("lie", [{"status": "succeeded"}, {"id": "ch_other", "status": "succeeded"}, None, "paid", [1]])
def test_a_callback_is_not_believed(bank: BankProcess, pay: Pay, lie: Any) -> None:
    bank.behave(settle_seconds=3600)
    with pytest.raises(Wait):
        pay(callback=lie)


def test_a_look_finds_the_end_that_nobody_told(bank: BankProcess, pay: Pay) -> None:
    bank.behave(settle_seconds=3600)
    with pytest.raises(Wait):
        pay()
    bank.settle()
    found = pay(reconcile=True)
    assert (found.result, found.lines) == ({"id": bank.charges[-1].id, "status": "succeeded"}, [])
    assert charges(bank) == [(1250, "EUR", "succeeded")]


def test_a_look_finds_nothing_while_the_charge_is_pending(bank: BankProcess, pay: Pay) -> None:
    bank.behave(settle_seconds=3600)
    with pytest.raises(Wait):
        pay()
    assert pay(reconcile=True).result is None


def test_what_a_callback_lied_about_is_told(bank: BankProcess, pay: Pay) -> None:
    ran = pay(callback={"id": "ch_other", "status": "failed"})
    assert ran.result["status"] == "succeeded"
    assert "not believed" in ran.lines[-1]


def test_a_declined_payment_is_rejected_for_good(bank: BankProcess, pay: Pay) -> None:
    bank.behave(declines=1)
    with pytest.raises(Failed, match="insufficient funds") as caught:
        pay(callback={"status": "succeeded"})
    assert caught.value.code == "rejected"


@pytest.mark.parametrize("misdeed", ["stumbles", "stalls", "refuses"])
def test_an_attempt_after_one_without_an_answer_charges_no_more(
    bank: BankProcess, pay: Pay, misdeed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.handlers.bank.ANSWER_SECONDS", 0.5)
    bank.behave(**{misdeed: 1})
    for attempt in (1, 2):
        with pytest.raises(Retry):
            pay(attempt=attempt)
    bank.behave()
    assert pay(attempt=3).result["status"] == "succeeded"
    assert charges(bank) == [(1250, "EUR", "succeeded")]
    assert bank.charges[-1].asked == (1 if misdeed == "refuses" else 3)


def test_a_bank_that_is_away_is_tried_again(monkeypatch: pytest.MonkeyPatch, pay: Pay) -> None:
    monkeypatch.setenv("TIDINGS_BANK_URL", "http://127.0.0.1:9")
    with pytest.raises(Retry, match="does not answer"):
        pay()


def test_without_a_bank_nothing_is_tried(pay: Pay) -> None:
    with pytest.raises(Failed, match="TIDINGS_BANK_URL") as caught:
        pay()
    assert caught.value.code == "unavailable"


@pytest.mark.parametrize(
    "params",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 10**12 + 1},
        {"amount": 12.5},
        {"currency": "eur"},
        {"currency": "EURO"},
        {"currency": "EUR\n"},
        {"reference": ""},
        {"reference": "a\nb"},
        {"reference": "x" * 141},
        {"callback_url": "http://elsewhere/"},
    ],
)
def test_its_bounds_hold(pay: Pay, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        pay(**params)


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallServer]:
    """A bank that answers what no bank should."""
    with serving() as server:
        server.will("/charges", json({"id": "ch_1", "status": "pending"}, 202))
        monkeypatch.setenv("TIDINGS_BANK_URL", server.url)
        yield server


@pytest.mark.parametrize("more", [{"amount": 1251}, {"currency": "USD"}, {"reference": "another"}])
def test_a_charge_of_something_else_is_never_taken_for_ours(strange: SmallServer, pay: Pay, more: Any) -> None:
    ours = {"id": "ch_1", "status": "succeeded", "amount": 1250, "currency": "EUR", "reference": "mine"}
    strange.will("/charges/ch_1", json(ours | more))
    with pytest.raises(Failed) as caught:
        pay(reference="mine")
    assert caught.value.code == "mismatch"


@pytest.mark.parametrize(
    "answer",
    [
        json({"id": "../accounts", "status": "pending"}, 202),
        json({"id": "", "status": "pending"}, 202),
        json([], 202),
        Answer(200, b"<html>"),
        Answer(200, b"x" * 200_000),
        Answer(200, b"", torn=True),
        Answer(302, headers={"Location": "/charges/ch_1"}),
        Answer(401, b"who are you"),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_end(strange: SmallServer, pay: Pay, answer: Answer) -> None:
    strange.will("/charges", answer)
    with pytest.raises(Retry):
        pay()
    assert [seen.path for seen in strange.seen] == ["/charges"]


@pytest.mark.parametrize("status", [400, 402, 404, 422])
def test_that_a_charge_cannot_be_looked_up_does_not_mean_that_there_is_none(
    strange: SmallServer, pay: Pay, status: int
) -> None:
    strange.will("/charges/ch_1", Answer(status))
    with pytest.raises(Retry):
        pay()


def test_a_declined_charge_needs_no_reason(strange: SmallServer, pay: Pay) -> None:
    ours = {"id": "ch_1", "status": "failed", "amount": 1250, "currency": "EUR", "reference": "mine", "reason": None}
    strange.will("/charges/ch_1", json(ours))
    with pytest.raises(Failed, match="no reason given"):
        pay(reference="mine")


@pytest.mark.parametrize("status", [400, 402, 422])
def test_a_refusal_for_good_is_told_in_the_banks_words(strange: SmallServer, pay: Pay, status: int) -> None:
    strange.will("/charges", Answer(status, b"no such\n currency"))
    with pytest.raises(Failed, match="no such currency") as caught:
        pay()
    assert caught.value.code == "rejected"


@pytest.mark.parametrize(("told", "after"), [("7", 7), ("86400", 3600), ("9" * 5000, 3600), ("soon", None), ("", None)])
def test_it_stays_away_as_long_as_the_bank_asks_for(strange: SmallServer, pay: Pay, told: str, after: Any) -> None:
    strange.will("/charges", Answer(429, headers={"Retry-After": told}))
    with pytest.raises(Retry) as caught:
        pay()
    assert caught.value.after == after


def test_what_is_gone_a_moment_later_takes_no_attempt(
    strange: SmallServer, pay: Pay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.handlers.bank.PAUSES", (0, 0))
    ours = {"id": "ch_1", "status": "succeeded", "amount": 1250, "currency": "EUR", "reference": "mine"}
    strange.will("/charges", Answer(500), Answer(503), json({"id": "ch_1"}, 201))
    strange.will("/charges/ch_1", Answer(200, b"<html>"), json(ours))
    assert pay(reference="mine").result["charge_id"] == "ch_1"
    assert len({seen.headers["Idempotency-Key"] for seen in strange.seen_at("/charges")}) == 1


def test_every_run_uses_the_same_key_and_says_where_to_call_back(strange: SmallServer, pay: Pay) -> None:
    strange.will("/charges", Answer(500))
    job_id = new_job_id()
    for attempt in (1, 2):
        with pytest.raises(Retry):
            pay(job_id=job_id, reference="mine", attempt=attempt, run_token=f"run.{attempt}")
    first, second = strange.seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == job_id
    url = "http://testserver/api/callbacks/test"
    assert first.json() == {"amount": 1250, "currency": "EUR", "reference": "mine", "callback_url": url}
    assert first.body == second.body
