"""What is shown to be let in: whatever it is, it is known or it is not; nothing breaks, and nothing forged is known."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from starlette.datastructures import QueryParams

from app.auth import Principal, Reach, Scope
from app.auth.keys import digest_of, id_of, is_key, new_key
from app.auth.tokens import Tokens
from app.errors import Forbidden, Unauthenticated
from app.settings import Settings
from app.store import Secret
from app.web.gate import ACCESS_TOKEN, COOKIE, credential_of
from tests.fuzz.hostile import asking, field_values, hard, words

FAR_MS = 1 << 42


def tokens() -> Tokens:
    return Tokens(Secret.of(Redis(), Settings.model_validate({"secret": "0123456789abcdef"})))


@hard
@given(
    st.one_of(words, words.map("tdg_{}".format), st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=38, max_size=38))
)
def test_a_key_is_told_from_what_only_looks_like_one(text: str) -> None:
    assert is_key(text) is False
    assert len(id_of(digest_of(text))) == 12


@hard
@given(st.data())
def test_a_key_with_a_typing_error_is_none(data: st.DataObject) -> None:
    key = new_key()
    assert is_key(key)
    at = data.draw(st.integers(4, len(key) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
    wrong = key[:at] + other + key[at + 1 :]
    assert is_key(wrong) is (wrong == key)


@hard
@given(st.data())
async def test_a_token_is_what_was_signed_or_nothing(data: st.DataObject) -> None:
    reach = Reach(tag=data.draw(words), jobs=frozenset(data.draw(st.lists(words, max_size=2))))
    principal = Principal("default", frozenset({Scope.READ}), "credential", FAR_MS, reach)
    token = await tokens().sign(principal)
    with suppress(Unauthenticated):  # it is too long
        assert await tokens().read(token) == principal
    at = data.draw(st.integers(0, len(token)))
    forged = token[:at] + data.draw(words) + token[at + data.draw(st.integers(0, 2)) :]
    with suppress(Unauthenticated):
        assert await tokens().read(forged) == principal
        assert forged == token


@hard
@given(st.one_of(words, words.map("tdt_{}".format), st.tuples(words, words).map(".".join)))
async def test_a_made_up_token_is_none(token: str) -> None:
    with suppress(Unauthenticated):
        raise AssertionError(await tokens().read(token))


@hard
@given(
    st.one_of(st.none(), field_values, field_values.map("Bearer {}".format)),
    st.one_of(st.none(), field_values, field_values.map(f"a=b; {COOKIE}={{}}".format)),
    st.one_of(st.none(), words),
    st.booleans(),
    st.sampled_from(["GET", "POST"]),
)
def test_a_credential_is_found_or_there_is_none(
    header: str | None, cookie: str | None, in_query: str | None, in_url: bool, method: str
) -> None:
    headers = [(name, value) for name, value in (("Authorization", header), ("Cookie", cookie)) if value is not None]
    query = "" if in_query is None else str(QueryParams({ACCESS_TOKEN: in_query}))
    with suppress(Forbidden):
        credential = credential_of(asking(headers, query, method), in_url=in_url)
        if header is not None:
            assert credential in header
        elif not in_url and cookie is None:
            assert credential == ""
