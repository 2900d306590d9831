"""Reading a request's body: bounded in size, in depth and in time. Called by the doors that take one."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from json import JSONDecoder
from sys import float_info
from typing import Any, Final

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from app.begun import Begun
from app.errors import BadRequest, BodyTooLarge, InvalidJson, Refusal, RequestTimeout, Unavailable, UnsupportedMediaType
from app.settings import Settings
from app.web.pace import Pace

JSON: Final = "application/json"
BATCH_BYTES: Final = 1 << 20
MOST_HELD_BYTES: Final = 256 << 20
"""Of JSON bodies that have not come whole, in one process and for one sort of doors."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Bodies:
    """What this deployment lets clients send."""

    def __init__(self, settings: Settings) -> None:
        self._most_bytes = settings.max_body_bytes
        self._most_depth = settings.max_json_depth
        self._silence_seconds = settings.body_silence_seconds
        self._whole_seconds = settings.body_seconds
        self._least_rate = settings.min_upload_rate
        self._held_bytes = 0

    async def json(self, request: Request, *, default: Any = None) -> Any:
        """The body as a JSON value; `default` where that is given and there is no body.

        Raises UnsupportedMediaType, BodyTooLarge, RequestTimeout, Unavailable or InvalidJson.
        """
        body = await self._whole(request, self._most_bytes)
        if not body and default is not None:
            return default
        _expect_json(request)
        return parse(body, self._most_depth)

    async def large_json(self, request: Request, most_bytes: int) -> Any:
        """The same of a body that may be larger. It is looked through in a thread, as that takes its time."""
        body = await self._whole(request, most_bytes)
        _expect_json(request)
        return await asyncio.to_thread(parse, body, self._most_depth)

    async def checked_json(self, request: Request, most_bytes: int) -> bytes:
        """The same body as it came: signatures are of bytes."""
        body = await self._whole(request, most_bytes)
        _expect_json(request)
        parse(body, self._most_depth)
        return body

    async def _whole(self, request: Request, most_bytes: int) -> bytes:
        _check_head(request, most_bytes, BodyTooLarge)
        pace = self._pace_of_whole(most_bytes)
        body, more = await self._next(request, pace)
        if more:
            body = await self._rest(request, pace, body, most_bytes)
        if len(body) > most_bytes:
            raise _too_large(most_bytes, BodyTooLarge)
        return body

    async def _rest(self, request: Request, pace: Pace, body: bytes, most_bytes: int) -> bytes:
        """All of a body that comes in pieces, or the first that are too much."""
        pieces, more, length = [body], True, len(body)
        self._held_bytes += length
        try:
            while more and length <= most_bytes:
                if self._held_bytes > MOST_HELD_BYTES:
                    raise Unavailable("Too much is coming in at the moment.", headers={"Retry-After": "5"})
                piece, more = await self._next(request, pace)
                pieces.append(piece)
                length += len(piece)
                self._held_bytes += len(piece)
        finally:
            self._held_bytes -= length
        return b"".join(pieces)

    def _pace_of_whole(self, most_bytes: int) -> Pace:
        """A body that may be many times as large as others has as many times as long, but must not trickle."""
        if most_bytes <= self._most_bytes:
            return Pace(self._silence_seconds, whole_seconds=self._whole_seconds)
        seconds = self._whole_seconds * most_bytes / self._most_bytes
        return Pace(self._silence_seconds, whole_seconds=seconds, bytes_per_second=self._least_rate)

    async def chunks(self, request: Request, most_bytes: int, too_large: type[Refusal]) -> AsyncIterator[bytes]:
        """The body as it comes. Refuses what says it is too large before reading it.

        Raises `too_large`, UnsupportedMediaType, RequestTimeout, or starlette's ClientDisconnect when it ends early.
        """
        _check_head(request, most_bytes, too_large)
        pace = Pace(self._silence_seconds, bytes_per_second=self._least_rate)
        received, more = 0, True
        while more:
            chunk, more = await self._next(request, pace)
            received += len(chunk)
            if received > most_bytes:
                raise _too_large(most_bytes, too_large)
            if chunk:
                yield chunk

    async def batches(self, request: Request, most_bytes: int, too_large: type[Refusal]) -> AsyncIterator[bytearray]:
        """The same in pieces worth a write. What came before the body broke off is a piece too, before it is told."""
        batch = bytearray()
        try:
            async for chunk in self.chunks(request, most_bytes, too_large):
                batch += chunk
                if len(batch) >= BATCH_BYTES:
                    yield batch
                    batch = bytearray()
        except (ClientDisconnect, RequestTimeout):
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    async def _next(self, request: Request, pace: Pace) -> tuple[bytes, bool]:
        """The next chunk, and whether more come; to Starlette's `stream` the end would be one more wait."""
        receiving = request.receive()
        assert isinstance(receiving, Coroutine)
        try:
            suspended_at = receiving.send(None)
        except StopIteration as received:  # it was there already, as small bodies are
            message = received.value
        else:
            message = await pace.wait_for(Begun(receiving, suspended_at))
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        pace.came(len(chunk))
        return chunk, message.get("more_body", False)


