"""Frames of the multiplexed WebSocket: each is answered, or the connection is closed with the code for it."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.errors import BadMessage, BadRequest
from app.web.filters import filter_from
from app.web.frames import Frame, SubscribeFeed, read_frame
from tests.fuzz.hostile import hard, objects, values, words

OPS = ["subscribe", "unsubscribe", "cancel", "ping", "auth", "dance"]
MEMBERS = {
    "job_id": st.one_of(st.from_regex(r"[a-z2-7]{26}", fullmatch=True), values),
    "feed": st.one_of(st.just(True), values),
    "filter": st.one_of(
        st.dictionaries(st.sampled_from(["status", "kind", "tag"]), st.one_of(words, st.lists(words), values)), values
    ),
    "after": st.one_of(st.integers(), values),
    "ref": st.one_of(words, st.integers(), values),
    "reason": values,
    "token": values,
}
frames = st.one_of(st.fixed_dictionaries({"op": st.one_of(st.sampled_from(OPS), values)}, optional=MEMBERS), objects)


@hard
@given(frames)
def test_an_object_is_a_frame_or_refused(members: dict[str, Any]) -> None:
    with suppress(BadMessage, BadRequest):
        frame = read_frame(members)
        assert isinstance(frame, Frame)
        if isinstance(frame, SubscribeFeed):
            filter_from(frame.filter)


@hard
@given(st.lists(st.one_of(frames.map(json.dumps), words, values.map(json.dumps)), min_size=1, max_size=4))
async def test_each_frame_is_answered_or_ends_the_connection(address: str, sent: list[str]) -> None:
    async with connect(address.replace("http", "ws", 1) + "/api/ws") as connection:
        with suppress(ConnectionClosed):
            for frame in sent:
                await connection.send(frame)
                for line in str(await connection.recv()).split("\n"):
                    told = json.loads(line)
                    assert ("op" in told) is not ("type" in told)
        assert connection.close_code in (None, 4400)
