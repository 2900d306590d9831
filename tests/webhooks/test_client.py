"""What a receiver may answer, or not answer, and what is made of it."""

import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.house import free_port
from tests.webhooks.receiver import DRIPS, SILENCE, Receiver, answer, certified, listening, receiving
from workers.webhooks.addresses import Addresses
from workers.webhooks.client import ANSWER_BYTES, EXCERPT_CHARACTERS, Answer, Client, Unanswered
from workers.webhooks.dialer import connector

BODY = b'{"type":"job.completed"}'
LOCAL = Addresses(["127.0.0.0/8"])


@asynccontextmanager
async def client(*, seconds: float = 20, tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    async with Client(connector(LOCAL, tls=tls, lookup=lambda _: ["127.0.0.1"]), seconds=seconds) as client:
        yield client


async def told(receiver: Receiver, *, seconds: float = 20) -> str:
    """Why there was no answer."""
    async with client(seconds=seconds) as sender:
        with pytest.raises(Unanswered) as error:
            await sender.post(receiver.url, {}, BODY)
    return str(error.value)


async def answered(reply: bytes, *, seconds: float = 20) -> Answer:
    async with receiving() as receiver, client(seconds=seconds) as sender:
        receiver.will(reply)
        return await sender.post(receiver.url, {}, BODY)


async def test_body_and_headers_arrive_as_they_are_and_nothing_is_made_up() -> None:
    async with receiving() as receiver, client() as sender:
        headers = {"Content-Type": "application/json", "User-Agent": "Tidings", "webhook-id": "a-1"}
        await sender.post(f"{receiver.url}/hook/a%20b%2Fc/%C3%A4?x=%26&y=1+2%2B", headers, BODY)
    (request,) = receiver.requests
    assert (request.method, request.target, request.body) == ("POST", "/hook/a%20b%2Fc/%C3%A4?x=%26&y=1+2%2B", BODY)
    assert request.headers == {
        "host": receiver.url.removeprefix("http://"),
        "content-type": "application/json",
        "user-agent": "Tidings",
        "webhook-id": "a-1",
        "content-length": str(len(BODY)),
        "accept": "*/*",
        "accept-encoding": "identity",
    }


async def test_a_connection_serves_many_deliveries() -> None:
    async with receiving() as receiver, client() as sender:
        for _ in range(5):
            await sender.post(receiver.url, {}, BODY)
    assert receiver.connections == 1


async def test_cookies_are_not_kept() -> None:
    async with receiving() as receiver, client() as sender:
        receiver.will(answer(Set_Cookie="a=b; Path=/"))
        for _ in range(2):
            await sender.post(receiver.url.replace("127.0.0.1", "receiver.test"), {}, BODY)
    assert "cookie" not in receiver.requests[1].headers


async def test_status_excerpt_and_two_headers_are_what_an_answer_is() -> None:
    reply = answer(503, b"try\nlater", Retry_After="7", Date="Wed, 25 Nov 2026 23:00:00 GMT", X_Other="1")
    assert await answered(reply) == Answer(503, "7", "Wed, 25 Nov 2026 23:00:00 GMT", "try\nlater")


@pytest.mark.parametrize(
    ("body", "excerpt"),
    [
        (b"x" * 10_000, "x" * EXCERPT_CHARACTERS),
        ("ä€𝄞".encode() * 1_000, ("ä€𝄞" * 1_000)[:EXCERPT_CHARACTERS]),
        (b"\xff\xfe", "��"),
        (b"a\x00\x1b[31mb\r\n", "a��[31mb�\n"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}\u2066".encode(), "��"),
        (b"", ""),
    ],
)
async def test_an_excerpt_is_short_and_shows_nothing_that_a_terminal_obeys(body: bytes, excerpt: str) -> None:
    assert (await answered(answer(body=body))).excerpt == excerpt


async def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(10 << 20))
    assert len((await answered(answer(body=bomb, Content_Encoding="gzip"))).excerpt) <= EXCERPT_CHARACTERS


async def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    async with receiving() as receiver, client() as sender:
        receiver.will(answer(body=b"x" * (4 * ANSWER_BYTES)))
        for _ in range(2):
            assert (await sender.post(receiver.url, {}, BODY)).status == 200
    assert receiver.connections == 2, "what was left over would have been the next answer"


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 200 So\r\nContent-Length: 9\r\nConnection: close\r\n\r\nha", b"HTTP/1.1 204 So\r\n\r\n"]
)
async def test_a_head_is_an_answer_whatever_follows(reply: bytes) -> None:
    assert (await answered(reply)).status in {200, 204}


async def test_a_body_that_never_ends_does_not_take_the_head_back() -> None:
    async with receiving() as receiver, client(seconds=0.2) as sender:
        receiver.will(b"HTTP/1.1 200 So\r\nContent-Length: 9\r\n\r\nha")
        assert (await sender.post(receiver.url, {}, BODY)).status == 200


async def test_silence_ends_with_the_attempt() -> None:
    async with receiving() as receiver:
        receiver.will(SILENCE)
        assert await told(receiver, seconds=0.2) == "No answer within 0.2 s."


async def test_a_head_that_drips_ends_with_the_attempt() -> None:
    async with receiving() as receiver:
        receiver.will(DRIPS)
        assert await told(receiver, seconds=0.3) == "No answer within 0.3 s."


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 So\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 So\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 So\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    ],
)
async def test_what_is_not_http_is_no_answer(reply: bytes) -> None:
    async with receiving() as receiver:
        receiver.will(reply)
        assert await told(receiver) == "The answer was not understood as HTTP."


async def test_a_connection_that_is_lost_or_refused_is_no_answer() -> None:
    async with receiving() as receiver:
        receiver.will(b"HTTP/1.1 200")
        assert await told(receiver) == "The connection was lost before there was an answer."
    assert await told(Receiver(f"http://127.0.0.1:{free_port()}")) == "The connection was refused."


async def test_the_name_in_the_url_is_what_the_certificate_must_have(tmp_path: Path) -> None:
    with certified(tmp_path, "receiver.test") as (server, trusting):
        async with receiving(tls=server) as receiver, client(tls=trusting) as sender:
            url = receiver.url.replace("127.0.0.1", "receiver.test")
            assert (await sender.post(url, {}, BODY)).status == 200
            for name in ("other.test", "127.0.0.1"):
                with pytest.raises(Unanswered, match="certificate was not accepted"):
                    await sender.post(receiver.url.replace("127.0.0.1", name), {}, BODY)
            async with client() as stranger:
                with pytest.raises(Unanswered, match="certificate was not accepted"):
                    await stranger.post(url, {}, BODY)
    assert len(receiver.requests) == 1


async def test_a_receiver_that_does_not_speak_tls_is_no_answer() -> None:
    async with listening() as canary, client() as sender:
        with pytest.raises(Unanswered, match="TLS handshake failed"):
            await sender.post(f"https://127.0.0.1:{canary.port}", {}, BODY)
