"""The WebSocket protocol (RFC 6455): the cases of the Autobahn test suite, by their numbers there.

Its server echoes; ours answers `{"op": "ping", "ref": …}` with the same `ref`, which serves. What is left out, and why,
is in `docs/conformance.md`.
"""

import asyncio
import json
import struct
from base64 import b64encode
from collections.abc import Sequence

import pytest

from app.server.listening import MOST_FRAME_BYTES
from app.server.websocket import MOST_FRAGMENTS
from tests.conformance.raw_socket import Heard, Op, RawSocket, closing, connected, frame, handshake, text

PING = b'{"op":"ping","ref":1}'
PONG = Heard(Op.TEXT, b'{"op":"pong","ref":1}')
HELLO = "Hello-µ@ßöäüàá-UTF-8!!"


def said(ref: str) -> bytes:
    return json.dumps({"op": "ping", "ref": ref}, ensure_ascii=False).encode()


def padded(size: int) -> bytes:
    """A ping of exactly so many bytes."""
    head = b'{"op":"ping","ref":1,"pad":"'
    return head + b"*" * (size - len(head) - 2) + b'"}'


async def alive(socket: RawSocket) -> bool:
    """It still answers, and has nothing else to say."""
    return await socket.send(*text(PING)).hear() == PONG


# 1: framing


@pytest.mark.parametrize("size", [30, 125, 126, 127, 128, 65_535, 65_536])
@pytest.mark.parametrize("chopped", [0, 997])
async def test_1_1_a_text_of_any_length_is_taken(address: str, size: int, chopped: int) -> None:
    sent = b"".join(text(padded(size)))
    async with connected(address) as socket:
        for start in range(0, len(sent), chopped or len(sent)):
            socket.send(sent[start : start + (chopped or len(sent))])
            await asyncio.sleep(0)
        assert await socket.hear() == PONG


@pytest.mark.parametrize("size", [0, 125, 65_536])
async def test_1_2_a_binary_message_is_well_formed_but_not_understood(address: str, size: int) -> None:
    async with connected(address) as socket:
        closed = await socket.send(frame(Op.BINARY, b"\xfe" * size)).hear()
        assert (closed.op, closed.payload[:2]) == (Op.CLOSE, struct.pack("!H", 4400))
        assert await socket.send(closing(4400)).to_the_end() == ([], None)


# 2: pings and pongs


