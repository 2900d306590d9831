"""Who is let in, and who makes room: real connections, from several addresses of 127.0.0.0/8."""

import asyncio
from contextlib import AsyncExitStack
from ipaddress import ip_network
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.errors import TooManyConnections, Unavailable
from app.limits import MOST_CONNECTIONS, Connections
from app.server import occupancy as occupancy_module
from app.server.occupancy import Guest, Occupancy
from tests.server.serving import QUICK, STREAM, UPGRADE, Client, Running, problem_of, running
from tests.watching import until

PROXY: dict[str, Any] = {"trusted_proxies": (ip_network("127.0.0.9/32"),)}


def slow(client: str) -> bytes:
    """A request that stays open, as a proxy sends it for its client."""
    return b"GET /slow HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n\r\n" % client.encode()


async def open_from(it: Running, stack: AsyncExitStack, count: int, address: str, asks: bytes = b"") -> list[Client]:
    clients = [await stack.enter_async_context(it.client(address)) for _ in range(count)]
    for client in clients:
        if asks:
            await client.ask(asks, b"hello")
    await until(lambda: it.occupancy.connections.count >= len(clients))
    return clients


async def refused(client: Client, status: int, code: str) -> None:
    """It hears that, and the connection ends."""
    answer = await client.rest()
    assert b"retry-after: 2\r\n" in answer
    problem = problem_of(answer)
    assert (problem["status"], problem["code"]) == (status, code)


async def test_one_address_may_have_its_share_and_another_is_served_all_the_same() -> None:
    async with running(most_per_address=3) as it, AsyncExitStack() as stack:
        first, *_ = await open_from(it, stack, 3, "127.0.0.2")
        async with it.client("127.0.0.2") as one_more:
            await refused(one_more, 429, "too_many_connections")
        async with it.client("127.0.0.3") as other:
            await other.ask(QUICK, b"\r\n\r\nok")
        await first.close()
        await until(lambda: it.occupancy.connections.count == 2)
        async with it.client("127.0.0.2") as again:
            await again.ask(QUICK, b"\r\n\r\nok")


async def test_in_a_full_house_who_has_waited_longest_makes_room() -> None:
    async with running(most=10, most_per_address=99) as it, AsyncExitStack() as stack:
        (streaming,) = await open_from(it, stack, 1, "127.0.0.2", STREAM)
        oldest, *others = await open_from(it, stack, 9, "127.0.0.2")
        async with it.client() as late:
            await late.ask(QUICK, b"\r\n\r\nok")
            assert await oldest.rest() == b""
            assert it.occupancy.connections.count == 10
            assert not any(other.reader.at_eof() for other in (streaming, *others))


async def test_an_answered_client_waits_again_and_comes_last() -> None:
    async with running(most=3, most_per_address=99) as it, AsyncExitStack() as stack:
        first, second, third = await open_from(it, stack, 3, "127.0.0.2")
        await first.ask(QUICK, b"\r\n\r\nok")
        async with it.client() as late:
            await late.ask(QUICK, b"\r\n\r\nok")
            assert await second.rest() == b""
            await first.ask(QUICK, b"\r\n\r\nok")
            await third.ask(QUICK, b"\r\n\r\nok")


@pytest.mark.parametrize("held", [STREAM, UPGRADE], ids=["streams", "sockets"])
async def test_a_house_full_of_the_busy_says_so(held: bytes) -> None:
    room = {"most_per_address": 99, "most_streams": 99, "most_sockets": 99}
    async with running(most=4, **room) as it, AsyncExitStack() as stack:
        for _ in range(4):
            client = await stack.enter_async_context(it.client())
            await client.ask(held, b"\r\n\r\n")
        async with it.client() as late:
            await refused(late, 503, "unavailable")
        await client.close()
        await until(lambda: it.occupancy.connections.count == 3)
        async with it.client() as later:
            await later.ask(QUICK, b"\r\n\r\nok")


