"""Bytes that are wrong or strange, in the path, the query, the body and its framing: defined, and never a 5xx.

Headers are in `test_heads.py`; more of what is no JSON, in `tests/web/test_submit.py`.
"""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import JOB, JSON, Raw, exchange, first_answer
from tests.web.conftest import Store

PATHS = ["/api/jobs/{}", "/api/jobs/{}/events", "/api/jobs/{}/result", "/static/{}", "/{}"]
LIST = "GET /api/jobs?"

# The path


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_that_does_not_decode_is_refused(raw: Raw, path: str, subtests: pytest.Subtests) -> None:
    for bad in ("%", "%zz", "%f", "a%", "%ff", "%c3%28", "%c0%80", "%ed%a0%80"):
        with subtests.test(bad):
            answer = await raw(f"GET {path.format(bad)}".encode())
            assert "UTF-8" in answer.refused(400, "invalid_request")["detail"]


@pytest.mark.parametrize("path", PATHS)
async def test_control_characters_in_a_path_only_name_nothing(raw: Raw, path: str, subtests: pytest.Subtests) -> None:
    for strange in ("%00", "a%00.js", "%0d%0aX:%20y", "%1b%5b2J", "%e2%80%ae", "..%2f..%2fREADME.md"):
        with subtests.test(strange):
            answer = await raw(f"GET {path.format(strange)}".encode())
            assert answer.status == 404
            assert answer.headers["content-type"] == "application/problem+json"
            assert "x" not in answer.headers


@pytest.mark.parametrize("bad", [b"\0", b"\xff", b"\xc3\xa9", b" x", b"\t"])
async def test_bytes_that_a_url_cannot_have_are_refused(raw: Raw, bad: bytes) -> None:
    assert (await raw(b"GET /livez" + bad)).refused(400, "invalid_request")


@pytest.mark.parametrize("name", ["%00", "a%00b", "%ff", "%zz", "a%1bb", "%e2%80%ae"])
async def test_a_file_name_is_printable_text(raw: Raw, store: Store, name: str) -> None:
    assert (await raw(f"PUT /api/uploads/{name}".encode(), body=b"x")).refused(400, "invalid_request")
    assert store.uploaded() == []


# The query


@pytest.mark.parametrize("query", ["kind=%", "tag=100%", "kind=%ff", "kind=a&tag=%c3%28", "%ff=1"])
async def test_a_parameter_that_does_not_decode_is_named(raw: Raw, query: str) -> None:
    problem = (await raw(f"{LIST}{query}".encode())).refused(400, "invalid_request")
    assert problem["parameter"] in ("kind", "tag", "\ufffd")


@pytest.mark.parametrize("query", ["limit=1&limit=2", "cursor=a&cursor=a", "created_after=1&created_after=2"])
async def test_a_parameter_that_stands_once_is_refused_twice(raw: Raw, query: str) -> None:
    problem = (await raw(f"{LIST}{query}".encode())).refused(400, "invalid_request")
    assert problem["parameter"] == query.partition("=")[0]


async def test_a_parameter_that_is_a_list_may_be_repeated(web: httpx.AsyncClient, store: Store) -> None:
    await store.submitted(kind="transcode")
    await store.submitted()
    response = await web.get("/api/jobs?kind=anything&kind=transcode")
    assert len(response.json()["jobs"]) == 2


@pytest.mark.parametrize("query", ["", "&&", "limit=", "status=&kind=&tag=", "cursor=", "created_after="])
async def test_an_empty_parameter_counts_as_left_out(web: httpx.AsyncClient, store: Store, query: str) -> None:
    await store.submitted()
    response = await web.get(f"/api/jobs?{query}")
    assert (response.status_code, len(response.json()["jobs"])) == (200, 1)


@pytest.mark.parametrize("path", ["/api/jobs", "/api/events", "/api/jobs/{}/events", "/api/jobs/{}/result"])
@pytest.mark.parametrize("query", ["colour=red", "=", "Status=pending", "_=1", "a;b", "afer=1"])
async def test_a_route_with_parameters_takes_no_others(raw: Raw, store: Store, path: str, query: str) -> None:
    url = path.format((await store.submitted()).job_id)
    problem = (await raw(f"GET {url}?{query}".encode())).refused(400, "invalid_request")
    assert problem["parameter"] == query.partition("=")[0]


