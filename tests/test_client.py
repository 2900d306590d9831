import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from app.client import Client, NotCompleted, Refused, Unreachable
from app.client.faces import finished
from tests.awaited import face
from tests.small_server import EVENTS, JOB_ID, Answer, SmallServer, event, job, json, problem, serving, stream

__all__ = ["face"]

JOB = f"/api/jobs/{JOB_ID}"


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        yield server


@pytest.fixture
def client(face: Any, server: SmallServer) -> Iterator[Client]:
    with face(server.url, timeout=5, silence=5) as client:
        yield client


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A URL where nothing listens, and nothing can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def seqs(events: Iterator[dict[str, Any]]) -> list[int]:
    return [event["seq"] for event in events]


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://example.org", "http://", "http://a:b"])
def test_what_is_no_http_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Client(url)


def test_a_service_below_a_path_is_reached(server: SmallServer) -> None:
    server.will("/below/api/kinds", json({"kinds": []}))
    with Client(f"{server.url}/below/") as client:
        assert client.kinds() == []
        assert client.absolute("/api/jobs/1") == f"{server.url}/below/api/jobs/1"
        assert client.absolute("https://example.org/x") == "https://example.org/x"


def test_loopback_is_reached_whatever_proxy_is_set(
    client: Client, server: SmallServer, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", nowhere)
    server.will("/api/kinds", json({"kinds": []}))
    with Client(server.url) as behind_proxy:
        assert behind_proxy.kinds() == []


def test_submit_sends_the_job_and_returns_it(client: Client, server: SmallServer) -> None:
    server.will("/api/jobs", json(job("pending"), 202))
    assert client.submit("k", {"n": 1}, tags=["a"])["job_id"] == JOB_ID
    (seen,) = server.seen
    assert seen.json() == {"kind": "k", "params": {"n": 1}, "tags": ["a"]}


def test_a_repeated_submission_keeps_its_idempotency_key_and_another_has_another(
    client: Client, server: SmallServer
) -> None:
    server.will("/api/jobs", problem(503, "unavailable", "later"), json(job("pending"), 202))
    client.submit("k", {})
    client.submit("k", {})
    first, repeated, second = (seen.headers["Idempotency-Key"] for seen in server.seen)
    assert first == repeated != second
    assert first.startswith('"')


def test_a_torn_answer_is_asked_for_again(client: Client, server: SmallServer) -> None:
    server.will(JOB, Answer(torn=True), json(job("pending")))
    assert client.job(JOB_ID)["status"] == "pending"


def test_a_refusal_carries_the_problem_and_is_not_repeated(client: Client, server: SmallServer) -> None:
    server.will("/api/jobs", problem(422, "invalid_params", "height: too low", errors=[{"pointer": "/params/height"}]))
    with pytest.raises(Refused, match="too low") as refused:
        client.submit("k", {})
    assert refused.value.code == "invalid_params"
    assert refused.value.problem["errors"] == [{"pointer": "/params/height"}]
    assert len(server.seen) == 1


def test_a_refusal_without_problem_details_is_told_by_its_status(client: Client, server: SmallServer) -> None:
    server.will(JOB, Answer(418, b"<h1>teapot", "text/html"))
    with pytest.raises(Refused, match="418") as refused:
        client.job(JOB_ID)
    assert refused.value.code == ""


def test_a_service_that_wants_to_be_left_alone_for_long_is_not_waited_for(client: Client, server: SmallServer) -> None:
    server.will("/api/jobs", Answer(503, headers={"Retry-After": "3600"}))
    with pytest.raises(Refused) as refused:
        client.submit("k", {})
    assert refused.value.retry_after == 3600
    assert len(server.seen) == 1


def test_where_nothing_listens_is_unreachable(nowhere: str) -> None:
    with Client(nowhere) as client, pytest.raises(Unreachable, match=nowhere):
        client.job(JOB_ID)


def test_what_answers_without_json_is_no_service_of_ours(client: Client, server: SmallServer) -> None:
    server.will("/api/kinds", Answer(200, b"<html>", "text/html"))
    with pytest.raises(Unreachable, match="no Tidings"):
        client.kinds()


def test_an_id_is_never_taken_for_a_path(client: Client, server: SmallServer) -> None:
    with pytest.raises(Refused):
        client.job("../kinds?a#b")
    assert server.seen[0].path == "/api/jobs/..%2Fkinds%3Fa%23b"


@pytest.mark.parametrize(("reason", "body"), [("", b""), ("too late", b'{"reason":"too late"}')])
def test_cancel_gives_the_reason_if_there_is_one(client: Client, server: SmallServer, reason: str, body: bytes) -> None:
    server.will(f"{JOB}/cancel", json(job("processing"), 202))
    assert client.cancel(JOB_ID, reason)["status"] == "processing"
    assert server.seen[0].body == body


@pytest.mark.parametrize(
    ("path", "method", "arguments"),
    [
        (f"{JOB}/retry", "retry", (JOB_ID,)),
        (JOB, "purge", (JOB_ID,)),
        ("/api/batches/b/retry", "retry_batch", ("b",)),
        (f"{JOB}/deliveries/1/redeliver", "redeliver", (1, JOB_ID)),
        ("/api/deliveries/redeliver", "redeliver_failed", ()),
    ],
)
def test_what_would_not_come_to_the_same_is_not_repeated(
    client: Client, server: SmallServer, path: str, method: str, arguments: tuple[Any, ...]
) -> None:
    server.will(path, Answer(torn=True), problem(409, "not_retryable", "It is done already"))
    with pytest.raises(Unreachable):
        getattr(client, method)(*arguments)
    assert len(server.seen) == 1


def test_follow_tells_every_event_to_the_end(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "snapshot", status="pending"), event(2, "processing"), event(3, "completed")))
    assert seqs(client.follow(JOB_ID)) == [1, 2, 3]
    assert len(server.seen) == 1


