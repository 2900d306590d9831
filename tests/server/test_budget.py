"""How fast a WebSocket may talk: the bucket, and a connection that overdoes it."""

import pytest

from app.server.budget import SECONDS_IN_A_ROW, Budget
from tests.server.serving import UPGRADE, running
from tests.watching import until

PING = b"\x89\x80\0\0\0\0"
TEXT = b"\x81\x81\0\0\0\0x"
BEGINNING = b"\x01\x80\0\0\0\0"
PIECE = b"\x00\x80\0\0\0\0"
TOO_FAST = b"\x88\x0a\x11\x44too fast"


def test_what_was_saved_may_be_spent_at_once_and_then_so_many_a_second() -> None:
    budget = Budget(5, 0.0)
    assert budget.takes(5 * SECONDS_IN_A_ROW, 0.0)
    assert budget.takes(1, 0.2)
    assert not budget.takes(1, 0.2)


def test_nothing_is_saved_beyond_the_most() -> None:
    budget = Budget(5, 0.0)
    assert not budget.takes(5 * SECONDS_IN_A_ROW + 1, 3_600.0)


@pytest.mark.parametrize("frame", [PING, TEXT], ids=["pings", "texts"])
async def test_a_client_that_sends_frames_too_fast_is_told_and_cut_off(frame: bytes) -> None:
    async with running(frames_per_second=5) as it, it.client() as client:
        await client.ask(UPGRADE, b"\r\n\r\n")
        client.writer.write(frame * (5 * SECONDS_IN_A_ROW + 2))
        assert (await client.rest()).endswith(TOO_FAST)
        await until(lambda: it.app.left == ["/socket"])


async def test_a_message_in_a_thousand_pieces_is_no_way_around() -> None:
    async with running(frames_per_second=5) as it, it.client() as client:
        await client.ask(UPGRADE, b"\r\n\r\n")
        client.writer.write(BEGINNING + PIECE * 1_000)
        assert (await client.rest()).endswith(TOO_FAST)


async def test_a_calm_client_goes_on_for_ever() -> None:
    async with running(frames_per_second=1_000) as it, it.client() as client:
        await client.ask(UPGRADE, b"\r\n\r\n")
        for _ in range(300):
            await client.ask(PING, b"\x8a\x00")
        assert it.app.left == []