@pytest.mark.parametrize("path", ["/", "/static/tidings.js", "/livez", "/api/kinds", "/api/jobs/{}"])
async def test_a_route_without_parameters_does_not_look_at_the_query(
    web: httpx.AsyncClient, store: Store, path: str
) -> None:
    run = await store.completed()
    assert (await web.get(f"{path.format(run.job_id)}?_=1&_=2")).status_code == 200


@pytest.mark.parametrize("query", ["after=1&after=2", "after=1&last_event_id=1", "last_event_id=1&last_event_id=1"])
async def test_a_stream_has_one_beginning(raw: Raw, store: Store, query: str) -> None:
    url = f"/api/jobs/{(await store.submitted()).job_id}/events"
    assert (await raw(f"GET {url}?{query}".encode())).refused(400, "invalid_request")["parameter"]


@pytest.mark.parametrize(
    "value", ["%00", "1e999", "NaN", "Infinity", "-1", "9" * 400, "%d9%a1", "2026-13-01T00:00:00Z"]
)
@pytest.mark.parametrize("name", ["limit", "created_after", "cursor"])
async def test_what_is_no_such_number_date_or_cursor_is_refused(raw: Raw, name: str, value: str) -> None:
    problem = (await raw(f"{LIST}{name}={value}".encode())).refused(400, "invalid_request")
    assert problem["parameter"] == name


# What JSON says


async def test_a_name_given_twice_is_refused_wherever_it_stands(post: Raw, store: Store) -> None:
    for body in (
        b'{"kind":"anything","kind":"transcode"}',
        b'{"kind":"anything","kind":"anything"}',
        b'{"kind":"anything","params":{"a":[{"b":1,"c":":","b":2}]}}',
        b'{"kind":"anything","params":{"a":1,"\\u0061":2}}',
    ):
        assert "twice" in (await post(body)).refused(400, "invalid_json")["detail"]
    assert await store.queued() == 0


async def test_names_and_colons_may_repeat_where_they_are_no_names_of_one_object(post: Raw) -> None:
    assert (await post(b'{"kind":"anything","params":{"a":{"a":[{"a":"\\"a\\":1"},{"a":"::"}]}}}')).status == 202


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "-" + "9" * 400, "9" * 5_000, "NaN", "-Infinity"])
async def test_a_number_no_double_can_hold_is_refused(post: Raw, store: Store, number: str) -> None:
    for body in ('{"kind":"anything","params":{"a":[%s]}}', '{"kind":"anything","max_attempts":%s}'):
        assert (await post((body % number).encode())).refused(400, "invalid_json")
    assert await store.queued() == 0


async def test_a_large_integer_is_kept_digit_by_digit(post: Raw, store: Store) -> None:
    answer = await post(b'{"kind":"anything","params":{"a":123456789012345678901234567890,"b":-0,"c":5e-324}}')
    job_id = json.loads(answer.body)["job_id"]
    kept = await store.redis.get(f"tidings:{{{job_id}}}:params")
    assert b'"a":123456789012345678901234567890' in kept


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_attempts", 0),
        ("max_attempts", 101),
        ("max_attempts", 10**30),
        ("max_attempts", 1.5),
        ("max_attempts", True),
        ("max_attempts", "1"),
        ("timeout_seconds", 0),
        ("timeout_seconds", -1),
        ("timeout_seconds", 1e300),
        ("timeout_seconds", 5e-324),
        ("delay_seconds", -0.001),
        ("delay_seconds", 1e18),
        ("result_ttl_seconds", 0),
        ("start_within_seconds", 0),
        ("tags", ["a\0"]),
        ("tags", ["\u202e"]),
        ("tags", ["a\nb"]),
        ("tags", "a"),
        ("tags", {}),
        ("params", None),
        ("params", []),
        ("colour", 1),
        ("", 1),
        ("a\0", 1),
    ],
)
async def test_a_field_out_of_range_or_unknown_is_pointed_to(post: Raw, store: Store, field: str, value: Any) -> None:
    answer = await post(json.dumps({"kind": "anything", field: value}).encode())
    (error,) = answer.refused(422, "invalid_job")["errors"]
    assert error["pointer"].startswith(f"/{field}")
    assert error["message"]
    assert await store.queued() == 0


