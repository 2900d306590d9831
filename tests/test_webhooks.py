"""Which URLs may be called back, and of which events."""

import pytest

from app.webhooks import (
    DEFAULT_EVENTS,
    checked_event,
    checked_url,
    is_webhook_secret,
    new_webhook_secret,
    port_of,
    receiver_of,
)


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://a.example/x?y=z", "a.example:443"),
        ("HTTP://A.Example", "a.example:80"),
        ("http://a.example:80/", "a.example:80"),
        ("http://a.example:8080/", "a.example:8080"),
        ("http://[2001:db8::1]:81/", "2001:db8::1:81"),
        ("https://a.example./", "a.example.:443"),
        ("https://a.example/" + 2_030 * "x", "a.example:443"),
    ],
)
def test_a_url_leads_to_a_receiver(url: str, receiver: str) -> None:
    assert checked_url(url) == url
    assert receiver_of(url) == receiver
    assert port_of(url) == int(receiver.rpartition(":")[2])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example/",
        "ftp://a.example/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://:80/",
        "http://user@a.example/",
        "http://user:pass@a.example/",
        "http://@a.example/",
        "http://a.example/#part",
        "http://a.example/#",
        "http://a.example:0/",
        "http://a.example:65536/",
        "http://a.example:x/",
        "http://a example/",
        "http://a.example/ä",
        "http://a.example/\n",
        "http://a.example\\@b.example/",
        "http://[::1/",
        "http://a.example/" + 2_032 * "x",
    ],
)
def test_what_nothing_can_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|[Pp]ort|IPv6"):
        checked_url(url)


@pytest.mark.parametrize("name", [*DEFAULT_EVENTS, "pending", "processing", "progress", "log", "artifact", "my.metric"])
def test_events_there_are_and_a_handlers_own_can_be_told(name: str) -> None:
    assert checked_event(name) == name


@pytest.mark.parametrize("name", ["", "position", "snapshot", "message", "Mine", "a,b", "x" * 65])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be a type"):
        checked_event(name)


def test_a_new_secret_is_one_and_never_the_same() -> None:
    secrets = {new_webhook_secret() for _ in range(10)}
    assert len(secrets) == 10
    assert all(map(is_webhook_secret, secrets))


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_abc", "whsec_" + 31 * "A" + "!", "A" * 32, "whsec_" + 200 * "A"])
def test_what_is_no_secret_is_told(text: str) -> None:
    assert not is_webhook_secret(text)
