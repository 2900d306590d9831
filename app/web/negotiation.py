"""Which of a resource's forms a client wants, and whether it has it already (RFC 9110 sections 12.5.1 and 13.1.2)."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from starlette.requests import Request

from app.web.contract import Parameter

UNWANTED: Final = 0.0

IF_NONE_MATCH: Final = Parameter("If-None-Match", "Entity tags the client has, or `*`.", where="header")

_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def preferred(accept: str | None, offers: Sequence[str]) -> str | None:
    """The offered media type that `Accept` ranks highest, of equals the first; None when it takes none of them."""
    if not accept or not accept.strip():
        return offers[0]
    ranges = list(_ranges(accept))
    best = max(offers, key=lambda offer: _quality(offer, ranges))
    return best if _quality(best, ranges) > UNWANTED else None


def has_current(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names this entity tag, so that 304 is all the client needs."""
    wanted = ",".join(request.headers.getlist("if-none-match"))
    return wanted.strip() == "*" or _opaque(etag) in _TAG.findall(wanted)


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Media ranges and their qualities; parameters other than `q` play no part here."""
    for part in accept.split(","):
        media_range, *parameters = (word.strip().lower() for word in part.split(";"))
        quality = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        yield media_range, float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """That of the most specific range the offer falls into."""
    for media_range in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        for candidate, quality in ranges:
            if candidate == media_range:
                return quality
    return UNWANTED
