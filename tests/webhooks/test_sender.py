"""One attempt, against a real receiver: what is sent, and what its answer comes to."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

import pytest
from standardwebhooks import Webhook

from app.store import Due, Outcome
from tests.faults.house import free_port
from tests.webhooks.receiver import Receiver, answer, receiving
from workers.webhooks.addresses import Addresses
from workers.webhooks.client import NOWHERE, Answer, Client
from workers.webhooks.dialer import Crowded, connector
from workers.webhooks.schedule import Schedule
from workers.webhooks.sender import BROKEN, LONGEST_PAUSE_MS, Sender

OLD: Final = "whsec_" + "b2xk" * 11
NEW: Final = "whsec_" + "bmV3" * 11
BODY: Final = '{"type":"job.completed","data":{"result":"ä"}}'.encode()


class Secrets:
    """Those of everybody."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = secrets

    async def of(self, _owner: str) -> tuple[str, ...]:
        return self.secrets


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def due(url: str, attempt: int = 1) -> Due:
    return Due("a" * 26, 1, f"{'a' * 26}-3", "o", url, "h", "completed", attempt, "t", BODY, int(time.time() * 1000))


async def attempted(due: Due, secrets: Sequence[str] = (NEW,)) -> Outcome:
    async with Client(connector(Addresses(["127.0.0.0/8"]))) as client:
        return await Sender(client, Secrets(*secrets), Schedule()).attempt(due)


async def test_what_is_sent_is_verified_by_who_has_any_of_the_secrets(receiver: Receiver) -> None:
    one = due(f"{receiver.url}/hook")
    await attempted(one, (NEW, OLD))
    (request,) = receiver.requests
    assert request.headers["webhook-id"] == one.webhook_id
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Tidings/")
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(request.body, dict(request.headers)) == {
            "type": "job.completed",
            "data": {"result": "ä"},
        }
    assert request.body == BODY
    assert len(request.headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.will(answer(status, b"" if status == 204 else b"thanks"))
    one = due(receiver.url)
    outcome = await attempted(one)
    assert (outcome.status, outcome.http_status, outcome.retry_in_ms) == ("delivered", status, None)
    assert outcome.started_at == one.claimed_at


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 429, 500, 502, 503, 504, 599])
async def test_everything_else_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.will(answer(status, b"" if status == 304 else b"no", Location="/elsewhere"))
    outcome = await attempted(due(receiver.url))
    assert (outcome.status, outcome.http_status, outcome.error) == ("retrying", status, None)
    assert 4_500 <= (outcome.retry_in_ms or 0) <= 5_500
    assert outcome.pause_host_ms is None
    assert len(receiver.requests) == 1


async def test_the_tenth_that_is_not_taken_is_the_last(receiver: Receiver) -> None:
    receiver.will(answer(500, b"no"))
    outcome = await attempted(due(receiver.url, 10))
    assert (outcome.status, outcome.retry_in_ms, outcome.response_excerpt) == ("failed", None, "no")


async def test_gone_is_gone(receiver: Receiver) -> None:
    receiver.will(answer(410))
    assert (await attempted(due(receiver.url))).status == "gone"


@pytest.mark.parametrize(
    ("status", "retry_after", "retry_in_ms", "pause_host_ms"),
    [
        *((429, "60", 60_000, 60_000), (503, "60", 60_000, 60_000), (500, "60", 60_000, None)),
        (429, "7200", 7_200_000, LONGEST_PAUSE_MS),
    ],
)
async def test_retry_after_is_obeyed(
    receiver: Receiver, status: int, retry_after: str, retry_in_ms: int, pause_host_ms: int | None
) -> None:
    receiver.will(answer(status, Retry_After=retry_after))
    outcome = await attempted(due(receiver.url))
    assert (outcome.retry_in_ms, outcome.pause_host_ms) == (retry_in_ms, pause_host_ms)


async def test_a_mistake_of_ours_counts_as_an_attempt_and_is_logged(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = await attempted(due(receiver.url), ["whsec_"])
    assert (outcome.status, outcome.error) == ("retrying", BROKEN)
    assert "webhook not sent" in capsys.readouterr().out
    assert not receiver.requests


async def test_that_an_address_is_not_permitted_only_the_log_tells(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = await attempted(due("http://10.0.0.1/"))
    assert outcome.error == NOWHERE
    assert "Cannot connect to host 10.0.0.1:80 ssl:default [not permitted]" in capsys.readouterr().out


async def test_no_answer_is_told_in_words_and_tried_again() -> None:
    outcome = await attempted(due(f"http://127.0.0.1:{free_port()}/"))
    assert (outcome.status, outcome.http_status, outcome.response_excerpt) == ("retrying", None, None)
    assert outcome.error == "The connection was refused."
    assert (await attempted(replace(due("http://10.0.0.1/"), attempt=10))).status == "failed"


async def test_who_could_not_look_the_name_up_says_nothing_of_the_receiver() -> None:
    class Busy(Client):
        async def post(self, *_: object) -> Answer:
            raise Crowded

    async with Busy(connector(Addresses(()))) as client:
        with pytest.raises(Crowded):
            await Sender(client, Secrets(NEW), Schedule()).attempt(due("http://a.test/"))
