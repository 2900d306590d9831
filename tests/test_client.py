import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.client import Client, Refused, Unreachable
from tests.small_server import EVENTS, JOB_ID, Answer, SmallServer, event, job, json, problem, serving, stream

JOB = f"/api/jobs/{JOB_ID}"


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        yield server


@pytest.fixture
def client(server: SmallServer) -> Iterator[Client]:
    with Client(server.url, timeout=5, silence=5) as client:
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


def test_upload_sends_the_file_and_tells_how_far_it_is(client: Client, server: SmallServer, tmp_path: Path) -> None:
    path = tmp_path / "my clip.mp4"
    path.write_bytes(b"x" * 600_000)
    server.will("/api/uploads/my%20clip.mp4", json({"input": "upload:1"}, 201))
    heard: list[tuple[int, int]] = []
    assert client.upload(path, lambda sent, total: heard.append((sent, total)))["input"] == "upload:1"
    (seen,) = server.seen
    assert seen.body == path.read_bytes()
    assert seen.headers["Content-Type"] == "video/mp4"
    assert heard[-1] == (600_000, 600_000)
    assert heard == sorted(heard)
    assert len(heard) > 1


def test_an_empty_file_can_be_uploaded(client: Client, server: SmallServer, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    server.will("/api/uploads/empty", json({"input": "upload:1"}, 201))
    assert client.upload(path)["input"] == "upload:1"


def test_a_file_that_shrinks_while_it_is_sent_is_an_error(client: Client, server: SmallServer, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 600_000)

    def shrink(_sent: int, _total: int) -> None:
        path.write_bytes(b"")

    with pytest.raises(OSError, match="shorter"):
        client.upload(path, shrink)


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


def test_a_torn_stream_that_had_told_the_end_is_not_sought_again(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "completed"), torn=True))
    assert seqs(client.follow(JOB_ID)) == [1]
    assert len(server.seen) == 1


def test_204_is_the_end(client: Client, server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "processing")), Answer(204))
    assert seqs(client.follow(JOB_ID)) == [1]


def test_a_silent_stream_counts_as_dead_and_is_resumed(server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "processing"), hangs=True), stream(event(2, "completed")))
    with Client(server.url, silence=0.1) as client:
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