def test_a_snapshot_of_an_ended_job_is_the_end(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, stream(event(9, "snapshot", status="failed")))
    assert seqs(client.follow(JOB_ID)) == [9]


@pytest.mark.parametrize("torn", [False, True])
def test_a_lost_stream_is_resumed_by_its_last_id(client: Client, server: SmallServer, torn: bool) -> None:
    server.will(EVENTS, stream(event(1, "pending"), event(2, "processing"), torn=torn), stream(event(3, "completed")))
    heard: list[float] = []
    assert seqs(client.follow(JOB_ID, 0, heard.append)) == [1, 2, 3]
    assert [seen.headers.get("Last-Event-ID") for seen in server.seen] == ["0", "2"]
    assert [seconds > 0 for seconds in heard] == [False, True, False]


@pytest.mark.parametrize("more", [Answer(204), Answer(502), stream(torn=True)])
def test_a_torn_stream_that_had_told_the_end_is_sought_once_more(
    client: Client, server: SmallServer, more: Answer
) -> None:
    server.will(EVENTS, stream(event(1, "completed"), torn=True), more)
    assert seqs(client.follow(JOB_ID)) == [1]
    assert len(server.seen) == 2


def test_an_end_within_the_log_of_a_job_that_was_retried_is_not_the_end(client: Client, server: SmallServer) -> None:
    retried = stream(event(2, "pending"), event(3, "completed"))
    server.will(EVENTS, stream(event(1, "failed"), torn=True), retried)
    assert seqs(client.follow(JOB_ID, 0)) == [1, 2, 3]


def test_204_is_the_end(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "processing")), Answer(204))
    assert seqs(client.follow(JOB_ID)) == [1]


def test_a_silent_stream_counts_as_dead_and_is_resumed(face: Any, server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "processing"), hangs=True), stream(event(2, "completed")))
    with face(server.url, silence=0.1) as client:
        assert seqs(client.follow(JOB_ID)) == [1, 2]
    assert server.seen[1].headers["Last-Event-ID"] == "1"


def test_a_stream_refused_for_now_is_asked_for_again(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, Answer(502), stream(), stream(event(1, "completed")))
    assert seqs(client.follow(JOB_ID)) == [1]
    assert len(server.seen) == 3