def _check_head(request: Request, most_bytes: int, too_large: type[Refusal]) -> None:
    headers = request.headers
    if "content-encoding" in headers and not _is_plain(headers.getlist("content-encoding")):
        detail = "Send the body as it is, without a Content-Encoding."
        raise UnsupportedMediaType(detail, headers={"Accept-Encoding": "identity"}, header="Content-Encoding")
    if declared_length(request) > most_bytes:
        raise _too_large(most_bytes, too_large)


def _is_plain(codings: Iterable[str]) -> bool:
    return all(coding.strip().lower() == "identity" for coding in codings)


def _too_large(most_bytes: int, too_large: type[Refusal]) -> Refusal:
    return too_large(f"The most is {most_bytes} bytes.", max_bytes=most_bytes)


def _expect_json(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != JSON:
        detail = f"Send JSON, and say so: `Content-Type: {JSON}`."
        raise UnsupportedMediaType(detail, headers={"Accept": JSON}, header="Content-Type")


def declared_length(request: Request) -> int:
    """What `Content-Length` says, 0 where it says nothing. Raises BadRequest for what is no length."""
    text = request.headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadRequest("Content-Length is not a number.", header="Content-Length")
    return int(text)


def parse(body: bytes, most_depth: int) -> Any:
    """A JSON value (RFC 8259).

    Raises InvalidJson, also for numbers beyond a double, for too many levels and for a name given twice, of which
    every parser believes another one.
    """
    if body.startswith(BYTE_ORDER_MARK):
        raise InvalidJson("The body begins with a byte order mark; leave it out (RFC 8259 section 8.1).")
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidJson(f"The body is not JSON: {error}.") from None
    if _check(value, most_depth) != body.count(b":"):  # or there are colons in strings
        _REPEATS.decode(body.decode())
    return value


def _check(value: Any, most_depth: int) -> int:
    """How many members all objects have. Level by level, so that depth costs no stack."""
    level, depth, members = [value], 0, 0
    while level:
        below: list[Any] = []
        if depth == most_depth and any(isinstance(node, (dict, list)) for node in level):
            detail = f"The body is nested too deeply; the most is {most_depth} levels."
            raise InvalidJson(detail, max_depth=most_depth)
        for node in level:
            if isinstance(node, dict):
                members += len(node)
                below += node.values()
            elif isinstance(node, list):
                below += node
            elif isinstance(node, (int, float)) and not -float_info.max <= node <= float_info.max:
                raise InvalidJson("A number in the body is out of range; the largest is about 1.8e308.")
        level, depth = below, depth + 1
    return members


def _without_repeats(members: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            raise InvalidJson(f"The body has {name[:64]!r} twice in one object; send it once.")
        seen.add(name)


_REPEATS: Final = JSONDecoder(object_pairs_hook=_without_repeats, parse_int=str)
"""Looks for names given twice in what is known to be JSON."""
