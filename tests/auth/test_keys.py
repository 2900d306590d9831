"""How an API key looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.keys import LENGTH, digest_of, id_of, is_key, is_key_id, new_key


def test_a_key_is_long_enough_never_the_same_and_known_by_its_look() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("tdg_") and len(key) == LENGTH and is_key(key) for key in keys)


@pytest.mark.parametrize("place", range(4, LENGTH))
def test_one_wrong_character_is_noticed_without_asking_anybody(place: int) -> None:
    key = new_key()
    other = "b" if key[place] == "a" else "a"
    assert not is_key(key[:place] + other + key[place + 1 :])


@given(st.text(max_size=60))
def test_no_other_text_is_a_key(text: str) -> None:
    assert not is_key(text)
    assert not is_key(f"tdg_{text}")


def test_what_is_kept_does_not_tell_the_key() -> None:
    key = new_key()
    digest = digest_of(key)
    assert key not in digest
    assert digest == digest_of(key) != digest_of(new_key())
    assert is_key_id(id_of(digest))