@pytest.mark.parametrize("payload", [b"", b"Hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125])
async def test_2_1_a_ping_is_answered_by_its_payload(address: str, payload: bytes) -> None:
    async with connected(address) as socket:
        assert await socket.send(frame(Op.PING, payload)).hear() == Heard(Op.PONG, payload)
        await socket.send_bytewise(frame(Op.PING, payload))
        assert await socket.hear() == Heard(Op.PONG, payload)
        assert await alive(socket)


async def test_2_5_a_ping_of_126_bytes_is_an_error(address: str) -> None:
    async with connected(address) as socket:
        assert await socket.send(frame(Op.PING, b"\xfe" * 126)).to_the_end() == ([], 1002)


@pytest.mark.parametrize("payload", [b"", b"unsolicited"])
async def test_2_7_a_pong_nobody_asked_for_is_ignored(address: str, payload: bytes) -> None:
    async with connected(address) as socket:
        socket.send(frame(Op.PONG, payload), frame(Op.PING, b"p"))
        assert await socket.hear() == Heard(Op.PONG, b"p")
        assert await alive(socket)


async def test_2_10_ten_pings_are_answered_in_order(address: str) -> None:
    async with connected(address) as socket:
        socket.send(*(frame(Op.PING, b"%d" % n) for n in range(10)))
        assert [await socket.hear() for _ in range(10)] == [Heard(Op.PONG, b"%d" % n) for n in range(10)]


# 3: reserved bits


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("op", [Op.TEXT, Op.BINARY, Op.PING, Op.PONG, Op.CLOSE])
async def test_3_a_reserved_bit_is_an_error(address: str, rsv: int, op: Op) -> None:
    async with connected(address) as socket:
        heard, code = await socket.send(*text(PING), frame(op, b"", rsv=rsv), *text(PING)).to_the_end()
        assert (set(heard) <= {PONG}, code) == (True, 1002)


# 4: reserved opcodes


@pytest.mark.parametrize("op", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved"])
async def test_4_a_reserved_opcode_is_an_error(address: str, op: int, payload: bytes) -> None:
    async with connected(address) as socket:
        assert await socket.send(frame(op, payload)).to_the_end() == ([], 1002)


# 5: fragments


@pytest.mark.parametrize("op", [Op.PING, Op.PONG, Op.CLOSE])
async def test_5_1_a_control_frame_is_never_fragmented(address: str, op: Op) -> None:
    async with connected(address) as socket:
        socket.send(frame(op, b"", fin=False), frame(Op.CONTINUATION, b""))
        assert await socket.to_the_end() == ([], 1002)


@pytest.mark.parametrize("pieces", [[1], [5, 5], [0, 0, 3], [1] * 20])
@pytest.mark.parametrize("bytewise", [False, True])
async def test_5_3_a_text_may_come_in_fragments(address: str, pieces: list[int], bytewise: bool) -> None:
    async with connected(address) as socket:
        if bytewise:
            await socket.send_bytewise(b"".join(text(PING, pieces)))
        else:
            socket.send(*text(PING, pieces))
        assert await socket.hear() == PONG


@pytest.mark.parametrize("pings", [1, 2])
async def test_5_6_a_ping_between_fragments_is_answered_at_once(address: str, pings: int) -> None:
    async with connected(address) as socket:
        first, *rest = text(PING, [5, 5])
        socket.send(first)
        for ping in [b"%d" % n for n in range(pings)]:
            assert await socket.send(frame(Op.PING, ping)).hear() == Heard(Op.PONG, ping)
        assert await socket.send(*rest).hear() == PONG


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("before", [[], text(PING, [4])])
async def test_5_9_there_must_be_something_to_continue(address: str, fin: bool, before: list[bytes]) -> None:
    async with connected(address) as socket:
        heard, code = await socket.send(*before, frame(Op.CONTINUATION, b"more", fin=fin), *text(PING)).to_the_end()
        assert (set(heard) <= {PONG}, code) == (True, 1002)


@pytest.mark.parametrize("op", [Op.TEXT, Op.BINARY])
async def test_5_18_a_message_does_not_begin_in_another(address: str, op: Op) -> None:
    async with connected(address) as socket:
        socket.send(frame(Op.TEXT, b"one", fin=False), frame(op, b"two"))
        assert await socket.to_the_end() == ([], 1002)


# 6: UTF-8


@pytest.mark.parametrize("ref", [HELLO, "", "κόσμε", "\U0010ffff", "\ufffe\uffff", "\U0001f600" * 30, "\x7f\x80"])
@pytest.mark.parametrize("piece", [0, 1, 3])
async def test_6_1_text_is_utf8_however_it_is_cut(address: str, ref: str, piece: int) -> None:
    message = said(ref)
    pieces = [piece] * (len(message) // piece) if piece else []
    async with connected(address) as socket:
        heard = await socket.send(*text(message, pieces)).hear()
    assert json.loads(heard.payload) == {"op": "pong", "ref": ref}


NO_UTF8 = [
    *(b"\x80", b"\xbf\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80"),
    *(b"\xf0\x8f\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"),
    *(b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80"),
    *(b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xce", b"\xe2\x82", b"\xf0\x9f\x98", b"\xce\xba\xe1\xbd\xb9\xcf\xed"),
]


@pytest.mark.parametrize("bad", NO_UTF8)
@pytest.mark.parametrize("piece", [0, 1])
async def test_6_3_what_is_no_utf8_closes_with_1007(address: str, bad: bytes, piece: int) -> None:
    message = b'{"op":"ping","ref":"' + bad + b'"}'
    pieces = [piece] * len(message[:-1]) if piece else []
    async with connected(address) as socket:
        assert await socket.send(*text(message, pieces)).to_the_end() == ([], 1007)


# 7: the end


async def test_7_1_1_a_close_is_answered_and_ends_it(address: str) -> None:
    async with connected(address) as socket:
        assert await alive(socket)
        assert await socket.send(closing(1000)).to_the_end() == ([], 1000)


@pytest.mark.parametrize("behind", [closing(1000), frame(Op.PING), *text(PING)], ids=["close", "ping", "text"])
async def test_7_1_2_nothing_behind_a_close_is_heard(address: str, behind: bytes) -> None:
    async with connected(address) as socket:
        assert await socket.send(closing(1000), behind).to_the_end() == ([], 1000)


async def test_7_1_5_a_close_may_not_come_between_fragments(address: str) -> None:
    first, rest = text(PING, [5])
    async with connected(address) as socket:
        heard, code = await socket.send(first, closing(1000), rest).to_the_end()
        assert (heard, code in (1000, 1002)) == ([], True)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", 1005),
        (b"\x03", 1002),
        (struct.pack("!H", 1000), 1000),
        (struct.pack("!H", 1000) + b"Hello", 1000),
        (struct.pack("!H", 1000) + b"*" * 123, 1000),
        (struct.pack("!H", 1000) + b"*" * 124, 1002),
        (struct.pack("!H", 1000) + b"\xce\xba\xed\xa0\x80", 1007),
    ],
    ids=["empty", "one byte", "code", "reason", "longest", "too long", "no text"],
)
async def test_7_3_a_close_says_nothing_or_a_code_and_a_reason(address: str, payload: bytes, code: int) -> None:
    async with connected(address) as socket:
        assert await socket.send(frame(Op.CLOSE, payload)).to_the_end() == ([], code)


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
async def test_7_7_a_code_that_may_be_sent_is_sent_back(address: str, code: int) -> None:
    async with connected(address) as socket:
        assert await socket.send(closing(code)).to_the_end() == ([], code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
async def test_7_9_a_code_that_may_not_be_sent_is_an_error(address: str, code: int) -> None:
    async with connected(address) as socket:
        assert await socket.send(closing(code)).to_the_end() == ([], 1002)


async def test_a_connection_that_ends_without_a_close_is_let_go(address: str) -> None:
    async with connected(address) as socket:
        assert await alive(socket)
        socket.end()
        heard, _ = await socket.to_the_end()
        assert heard == []


# 9 and 10: bounds


@pytest.mark.parametrize("pieces", [[], [1_000], [MOST_FRAME_BYTES], [40_000]])
async def test_9_a_message_over_the_bound_closes_with_1009(address: str, pieces: Sequence[int]) -> None:
    async with connected(address) as socket:
        assert await socket.send(*text(padded(MOST_FRAME_BYTES + 1), pieces)).to_the_end() == ([], 1009)


@pytest.mark.parametrize("size", [MOST_FRAME_BYTES + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
async def test_a_length_over_the_bound_is_enough_to_close(address: str, size: int) -> None:
    async with connected(address) as socket:
        sent = frame(Op.TEXT, b"", length=b"\x7f" + struct.pack("!Q", size))
        _, code = await socket.send(sent).to_the_end()
        assert code in (1009, 1002)


async def test_fragments_without_end_are_bounded_although_they_hold_nothing(address: str) -> None:
    async with connected(address) as socket:
        empty = frame(Op.CONTINUATION, b"", fin=False)
        socket.send(frame(Op.TEXT, b"", fin=False), *[empty] * (MOST_FRAGMENTS + 1))
        assert await socket.to_the_end() == ([], 1009)


async def test_10_1_as_many_fragments_as_there_are_bytes_make_a_message(address: str) -> None:
    async with connected(address) as socket:
        message = padded(MOST_FRAGMENTS)
        assert await socket.send(*text(message, [1] * (len(message) - 1))).hear() == PONG


async def test_pongs_for_who_does_not_read_are_left_out(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.websocket.MOST_UNREAD_BYTES", -1)
    async with connected(address) as socket:
        socket.send(*(frame(Op.PING, b"%d" % n) for n in range(3)))
        assert await alive(socket)


async def test_a_client_that_does_not_mask_is_in_error(address: str) -> None:
    async with connected(address) as socket:
        assert await socket.send(frame(Op.TEXT, PING, masked=False)).to_the_end() == ([], 1002)


# The handshake (section 4.2)


@pytest.mark.parametrize("key", ["", "short", b64encode(b"x" * 15).decode(), "!" * 24])
async def test_a_key_has_sixteen_bytes(address: str, key: str) -> None:
    head = await handshake(address, Sec_WebSocket_Key=key)
    assert head.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("version", ["", "8", "12", "14", "x"])
async def test_there_is_no_other_version(address: str, version: str) -> None:
    head = await handshake(address, Sec_WebSocket_Version=version)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nsec-websocket-version: 13\r\n" in head


async def test_12_compression_is_offered_in_vain(address: str) -> None:
    head = await handshake(address, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"extensions" not in head.lower()


@pytest.mark.parametrize("offered", ["tidings.v1", "other, tidings.v1", "tidings.v1, other", "other", "tidings.v2"])
async def test_a_subprotocol_is_chosen_or_none(address: str, offered: str) -> None:
    head = await handshake(address, Sec_WebSocket_Protocol=offered)
    chosen = b"sec-websocket-protocol: tidings.v1\r\n" in head.lower()
    assert chosen is ("tidings.v1" in offered)
