"""Where a connection leads, whatever the URL looks like: a canary listens on every address of this machine."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import chain, repeat
from threading import Event

import pytest

from tests.watching import until
from tests.webhooks.receiver import answer, listening, receiving
from workers.webhooks import dialer
from workers.webhooks.addresses import Addresses
from workers.webhooks.client import NOWHERE, Client, Unanswered
from workers.webhooks.dialer import connector, look_up

EVERYTHING = ("0.0.0.0/0", "::/0")

NAMES = {
    "loopback.test": ["127.0.0.1"],
    "loopback6.test": ["::1"],
    "any.test": ["0.0.0.0"],
    "both.test": ["::1", "127.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "nat64.test": ["64:ff9b::7f00:1"],
    "sixtofour.test": ["2002:7f00:1::"],
    "private.test": ["10.1.2.3", "172.16.1.1", "192.168.1.1", "fd00::1"],
    "metadata.test": ["169.254.169.254", "fd00:ec2::254"],
    "xn--bcher-kva.test": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
}

REACHING = [
    "http://127.0.0.1:{port}/",
    "http://127.1.2.3:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0x0:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7F.0x0.0x0.0x1:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f.0.1:{port}/",
    "http://0177.0.0x0.1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://１２７.0.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "http://localhost:{port}/",
    "http://LocalHost:{port}/",
    "http://localhost.:{port}/",
    "http://loopback.test:{port}/",
    "http://any.test:{port}/",
    "http://bücher.test:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}/?@example.com",
    "HTTP://127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\\@example.com",
]
"""Those by which this machine can be reached, as long as nobody looks."""

LEADING_NOWHERE = [
    "http://2130706433:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://0:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::ffff:0:0]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:0:0:0:0:80ff:fffe]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://[::1%lo]:{port}/",
    "http://169.254.169.254:{port}/",
    "http://10.0.0.1:{port}/",
    "http://loopback6.test:{port}/",
    "http://both.test:{port}/",
    "http://mapped.test:{port}/",
    "http://nat64.test:{port}/",
    "http://sixtofour.test:{port}/",
    "http://private.test:{port}/",
    "http://metadata.test:{port}/",
    "http://unknown.test:{port}/",
    "http://" + 64 * "a" + ".test:{port}/",
    "http://a..test:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://user:password@127.0.0.1:{port}/",
    "http://:password@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://[localhost]:{port}/",
    "http://[::1:{port}/",
    "http://[v1.a]:{port}/",
    "http://127.0.0.1:0{port}0/",
    "http://127.0.0.1:-{port}/",
    "http://loc%61lhost:{port}/",
    "http://local host:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "ws://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "unix://127.0.0.1:{port}/",
    "http+unix://127.0.0.1:{port}/",
    "http://",
    "",
    "\x00",
]


def look_up_here(host: str) -> Collection[str]:
    """The names above, and what the system makes of numbers and of localhost; no name server is asked."""
    if host in NAMES:
        return NAMES[host]
    if host == "localhost" or host[:1].isdigit() or ":" in host:
        return look_up(host)
    raise OSError("unknown")


@asynccontextmanager
async def client(
    *allowed: str, ports: Collection[int] = (), lookup: Callable[[str], Collection[str]] = look_up_here
) -> AsyncIterator[Client]:
    async with Client(connector(Addresses(allowed), ports, lookup=lookup)) as client:
        yield client


@pytest.mark.parametrize("url", [*REACHING, *LEADING_NOWHERE])
async def test_nothing_is_connected_to_here(url: str) -> None:
    async with listening() as canary, client() as sender:
        with pytest.raises(Unanswered) as refused:
            await sender.post(url.format(port=canary.port), {}, b"{}")
        assert str(refused.value) == NOWHERE
        assert canary.heard == 0


@pytest.mark.parametrize("url", REACHING)
async def test_the_canary_would_have_heard_it(url: str) -> None:
    async with listening() as canary, client(*EVERYTHING) as sender:
        assert (await sender.post(url.format(port=canary.port), {}, b"{}")).status == 200
        assert canary.heard == 1


async def test_of_several_addresses_only_permitted_ones_are_connected_to() -> None:
    names = {"mixed.test": ["127.0.0.1", "127.0.0.2", "::1"]}
    async with (
        listening("127.0.0.1") as canary,
        receiving("127.0.0.2", canary.port) as receiver,
        client("127.0.0.2/32", lookup=names.__getitem__) as sender,
    ):
        assert (await sender.post(f"http://mixed.test:{canary.port}/", {}, b"{}")).status == 200
    assert (canary.heard, len(receiver.requests)) == (0, 1)
    assert receiver.requests[0].headers["host"] == f"mixed.test:{canary.port}"


async def test_a_name_that_leads_elsewhere_the_next_time_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialer, "NAMES_KEPT_SECONDS", 0)
    turns = chain([["127.0.0.2"]], repeat(["127.0.0.1"]))
    async with listening("127.0.0.1") as canary, receiving("127.0.0.2", canary.port) as receiver:
        receiver.will(answer(Connection="close"))
        async with client("127.0.0.2/32", lookup=lambda _: next(turns)) as sender:
            assert (await sender.post(f"http://rebinding.test:{canary.port}/", {}, b"{}")).status == 200
            with pytest.raises(Unanswered, match=NOWHERE):
                await sender.post(f"http://rebinding.test:{canary.port}/", {}, b"{}")
    assert (canary.heard, len(receiver.requests)) == (0, 1)


async def test_a_name_is_not_asked_for_again_between_the_check_and_the_connection() -> None:
    asked: list[str] = []

    def lookup(host: str) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.2" if len(asked) == 1 else "127.0.0.1"]

    async with (
        listening("127.0.0.1") as canary,
        receiving("127.0.0.2", canary.port),
        client("127.0.0.2/32", lookup=lookup) as sender,
    ):
        await sender.post(f"http://rebinding.test:{canary.port}/", {}, b"{}")
    assert (asked, canary.heard) == (["rebinding.test"], 0)


async def test_only_ports_that_are_allowed_are_connected_to() -> None:
    async with listening() as canary, receiving() as receiver:
        port = int(receiver.url.rpartition(":")[2])
        async with client(*EVERYTHING, ports=[port]) as sender:
            assert (await sender.post(receiver.url, {}, b"{}")).status == 200
            with pytest.raises(Unanswered, match=NOWHERE):
                await sender.post(f"http://127.0.0.1:{canary.port}/", {}, b"{}")
    assert canary.heard == 0


async def test_a_redirect_is_an_answer_and_nothing_more() -> None:
    async with listening() as canary, receiving() as receiver, client(*EVERYTHING) as sender:
        receiver.will(answer(307, Location=f"http://127.0.0.1:{canary.port}/", Refresh="0"))
        assert (await sender.post(receiver.url, {}, b"{}")).status == 307
        assert canary.heard == 0


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as canary, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        async with client(*EVERYTHING) as sender:
            assert (await sender.post(receiver.url, {}, b"{}")).status == 200
        assert canary.heard == 0


async def test_a_name_server_that_does_not_answer_holds_up_nobody_else() -> None:
    answered = Event()

    def lookup(host: str) -> Sequence[str]:
        if host == "slow.test":
            answered.wait(20)
        return ["127.0.0.1"]

    async with receiving() as receiver, client(*EVERYTHING, lookup=lookup) as sender:
        url = receiver.url.replace("127.0.0.1", "slow.test")
        slow = [asyncio.create_task(sender.post(url, {}, b"{}")) for _ in range(100)]
        for n in range(20):
            await sender.post(receiver.url.replace("127.0.0.1", f"quick{n}.test"), {}, b"{}")
        assert not any(task.done() for task in slow)
        answered.set()
        await until(lambda: all(task.done() for task in slow))


async def test_who_finds_no_place_to_look_a_name_up_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialer, "LOOKUPS_AT_ONCE", 1)
    monkeypatch.setattr(dialer, "PLACE_SECONDS", 0.05)
    answered = Event()

    def lookup(host: str) -> Sequence[str]:
        if host == "slow.test":
            answered.wait(20)
        return ["127.0.0.1"]

    async with receiving() as receiver, client(*EVERYTHING, lookup=lookup) as sender:
        slow = asyncio.create_task(sender.post(receiver.url.replace("127.0.0.1", "slow.test"), {}, b"{}"))
        quick = receiver.url.replace("127.0.0.1", "quick.test")
        await asyncio.sleep(0)
        with pytest.raises(dialer.Crowded):
            await sender.post(quick, {}, b"{}")
        assert not receiver.requests
        answered.set()
        await slow
        assert (await sender.post(quick, {}, b"{}")).status == 200
