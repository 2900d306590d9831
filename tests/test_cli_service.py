"""Everything a service can do, asked of a real one by the command line: each command once, in words and as JSON."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from pydantic_core import from_json
from typer.testing import CliRunner, Result

from app.cli import app
from app.cli.exits import ExitCode
from app.client import Client, Refused
from tests.faults.house import House

LONG = "seconds=300"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with House(tmp_path_factory.mktemp("s"), handlers="") as house:
        web = await house.web()
        await house.worker()
        yield f"http://127.0.0.1:{web.port}"


@pytest.fixture
def ask(url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TIDINGS_URL", url)
    return lambda *words, code=0: _asked(code, *words)


def _asked(code: int, *words: str) -> str:
    result: Result = CliRunner().invoke(app, words, prog_name="tidings")
    assert result.exit_code == code, (words, result.stderr, result.exception)
    return result.stdout.strip() if code == 0 else result.stderr.strip()


@pytest.fixture
def later(url: str, ask: Any) -> Iterator[str]:
    """The id of a job that is not due yet."""
    job_id = ask("submit", "countdown", LONG, "--delay", "300", "--tag", "later", "--metadata", "customer=acme")
    yield job_id
    with Client(url) as client, suppress(Refused):  # a test may have had it forgotten
        client.cancel(job_id)


def test_a_submission_says_all_it_may(ask: Any) -> None:
    words = ["--priority", "7", "--timeout", "9", "--max-attempts", "2", "--result-ttl", "60", "--start-within", "99"]
    job = from_json(ask("submit", "countdown", "seconds=0.1", *words, "--idempotency-key", "order-7", "--json"))
    assert (job["priority"], job["max_attempts"]) == (7, 2)
    again = ask("submit", "countdown", "seconds=0.1", *words, "--idempotency-key", "order-7")
    assert again == job["job_id"]
    assert ask("watch", again).splitlines()[-1].endswith("/result")
    assert from_json(ask("result", again, "--json")) == {"seconds": 0.1, "steps": 10}


def test_a_kind_misspelt_is_told_the_right_one(ask: Any) -> None:
    for words in (("seconds=1",), ()):
        said = ask("submit", "countdon", *words, code=ExitCode.REFUSED)
        assert "Did you mean 'countdown'?" in said
        assert "`tidings kinds`" in said


def test_a_job_is_found_shown_and_its_log_read(ask: Any, later: str) -> None:
    assert later in ask("jobs", "--status", "pending", "--tag", "later", "--metadata", "customer=acme")
    assert "tags" in ask("show", later)
    assert from_json(ask("show", later, "--json"))["metadata"] == {"customer": "acme"}
    assert ask("log", later) == ""
    assert "pending" in ask("log", later, "--events")
    assert from_json(ask("log", later, "--events", "--json"))["type"] == "pending"
    assert later in ask("top", "--once")


def test_a_job_is_held_back_let_go_cancelled_run_again_and_forgotten(ask: Any, later: str) -> None:
    assert ask("suspend", later, "--for", "60") == "suspended"
    assert "suspended" in ask("show", later)
    assert ask("resume", later) == "pending"
    assert "`tidings cancel" in ask("purge", later, code=ExitCode.REFUSED)
    assert ask("cancel", later, "--reason", "late") == "cancelled"
    assert ask("retry", later) in {"pending", "processing"}
    assert ask("cancel", later) in {"cancelling", "cancelled"}
    ask("watch", later, code=ExitCode.CANCELLED)
    assert ask("purge", later) == "forgotten"
    assert "`tidings jobs`" in ask("show", later, code=ExitCode.REFUSED)


def test_kinds_and_queues_are_held_back_and_let_go(ask: Any) -> None:
    assert ask("kinds", "pause", "countdown") == "paused"
    assert "countdown (paused)" in ask("kinds")
    assert from_json(ask("kinds", "resume", "countdown", "--json"))["paused"] is False
    assert from_json(ask("queues", "pause", "default", "--json"))["paused"] is True
    assert ask("queues").split()[-1] == "yes"
    assert ask("queues", "resume", "default") == "resumed"
    assert "`tidings queues`" in ask("queues", "pause", "nope", code=ExitCode.REFUSED)


def test_an_operator_sees_who_works_and_who_asks_too_often(ask: Any) -> None:
    worker = from_json(ask("workers", "--json"))
    assert "default" in worker["queues"]
    assert ask("workers").startswith(worker["worker"])
    assert ask("pollers") == ""


def test_webhooks_are_listed_sent_again_and_their_secrets_rotated(ask: Any) -> None:
    job_id = ask("submit", "countdown", "seconds=0", "--callback-url", "http://127.0.0.1:9/")
    ask("watch", job_id)
    assert ask("deliveries", "list", job_id).split()[1] == "completed"
    assert from_json(ask("deliveries", "list", job_id, "--json"))["n"] == 1
    assert ask("deliveries", "redeliver", job_id, "-n", "1") == "1 sent again"
    assert "sent again" in ask("deliveries", "redeliver", "--failed")
    assert "deliveries list" in ask("deliveries", "redeliver", job_id, "-n", "9", code=ExitCode.REFUSED)
    for words in (["list"], ["redeliver"], ["redeliver", job_id, "--failed"]):
        ask("deliveries", *words, code=ExitCode.USAGE)
    made = from_json(ask("webhooks", "create", "--json"))
    assert made["secret_id"] in ask("webhooks", "list")
    assert ask("webhooks", "delete", made["secret_id"]) == "deleted"
    assert made["secret_id"] not in ask("webhooks", "list")
    assert ask("webhooks", "secret").startswith("whsec_")


def test_tokens_reach_what_is_named(ask: Any, later: str) -> None:
    assert ask("tokens", "create", "--job", later).startswith("tdt_")
    assert from_json(ask("tokens", "create", "--scope", "submit", "--kind", "countdown", "--json"))["expires_at"]
    assert "one of" in ask("tokens", "create", code=ExitCode.REFUSED)


def test_a_batch_is_submitted_once_and_watched(ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "jobs").write_text('{"seconds": 0}\n' * 3)
    words = ("batch", "submit", str(tmp_path / "jobs"), "--kind", "countdown", "--idempotency-key", "b")
    batch_id = ask(*words)
    assert ask(*words) == batch_id
    assert "3 completed" in ask("batch", "watch", batch_id)
    assert len(ask("jobs", "--batch", batch_id, "--json").splitlines()) == 3
    assert ask("deliveries", "list", "--batch", batch_id) == ""


def test_the_feed_tells_of_all_jobs(url: str, later: str) -> None:
    with Client(url) as client:
        feed = client.feed(tag="later")
        assert next(feed)["job_id"] == later
        client.cancel(later)
        assert [next(feed)["type"]] == ["cancelled"]
        feed.close()


@pytest.mark.parametrize("words", [["submit", "countdown", "--metadata", "x"], ["tokens"], ["completion"]])
def test_wrong_usage_is_2(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == ExitCode.USAGE


def test_in_a_pipe_columns_have_no_names(ask: Any, later: str) -> None:
    assert not sys.stdout.isatty()
    assert ask("jobs", "--tag", "later", "-n", "1").startswith(later)