async def test_params_may_hold_any_string_json_can_say(post: Raw, web: httpx.AsyncClient, store: Store) -> None:
    params = {"\0": "\0\x1f\x7f\u2028\ufffe\U0010ffff", "": "", "a\tb": ["\r\nid: 9"]}
    answer = await post(json.dumps({"kind": "anything", "params": params}).encode())
    assert answer.status == 202
    kept = await store.redis.get(f"tidings:{{{json.loads(answer.body)['job_id']}}}:params")
    assert json.loads(kept) == params
    assert not set(kept) & set(range(0x20))


@pytest.mark.parametrize("kind", ["", "\0", "anything\0", "Anything", "anything ", "../anything", "k" * 10_000])
async def test_a_kind_is_looked_up_as_it_is(post: Raw, store: Store, kind: str) -> None:
    assert (await post(json.dumps({"kind": kind}).encode())).refused(422, "unknown_kind")
    assert await store.queued() == 0


@pytest.mark.parametrize(
    "name", ["upload:\0", "upload:..", "artifact:{}/\0", "artifact:{}/../x", "file:///etc/passwd", "\0"]
)
async def test_an_input_that_names_nothing_is_refused(post: Raw, store: Store, name: str) -> None:
    run = await store.completed()
    body = {"kind": "transcode", "params": {"input": name.format(run.job_id)}}
    assert (await post(json.dumps(body).encode())).refused(422, "unknown_input")


async def test_a_reason_may_be_any_string_and_reaches_streams_escaped(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    reason = "\0\x1b[2J\r\nid: 9\n\ndata: x"
    path = f"/api/jobs/{run.job_id}"
    assert (await web.post(f"{path}/cancel", json={"reason": reason})).status_code == 202
    await store.apply(run, "cancelled", {"by": "default", "stage": "running"})
    stream = (await web.get(f"{path}/events?after=2")).content
    assert not set(stream) - {0x0A} & set(range(0x20))
    log = (await web.get(f"{path}/events", headers={"Accept": "application/json"})).json()
    assert log["events"][2]["data"]["reason"] == reason


@pytest.mark.parametrize(
    "body", [b"\0", JOB + b"\0", b'{"kind":"\0"}', b"\xff", b'{"kind":"\xc0\x80"}', b"\xef\xbb\xbf" + JOB]
)
async def test_bytes_that_are_no_json_text_are_refused(post: Raw, body: bytes) -> None:
    assert (await post(body)).refused(400, "invalid_json")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000], ids=["lists", "objects"])
async def test_nesting_without_end_is_refused(post: Raw, body: bytes) -> None:
    assert (await post(body)).refused(400, "invalid_json")


# Its type and its coding


@pytest.mark.parametrize(
    "content_type",
    [b"application/json", b"application/json;", b"application/json; charset=utf-8", b"Application/JSON ;a=b"],
)
async def test_json_is_utf8_whatever_charset_is_named(raw: Raw, content_type: bytes) -> None:
    body = '{"kind":"anything","tags":["é"]}'.encode()
    for said in (content_type, b"application/json; charset=iso-8859-1"):
        answer = await raw(b"POST /api/jobs", b"Content-Type: " + said, body=body)
        assert json.loads(answer.body)["tags"] == ["é"]


@pytest.mark.parametrize(
    "content_type", [b"", b"json", b"text/json", b"application/json, text/plain", b"application/problem+json", b"\xff"]
)
async def test_any_other_type_is_refused_and_told_which(raw: Raw, store: Store, content_type: bytes) -> None:
    answer = await raw(b"POST /api/jobs", b"Content-Type: " + content_type, body=JOB)
    assert answer.refused(415, "unsupported_media_type")["header"] == "Content-Type"
    assert answer.headers["accept"] == "application/json"
    assert await store.queued() == 0