def test_a_stream_refused_for_good_ends_in_the_refusal(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "processing")), problem(404, "unknown_job", "No such job"))
    events = client.follow(JOB_ID)
    assert next(events)["seq"] == 1
    with pytest.raises(Refused, match="No such job"):
        next(events)


def test_a_stream_never_heard_is_given_up(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, problem(503, "unavailable", "draining"))
    with pytest.raises(Refused, match="draining"):
        seqs(client.follow(JOB_ID))
    assert len(server.seen) == 3


def test_a_stream_that_is_none_of_ours_is_given_up(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, Answer(200, b"<html>", "text/html"))
    with pytest.raises(Unreachable, match="text/html"):
        seqs(client.follow(JOB_ID))


def test_a_follower_may_stop_listening_at_any_time(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "processing"), hangs=True))
    server.will(JOB, json(job("processing")))
    events = client.follow(JOB_ID)
    assert next(events)["seq"] == 1
    events.close()
    assert client.job(JOB_ID)["status"] == "processing"


def test_all_jobs_are_listed_page_by_page(client: Client, server: SmallServer) -> None:
    server.will("/api/jobs?kind=k", json({"jobs": [job("pending")], "next_cursor": "c"}))
    server.will("/api/jobs?kind=k&cursor=c", json({"jobs": [job("failed")], "next_cursor": None}))
    assert [found["status"] for found in client.jobs(kind="k")] == ["pending", "failed"]


def test_an_end_is_waited_for_by_held_requests(client: Client, server: SmallServer) -> None:
    held = json(job("processing"), Preference_Applied="wait=20")
    server.will(JOB, held, held, json(job("completed")))
    assert client.wait(JOB_ID)["status"] == "completed"
    assert {seen.headers["Prefer"] for seen in server.seen} == {"wait=20"}


