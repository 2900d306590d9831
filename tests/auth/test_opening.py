"""When a service may be open."""

import pytest

from app.auth.opening import open_note, why_not_open
from app.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
@pytest.mark.parametrize("auth", ["", "off"])
def test_on_loopback_it_may_be_open_and_says_so(host: str, auth: str) -> None:
    settings = Settings(host=host, auth=auth)
    assert why_not_open(settings) == ""
    assert "Open" in open_note(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
@pytest.mark.parametrize("auth", ["", "off"])
def test_elsewhere_it_must_not_unless_somebody_insists_in_ugly_words(host: str, auth: str) -> None:
    assert "TIDINGS_AUTH=keys" in why_not_open(Settings(host=host, auth=auth))
    insisted = Settings(host=host, auth=auth, allow_open="yes-i-know")
    assert why_not_open(insisted) == ""
    assert "EVERYBODY" in open_note(insisted)


def test_with_keys_it_may_listen_anywhere_and_has_nothing_to_say() -> None:
    settings = Settings(host="0.0.0.0", auth="keys")
    assert (why_not_open(settings), open_note(settings)) == ("", "")
