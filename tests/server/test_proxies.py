from ipaddress import ip_network

import pytest

from app.server.proxies import MOST_HOPS, Proxies, site_of

TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "2001:db8:ffff::/48")))


def named(header: str, *values: str) -> str:
    """Whom proxies of ours name by these."""
    return Proxies(TRUSTED, header).client([(header.encode(), value.encode()) for value in values])


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["192.0.2.1"], "192.0.2.1"),
        (["198.51.100.7, 192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1, 10.0.0.1"], "192.0.2.1"),
        (["198.51.100.7", "192.0.2.1,10.1.1.1"], "192.0.2.1"),
        (["10.0.0.2, 10.0.0.1"], "10.0.0.2"),
        (["192.0.2.1:4711"], "192.0.2.1"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1, garbage, 10.0.0.1"], "10.0.0.1"),
        (["unknown"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_the_last_that_is_no_proxy_of_ours_is_the_client(values: list[str], client: str) -> None:
    assert named("x-forwarded-for", *values) == client


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=192.0.2.1", "192.0.2.1"),
        ("for=198.51.100.7, For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
        ('proto=https; for="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="192.0.2.1:80", for=10.0.0.1', "192.0.2.1"),
        ('for="198.51.100.7, for=192.0.2.1', "192.0.2.1"),
        ("for=_hidden", ""),
        ("by=192.0.2.1", ""),
        ("proto=x-for=198.51.100.7", ""),
    ],
)
def test_forwarded_is_understood_too(value: str, client: str) -> None:
    assert named("forwarded", value) == client


def test_the_header_that_was_not_chosen_is_not_read() -> None:
    headers = [(b"forwarded", b"for=198.51.100.7"), (b"x-forwarded-for", b"192.0.2.1")]
    assert Proxies(TRUSTED, "x-forwarded-for").client(headers) == "192.0.2.1"
    assert Proxies(TRUSTED, "forwarded").client(headers) == "198.51.100.7"


def test_a_list_without_end_is_not_read_to_its_begin() -> None:
    assert named("x-forwarded-for", ",".join(["192.0.2.1", *["10.0.0.1"] * MOST_HOPS])) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("2001:db8:ffff::1", True), ("192.0.2.1", False), ("", False)],
)
def test_trust_goes_by_network(peer: str, trusted: bool) -> None:
    assert Proxies(TRUSTED, "x-forwarded-for").trust(peer) is trusted


def test_nobody_is_trusted_unless_named() -> None:
    assert not Proxies((), "x-forwarded-for").trust("127.0.0.1")


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_client_is_counted_by_what_it_cannot_choose(address: str, site: str) -> None:
    assert site_of(address) == site
