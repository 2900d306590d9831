"""What leads somewhere: callback tokens, cursors of lists, URLs of webhooks and the addresses behind them."""

import re
from contextlib import suppress
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from app.artifacts import is_file_name
from app.callbacks import Awaited, read_token, token_of
from app.jobs import new_job_id
from app.logs import without_secrets
from app.store.listing import CURSOR
from app.webhooks import checked_url, is_webhook_secret, receiver_of
from tests.fuzz.hostile import hard, words
from workers.webhooks.addresses import Addresses

SECRET = b"0123456789abcdef"
JOB = new_job_id()


@hard
@given(st.integers(0, 10**9 - 1))
def test_a_token_leads_to_its_wait(wait: int) -> None:
    token = token_of(SECRET, JOB, wait)
    assert read_token(SECRET, token) == Awaited(JOB, wait)
    assert read_token(b"another secret..", token) is None


@hard
@given(st.integers(0, 20), st.data())
def test_no_other_token_leads_anywhere(wait: int, data: st.DataObject) -> None:
    token = token_of(SECRET, JOB, wait)
    at = data.draw(st.integers(0, len(token)))
    forged = token[:at] + data.draw(words) + token[at + data.draw(st.integers(0, 3)) :]
    assert (read_token(SECRET, forged) is None) is (forged != token)


@hard
@given(st.one_of(words, st.tuples(words, words, words).map(".".join)))
def test_made_up_tokens_are_none(token: str) -> None:
    assert read_token(SECRET, token) is None


URLS = st.one_of(
    words.map("http://{}".format),
    st.from_regex(r"https?://[a-z0-9.:@\[\]%_-]{0,30}[/?#\\]?[!-~]{0,20}", fullmatch=True),
    st.tuples(st.sampled_from(["http", "HTTPS", "ftp", "file", "javascript"]), words).map("://".join),
)


@hard
@given(URLS)
@example("http://a\\@b/")
@example("http://[::1]:99999/")
@example("http://[::1%25lo]/")
@example("http://a:0/")
def test_a_webhook_url_leads_to_one_host_or_is_refused(url: str) -> None:
    with suppress(ValueError):
        parts = urlsplit(checked_url(url))
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert (parts.username, parts.password, parts.fragment) == (None, None, "")
        assert not re.search(r"[\x00-\x20\x7f-\xff\\]", url)
        host, _, port = receiver_of(url).rpartition(":")
        assert host == parts.hostname
        assert 0 < int(port) < 1 << 16


@hard
@given(
    st.one_of(words, st.ip_addresses().map(str), st.tuples(st.ip_addresses(v=6), words).map(lambda p: f"{p[0]}%{p[1]}"))
)
def test_an_address_may_be_dialled_or_not_and_one_within_a_zone_never(text: str) -> None:
    assert Addresses().permit(text) is False or "%" not in text


@hard
@given(st.one_of(words, words.map("whsec_{}".format), st.binary(max_size=80).map(lambda b: f"whsec_{b.hex()}")))
def test_what_is_no_secret_of_webhooks_is_none(text: str) -> None:
    assert is_webhook_secret(text) in (True, False)


@hard
@given(st.one_of(words, st.tuples(st.text("0123456789", max_size=20), words).map(".".join)))
def test_a_cursor_is_digits_and_an_id(text: str) -> None:
    if re.fullmatch(CURSOR, text):
        assert float(text.partition(".")[0]) < 10**15
        assert text.isascii()


@hard
@given(st.text(max_size=300))
@example("..")
@example("a/b")
@example("a\0b")
@example("~")
def test_a_file_name_names_one_file_in_one_folder(name: str) -> None:
    with suppress(UnicodeEncodeError):
        if is_file_name(name):
            assert "/" not in name
            assert "\0" not in name
            assert not name.startswith(".")


@hard
@given(words, st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=32, max_size=60))
def test_no_secret_is_left_in_a_line_of_the_log(around: str, secret: str) -> None:
    for said in (
        f"/x?access_token={secret}&after=1",
        f"Authorization: Bearer {secret}",
        f"tdg_{secret}",
        f"tdt_{secret}.{secret}",
        f"whsec_{secret}==",
        f"POST /api/callbacks/{secret}.0.{secret}/fail",
        f"rediss://user:{secret}@host:6379/0",
    ):
        assert secret not in without_secrets(f"{around} {said} {around}").replace(around, "")
