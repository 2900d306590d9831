"""Which addresses a webhook may go to: every special range of both families, and what hides an address in another."""

from ipaddress import ip_network

import pytest

from workers.webhooks.addresses import SPECIAL_V4, SPECIAL_V6, Addresses

PUBLIC = Addresses()

REFUSED = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *(
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
    ),
    *("192.0.0.1", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1"),
    *("192.168.255.255", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::2", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe"),
    *("::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8"),
    *("100::1", "100:0:0:1::1", "2001::1", "2001:0:7f00:1::", "2001:1::1", "2001:2::1", "2001:10::1", "2001:20::1"),
    *("2001:30::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "2620:4f:8000::1", "3fff::1", "3fff:fff::1"),
    *("4000::1", "5f00::1", "8000::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "febf::1", "fec0::1"),
    *("ff00::1", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2606:4700:4700::1111%eth0"),
    *(
        "",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "1.1.1.1.",
        "1.1.1.1/32",
        "[::1]",
        "1.1.1.1%0",
    ),
]

PERMITTED = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255", "100.128.0.0"),
    *(
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
    ),
    *("192.0.1.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2000::1", "2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1", "3ffe::1"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not PUBLIC.permit(address)


@pytest.mark.parametrize("address", PERMITTED)
def test_what_is_public_is_permitted(address: str) -> None:
    assert PUBLIC.permit(address)


@pytest.mark.parametrize("network", [*SPECIAL_V4, *SPECIAL_V6])
def test_special_ranges_are_refused_from_their_first_address_to_their_last(network: object) -> None:
    asked = ip_network(str(network))
    assert not PUBLIC.permit(str(asked[0]))
    assert not PUBLIC.permit(str(asked[-1]))


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        *(("10.1.2.3", True), ("10.2.0.1", False), ("::ffff:10.1.2.3", True), ("64:ff9b::10.1.2.3", True)),
        *(("fd12:3456::1", True), ("fd12:3457::1", False), ("127.0.0.1", False), ("8.8.8.8", True)),
    ],
)
def test_a_network_that_is_allowed_is_permitted_and_nothing_beside_it(address: str, permitted: bool) -> None:
    assert Addresses(["10.1.0.0/16", "fd12:3456::/32"]).permit(address) is permitted


def test_what_is_no_network_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="host bits"):
        Addresses(["10.1.2.3/8"])
