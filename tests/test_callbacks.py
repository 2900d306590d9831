"""Tokens of callback URLs, and when two answers are the same."""

import pytest

from app.callbacks import Awaited, callback_url, fingerprint, read_token, token_of

SECRET = b"s" * 32
JOB = "k7q2m4x5r6t7v8w9a2b3c4d5e6"
TOKEN = token_of(SECRET, JOB, 3)


def test_a_token_tells_of_which_wait_it_is() -> None:
    assert read_token(SECRET, TOKEN) == Awaited(JOB, 3)


def test_it_can_stand_in_a_url_as_it_is() -> None:
    assert set(TOKEN) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert callback_url("https://jobs.example", TOKEN) == f"https://jobs.example/api/callbacks/{TOKEN}"


@pytest.mark.parametrize(
    "forged",
    [
        "",
        JOB,
        f"{JOB}.3",
        f"{JOB}.3.",
        f"{JOB}.4.{TOKEN.rpartition('.')[2]}",
        f"{'a' * 26}.3.{TOKEN.rpartition('.')[2]}",
        f"{JOB}.03.{TOKEN.rpartition('.')[2]}",
        f"{JOB}.٣.{TOKEN.rpartition('.')[2]}",
        f"{JOB}.{'9' * 400}.x",
        f"{TOKEN}x",
        TOKEN[:-1],
        f"{TOKEN}.",
        "\x00.0.ü",
        token_of(b"t" * 32, JOB, 3),
    ],
)
def test_any_other_text_is_no_token(forged: str) -> None:
    assert read_token(SECRET, forged) is None


def test_answers_that_say_the_same_are_alike() -> None:
    assert fingerprint("completed", {"a": 1, "b": [None]}) == fingerprint("completed", {"b": [None], "a": 1})
    assert fingerprint("completed", {"a": 1}) != fingerprint("completed", {"a": 2})
    assert fingerprint("completed", {}) != fingerprint("failed", {})