async def test_who_is_turned_away_hears_why_only_while_few_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occupancy_module, "MOST_LEAVING", 1)
    async with running(most_per_address=1) as it, AsyncExitStack() as stack:
        await open_from(it, stack, 1, "127.0.0.2")
        async with it.client("127.0.0.2") as told, it.client("127.0.0.2") as untold:
            assert await untold.rest() == b""
            await refused(told, 429, "too_many_connections")
        await until(lambda: not it.occupancy.leaving.count)


async def test_who_stays_after_being_turned_away_is_cut_off() -> None:
    async with running(most_per_address=1) as it, AsyncExitStack() as stack:
        await open_from(it, stack, 1, "127.0.0.2")
        async with it.client("127.0.0.2"):
            await until(lambda: it.occupancy.leaving.count == 1)
            await until(lambda: not it.occupancy.leaving.count)


async def test_the_log_is_told_now_and_then_of_who_is_turned_away() -> None:
    async with running(most_per_address=1) as it, AsyncExitStack() as stack:
        await open_from(it, stack, 1, "127.0.0.2")
        with capture_logs() as lines:
            for _ in range(3):
                async with it.client("127.0.0.2") as client:
                    await refused(client, 429, "too_many_connections")
        assert [(line["code"], line["address"]) for line in lines] == [("too_many_connections", "127.0.0.2")]
        assert it.occupancy.turned_away == 3


async def test_nobody_makes_room_for_who_may_not_come() -> None:
    async with running(most=3, most_per_address=2) as it, AsyncExitStack() as stack:
        (other,) = await open_from(it, stack, 1, "127.0.0.3")
        await open_from(it, stack, 2, "127.0.0.2")
        async with it.client("127.0.0.2") as one_more:
            await refused(one_more, 429, "too_many_connections")
        await other.ask(QUICK, b"\r\n\r\nok")


# Behind a proxy


async def test_behind_a_trusted_proxy_each_client_is_counted_for_itself() -> None:
    async with running(most_per_address=2, **PROXY) as it, AsyncExitStack() as stack:
        first, *_ = await open_from(it, stack, 2, "127.0.0.9", slow("192.0.2.1"))
        await open_from(it, stack, 2, "127.0.0.9", slow("192.0.2.2"))
        async with it.client("127.0.0.9") as one_more:
            one_more.writer.write(slow("192.0.2.1"))
            await refused(one_more, 429, "too_many_connections")
        await first.close()
        await until(lambda: it.occupancy.connections.count == 3)
        await open_from(it, stack, 1, "127.0.0.9", slow("192.0.2.1"))


async def test_a_proxys_connection_counts_for_nobody_between_requests() -> None:
    async with running(most_per_address=1, **PROXY) as it, AsyncExitStack() as stack:
        for client in await open_from(it, stack, 3, "127.0.0.9"):
            await client.ask(QUICK.replace(b"Host", b"X-Forwarded-For: 192.0.2.1\r\nHost"), b"\r\n\r\nok")
        assert it.occupancy.proxied.count == 0


async def test_what_a_client_says_of_itself_is_not_believed() -> None:
    async with running(most_per_address=2) as it, AsyncExitStack() as stack:
        await open_from(it, stack, 1, "127.0.0.2", slow("192.0.2.1"))
        await open_from(it, stack, 1, "127.0.0.2", slow("192.0.2.2"))
        async with it.client("127.0.0.2") as one_more:
            await refused(one_more, 429, "too_many_connections")


async def test_the_doors_see_the_client_that_the_proxy_names() -> None:
    async with running(**PROXY) as it, AsyncExitStack() as stack:
        for address, asks in (("127.0.0.9", slow("192.0.2.1")), ("127.0.0.2", slow("192.0.2.3"))):
            await open_from(it, stack, 1, address, asks)
        named = UPGRADE.replace(b"Host", b"X-Forwarded-For: 192.0.2.2\r\nHost")
        async with it.client("127.0.0.9") as socket:
            await socket.ask(named, b"\r\n\r\n")
            assert [client[0] for client in it.app.clients] == ["192.0.2.1", "127.0.0.2", "192.0.2.2"]


