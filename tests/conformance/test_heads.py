"""The head of a request: its bounds, its one Host, fields that stand once (RFC 9110, RFC 9112)."""

import pytest

from tests.conformance.conftest import JOB, Raw, exchange, first_answer
from tests.web.conftest import Store


@pytest.mark.parametrize("target", [b"/" + b"a" * 17_000, b"/api/jobs?kind=" + b"a" * 17_000, b"/" + b"a" * 100_000])
async def test_a_long_url_is_414_and_told_the_most(raw: Raw, target: bytes) -> None:
    assert (await raw(b"GET " + target)).refused(414, "target_too_long")["max_bytes"] == 16 << 10


async def test_a_url_of_8000_bytes_is_taken_as_the_standard_asks(raw: Raw) -> None:
    assert (await raw(b"GET /api/jobs?kind=" + b"a" * 8_000)).status == 200


@pytest.mark.parametrize(
    "headers",
    [[b"A: " + b"a" * 70_000], [b"A" * 70_000 + b": a"], [b"A%d: b" % n for n in range(20_000)]],
    ids=["a long value", "a long name", "many"],
)
async def test_large_heads_are_431_and_told_the_most(raw: Raw, headers: list[bytes]) -> None:
    assert (await raw(b"GET /livez", *headers)).refused(431, "headers_too_large")["max_bytes"] == 64 << 10


async def test_five_hundred_headers_are_no_trouble(raw: Raw) -> None:
    assert (await raw(b"GET /livez", *[b"A%d: b" % n for n in range(500)])).status == 200


async def test_a_refused_head_ends_its_connection_and_what_follows_it_is_not_read(address: str, store: Store) -> None:
    smuggled = (
        b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n"
        + JOB
    )
    received = await exchange(address, b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + smuggled)
    answer = first_answer(received)
    assert answer.refused(400, "invalid_request")
    assert answer.headers["connection"] == "close"
    assert received.count(b"HTTP/1.1 ") == 1
    assert await store.queued() == 0


@pytest.mark.parametrize(
    "host",
    [b"", b"Host: x\r\nHost: x", b"Host: a b", b"Host: x/y", b"Host: user@x", b"Host: x:port", b"Host: \xff"],
)
async def test_a_request_has_one_host_that_is_one(raw: Raw, host: bytes) -> None:
    assert (await raw(b"GET /livez", host=host)).refused(400, "invalid_request")["header"] == "Host"


@pytest.mark.parametrize("host", [b"Host: x:8000", b"Host: [::1]:8000", b"Host:", b"Host: 127.0.0.1", b"HOST: a-b.c_d"])
async def test_whatever_can_be_a_host_is_taken(raw: Raw, host: bytes) -> None:
    assert (await raw(b"GET /livez", host=host)).status == 200


async def test_http_1_0_needs_no_host(address: str) -> None:
    assert first_answer(await exchange(address, b"GET /livez HTTP/1.0\r\n\r\n")).status == 200


@pytest.mark.parametrize("version", [b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3.0", b"HTTP/1", b"ICY/1.1", b""])
async def test_other_versions_are_refused(address: str, version: bytes) -> None:
    answer = first_answer(await exchange(address, b"GET /livez " + version + b"\r\nHost: x\r\n\r\n"))
    assert answer.refused(400, "invalid_request")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"Content-Type: application/json", b"Content-Type: text/plain"),
        (b"Content-Type: application/json", b"Content-Type: application/json"),
        (b"Idempotency-Key: a", b"Idempotency-Key: b"),
        (b"Authorization: Bearer a", b"Authorization: Bearer b"),
        (b"Last-Event-ID: 1", b"last-event-id: 2"),
        (b"Range: bytes=0-1", b"Range: bytes=2-3"),
    ],
)
async def test_a_field_that_is_no_list_is_refused_when_it_comes_twice(raw: Raw, first: bytes, second: bytes) -> None:
    problem = (await raw(b"GET /livez", first, second)).refused(400, "invalid_request")
    assert problem["header"] == first.partition(b":")[0].decode()


async def test_a_field_that_is_a_list_may_come_twice(raw: Raw) -> None:
    assert (await raw(b"GET /livez", b"Cookie: a=1", b"Cookie: b=2", b"Via: 1.1 a", b"Via: 1.1 b")).status == 200


@pytest.mark.parametrize(
    "header",
    [b"A: a\0b", b"A\0: a", b"A: a\x01", b"A: a\rb", b"A : a", b" A: a", b"A: a\r\n b", b": a", b"A", b"\xff: a"],
)
async def test_a_header_that_is_none_is_refused(raw: Raw, header: bytes) -> None:
    assert (await raw(b"GET /livez", b"B: b", header)).refused(400, "invalid_request")


async def test_bytes_beyond_ascii_in_a_value_are_only_a_value(raw: Raw) -> None:
    assert (await raw(b"GET /livez", b"A: \xc3\xa9 \xff")).status == 200