def test_a_held_request_is_waited_for_by_who_has_little_patience_otherwise(
    face: Any, server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.client.jobs.PATIENT_SECONDS", ())
    late = json(job("completed"), Preference_Applied="wait=20")
    server.will(JOB, replace(late, late=0.4))
    with face(server.url, timeout=0.2) as client:
        assert client.wait(JOB_ID)["status"] == "completed"


def test_where_nothing_is_held_an_end_is_asked_for_no_sooner_than_told(client: Client, server: SmallServer) -> None:
    server.will(JOB, json(job("processing"), Retry_After="1"), json(job("completed")))
    began = time.monotonic()
    client.wait(JOB_ID)
    assert time.monotonic() - began >= 1


def test_a_wait_outlives_a_service_that_is_away_for_a_while(
    client: Client, server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.client.jobs.PATIENT_SECONDS", (0.01,) * 4)
    server.will(JOB, *[Answer(502)] * 4, json(job("completed")))
    assert client.wait(JOB_ID)["status"] == "completed"


def test_a_result_is_what_the_job_says_or_where_it_leads(client: Client, server: SmallServer) -> None:
    server.will(JOB, json(job("completed", result={"n": 1}, artifacts=[], result_url=None)))
    assert client.result(JOB_ID) == {"n": 1}
    server.will(JOB, json(job("completed", result=None, artifacts=[], result_url=f"{JOB}/result")))
    server.will(f"{JOB}/result", json({"large": True}))
    assert client.result(JOB_ID) == {"large": True}


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_there_is_no_result_of_what_has_not_completed(client: Client, server: SmallServer, status: str) -> None:
    server.will(JOB, json(job(status, error={"code": "x", "message": "broken"})))
    with pytest.raises(NotCompleted, match=f"{status}: broken") as raised:
        client.result(JOB_ID)
    assert raised.value.job["status"] == status


def test_a_torn_download_goes_on_where_it_was(client: Client, server: SmallServer, tmp_path: Path) -> None:
    server.will(JOB, json(job("completed")))
    first = Answer(200, b"half ", "video/mp4", {"ETag": '"v"'}, torn=True)
    server.will(f"{JOB}/result", first, Answer(206, b"and half", "video/mp4", {"ETag": '"v"'}))
    assert client.download(JOB_ID, tmp_path / "a.mp4").read_bytes() == b"half and half"
    resumed = server.seen_at(f"{JOB}/result")[1]
    assert (resumed.headers["Range"], resumed.headers["If-Range"]) == ("bytes=5-", '"v"')
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"]


def test_a_file_that_has_changed_meanwhile_is_taken_from_its_beginning(
    client: Client, server: SmallServer, tmp_path: Path
) -> None:
    server.will(JOB, json(job("completed")))
    torn = Answer(200, b"an older one", "text/plain", {"ETag": '"1"'}, torn=True)
    server.will(f"{JOB}/artifacts/a.txt", torn, Answer(200, b"newer", "text/plain", {"ETag": '"2"'}))
    assert client.download(JOB_ID, tmp_path / "a", "a.txt").read_bytes() == b"newer"


def test_a_download_that_is_refused_leaves_nothing_behind(client: Client, server: SmallServer, tmp_path: Path) -> None:
    server.will(JOB, json(job("completed")))
    server.will(f"{JOB}/result", problem(410, "result_expired", "It is gone"))
    with pytest.raises(Refused, match="gone"):
        client.download(JOB_ID, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_shown_to_the_service_and_to_nobody_it_leads_to(
    face: Any, server: SmallServer, tmp_path: Path
) -> None:
    with serving() as elsewhere:
        elsewhere.will("/bucket", Answer(200, b"file", "text/plain"))
        server.will(JOB, json(job("completed")))
        server.will(f"{JOB}/result", Answer(303, headers={"Location": f"{elsewhere.url}/bucket"}))
        with face(server.url, api_key="tdg_key") as client:
            client.download(JOB_ID, tmp_path / "a")
        assert {seen.headers["Authorization"] for seen in server.seen} == {"Bearer tdg_key"}
        assert "Authorization" not in elsewhere.seen[0].headers


def test_a_batch_is_submitted_once_and_followed_to_its_end(client: Client, server: SmallServer) -> None:
    batch = {"batch_id": "b", "status": "processing"}
    server.will("/api/batches", problem(503, "unavailable", "later"), json(batch, 202))
    assert client.submit_batch([{"kind": "k", "params": {}}], tags=["a"]) == batch
    first, again = server.seen
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert again.json() == {"jobs": [{"kind": "k", "params": {}}], "tags": ["a"]}
    told = stream(event(1, "snapshot", status="processing"), event(2, "progress"), event(3, "completed"))
    server.will("/api/batches/b/events", told)
    assert seqs(client.follow_batch("b")) == [1, 2, 3]
    for command, action in (("cancel", client.cancel_batch), ("retry", client.retry_batch)):
        server.will(f"/api/batches/b/{command}", json(batch, 202))
        assert action("b") == batch


def test_a_caller_may_say_which_submission_it_is(client: Client, server: SmallServer) -> None:
    server.will("/api/jobs", json(job("pending"), 202))
    client.submit("k", {}, idempotency_key="order-7", priority=5)
    assert server.seen[0].headers["Idempotency-Key"] == '"order-7"'
    assert server.seen[0].json()["priority"] == 5


def test_a_feed_tells_all_there_is_over_any_number_of_connections(client: Client, server: SmallServer) -> None:
    first = stream(event(5, "snapshot", status="processing"), event(1, "pending"))
    server.will("/api/events?kind=a&kind=b", first, stream(event(5, "snapshot", status="completed"), hangs=True))
    heard: list[float] = []
    feed = client.feed(heard.append, kind=["a", "b"])
    assert seqs(islice(feed, 3)) == [5, 1, 5]
    feed.close()
    assert [seconds > 0 for seconds in heard] == [False, True, False]
    assert all("Last-Event-ID" not in seen.headers for seen in server.seen)


async def test_the_blocking_face_works_within_a_running_loop(server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "processing"), hangs=True))
    server.will(JOB, json(job("completed")))
    with Client(server.url) as client:
        events = client.follow(JOB_ID)
        assert next(events)["seq"] == 1
        del events
        assert client.wait(JOB_ID)["status"] == "completed"


def test_what_waits_for_a_loop_has_no_place_in_the_blocking_face() -> None:
    with pytest.raises(RuntimeError, match="blocks"):
        finished(asyncio.sleep(0))