@pytest.mark.parametrize("codings", [[b"gzip"], [b"identity", b"gzip"], [b"identity, br"], [b"aes128gcm"]])
async def test_a_content_coding_is_refused_wherever_it_stands(post: Raw, store: Store, codings: list[bytes]) -> None:
    answer = await post(JOB, *(b"Content-Encoding: " + coding for coding in codings))
    assert answer.refused(415, "unsupported_media_type")["header"] == "Content-Encoding"
    assert answer.headers["accept-encoding"] == "identity"
    assert await store.queued() == 0


# Its framing

CHUNKED = b"13\r\n" + JOB + b"\r\n0\r\n\r\n"


async def test_a_body_may_come_in_chunks(post: Raw) -> None:
    assert (await post(CHUNKED, b"Transfer-Encoding: chunked")).status == 202


@pytest.mark.parametrize("length", [b"-1", b"+19", b"19a", b"19, 19", b"", b"0x13", b"1" * 30])
async def test_a_length_that_is_no_number_is_refused(post: Raw, store: Store, length: bytes) -> None:
    assert (await post(JOB, b"Content-Length: " + length)).refused(400, "invalid_request")
    assert await store.queued() == 0


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Length: 19", b"Content-Length: 19"],
        [b"Content-Length: 19", b"Content-Length: 20"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 4"],
        [b"Content-Length: 4", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked, chunked"],
        [b"Transfer-Encoding: chunked, gzip"],
        [b"Transfer-Encoding: \x0bchunked"],
        [b"Transfer-Encoding:"],
    ],
    ids=lambda headers: b" ".join(headers).decode(),
)
async def test_a_framing_that_could_be_read_in_two_ways_is_refused(
    post: Raw, store: Store, headers: list[bytes]
) -> None:
    answer = await post(CHUNKED, *headers)
    assert answer.refused(400, "invalid_request")
    assert answer.headers["connection"] == "close"
    assert await store.queued() == 0


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity", b"xchunked", b"chunked;a=b"])
async def test_a_transfer_coding_that_is_not_known_is_501(post: Raw, store: Store, coding: bytes) -> None:
    answer = await post(CHUNKED, b"Transfer-Encoding: " + coding)
    assert answer.refused(501, "unknown_transfer_coding")["header"] == "Transfer-Encoding"
    assert await store.queued() == 0


@pytest.mark.parametrize("size", [b"0x13\r\n", b"-1\r\n", b"13 \r\n", b"13\n", b"f" * 20 + b"\r\n", b"zz\r\n", b"\r\n"])
async def test_a_broken_chunk_is_refused_and_nothing_queued(post: Raw, store: Store, size: bytes) -> None:
    answer = await post(size + JOB + b"\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")
    assert answer.refused(400, "invalid_request")
    assert await store.queued() == 0


async def test_a_trailer_is_no_header(post: Raw) -> None:
    trailers = b"13\r\n" + JOB + b"\r\n0\r\nIdempotency-Key: z\r\nContent-Type: text/plain\r\n\r\n"
    first, second = [await post(trailers, b"Transfer-Encoding: chunked") for _ in range(2)]
    assert (first.status, second.status) == (202, 202)
    assert json.loads(first.body)["job_id"] != json.loads(second.body)["job_id"]


async def test_what_comes_behind_the_announced_length_is_no_part_of_the_body(address: str, store: Store) -> None:
    head = b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"\r\nContent-Length: 19\r\n\r\n"
    received = await exchange(address, head + JOB + b"}}\r\n\r\n")
    answer = first_answer(received)
    assert (answer.status, answer.headers["connection"]) == (202, "close")
    assert received.count(b"HTTP/1.1 ") == 1
    assert await store.queued() == 2


async def test_a_body_that_ends_before_the_announced_length_queues_nothing(
    address: str, store: Store, web: httpx.AsyncClient
) -> None:
    head = b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"\r\nContent-Length: 25\r\n\r\n"
    url = httpx.URL(address)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(head + JOB)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await web.get("/livez")).status_code == 200
    assert await store.queued() == 0