async def test_a_proxy_is_never_asked_to_make_room() -> None:
    async with running(most=3, most_per_address=99, **PROXY) as it, AsyncExitStack() as stack:
        proxys = await open_from(it, stack, 2, "127.0.0.9")
        await open_from(it, stack, 1, "127.0.0.2")
        async with it.client("127.0.0.3") as late:
            await late.ask(QUICK, b"\r\n\r\nok")
            for each in proxys:
                await each.ask(QUICK, b"\r\n\r\nok")


# What it counts


def test_nothing_is_left_of_guests_that_have_left() -> None:
    occupancy = Occupancy(Connections().within(100))
    guests = [Guest(occupancy, "192.0.2.1", lambda: None) for _ in range(3)]
    for guest in guests:
        guest.enter()
        guest.ask([])
        guest.stream()
    assert (occupancy.connections.count, occupancy.streams.count, occupancy.sockets.count) == (3, 3, 0)
    for guest in guests:
        guest.leave()
        guest.leave()
    assert not any(tally.count for tally in (occupancy.connections, occupancy.streams, occupancy.proxied))
    assert not occupancy.connections.is_full_for("192.0.2.1")
    assert not occupancy.waiting


def test_who_leaves_before_saying_who_it_is_leaves_nothing() -> None:
    occupancy = Occupancy(Connections(most_sockets=32).within(100))
    first, second = [Guest(occupancy, "192.0.2.1", lambda: None) for _ in range(2)]
    with first.unknown(), second.unknown():
        assert occupancy.unknown.count == 2
        first.leave()
        assert occupancy.unknown.count == 1
    assert occupancy.unknown.count == 0


def test_of_sockets_that_have_not_said_who_they_are_an_address_has_three_quarters_at_most() -> None:
    assert Connections().within(1_000).unknown_sockets == (93, 69)
    assert Connections(most_sockets=800, most_sockets_per_address=80).within(1_000).unknown_sockets == (100, 10)
    assert Connections().within(1).unknown_sockets == (1, 1)


def test_an_ipv6_client_is_its_64_bits_of_network() -> None:
    occupancy = Occupancy(Connections(most_per_address=1).within(100))
    Guest(occupancy, "2001:db8::1", lambda: None).enter()
    with pytest.raises(TooManyConnections):
        Guest(occupancy, "2001:db8::2", lambda: None).enter()
    Guest(occupancy, "2001:db8:0:1::1", lambda: None).enter()


def test_clients_without_an_address_are_counted_in_all_alone() -> None:
    occupancy = Occupancy(Connections(most=3, most_per_address=1).within(100))
    for _ in range(3):
        guest = Guest(occupancy, "", lambda: None)
        guest.enter()
        guest.ask([])
    with pytest.raises(Unavailable):
        Guest(occupancy, "", lambda: None).enter()


def test_what_is_not_set_follows_from_what_there_are_descriptors_for() -> None:
    given = Connections().within(1_000)
    assert (given.most, given.most_per_address, given.most_streams, given.most_sockets) == (1_000, 750, 750, 750)
    assert Connections(most=400).within(1_000).most_per_address == 300
    assert Connections(most=4_000).within(1_000).most == 1_000
    assert Connections().within(10**6).most == MOST_CONNECTIONS
    chosen = Connections(most_per_address=5, most_sockets_per_address=2).within(1_000)
    assert (chosen.most_streams_per_address, chosen.most_sockets_per_address) == (5, 2)
    assert Connections().within(1).most_per_address == 1


async def test_many_at_once_are_all_let_in() -> None:
    async with running() as it, AsyncExitStack() as stack:
        clients = await open_from(it, stack, 200, "127.0.0.2")
        async with asyncio.timeout(20):
            await asyncio.gather(*[client.ask(QUICK, b"\r\n\r\nok") for client in clients])
