"""Which of a resource's forms a client wants, and whether it has it already (RFC 9110 sections 12.5.1 and 13.1.2)."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from starlette.requests import HTTPConnection, Request

from app.jobs import parse_seq
from app.web.contract import Parameter

UNWANTED: Final = 0.0

IF_NONE_MATCH: Final = Parameter("If-None-Match", "Entity tags the client has, or `*`.", where="header")

_ELEMENT = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"?)+')
_WORD = re.compile(r'(?:[^;"]|"(?:\\.|[^"\\])*"?)+')
"""Commas and semicolons inside of quotes separate nothing."""

_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def accept_of(connection: HTTPConnection) -> str:
    """All `Accept` headers as the one list they are (RFC 9110 section 5.3); empty where there is none."""
    return ", ".join(connection.headers.getlist("accept"))


@lru_cache(maxsize=64)  # a client sends the same with each request, and most clients send what others do
def preferred(accept: str, offers: tuple[str, ...]) -> str | None:
    """The offered media type that `Accept` ranks highest, of equals the first; None when it takes none of them."""
    if not accept.strip():
        return offers[0]
    ranges = tuple(_ranges(accept))
    best = max(offers, key=lambda offer: _quality(offer, ranges))
    return best if _quality(best, ranges) > UNWANTED else None


def has_current(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names this entity tag, so that 304 is all the client needs."""
    wanted = ",".join(request.headers.getlist("if-none-match"))
    return wanted.strip() == "*" or _opaque(etag) in _TAG.findall(wanted)


def known_seq(request: Request) -> int | None:
    """The seq the client has, where `If-None-Match` names just one."""
    tags = _TAG.findall(",".join(request.headers.getlist("if-none-match")))
    return parse_seq(tags[0]) if len(tags) == 1 else None


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Media ranges and their qualities; parameters other than `q` play no part here."""
    for element in _ELEMENT.findall(accept):
        media_range, *parameters = [word.strip().lower() for word in _WORD.findall(element)] or [""]
        quality = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        yield media_range, float(quality) if _QUALITY.fullmatch(quality) else 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """That of the most specific range the offer falls into."""
    for media_range in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        for candidate, quality in ranges:
            if candidate == media_range:
                return quality
    return UNWANTED
