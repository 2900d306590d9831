"""The `Prefer` header (RFC 7240): how a client would like to be answered. Read by the doors of jobs.

What is unknown or malformed is ignored, never an error: a preference is no demand.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from app.web.contract import Parameter

MOST_WAIT_SECONDS: Final = 60

PREFER: Final = Parameter(
    "Prefer",
    f"`wait=N` holds the answer back for up to N seconds, at most {MOST_WAIT_SECONDS}; `respond-async` (RFC 7240).",
    where="header",
)

_BARE: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_WORD: Final = rf'(?:{_BARE}|"(?:[^"\\]|\\.)*+")'
_PARAMETER: Final = rf"{_BARE}(?:[ \t]*+=[ \t]*+{_WORD})?+"
_PREFERENCE = re.compile(
    rf"[ \t]*+({_BARE})(?:[ \t]*+=[ \t]*+({_WORD}))?+(?:[ \t]*+;[ \t]*+(?:{_PARAMETER})?+)*+[ \t]*+(?:,|\Z)"
)
_ESCAPED = re.compile(r"\\(.)")
_WHOLE = re.compile(r"0*([0-9]+)")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What this service knows of them. `wait` is whole seconds, at most `MOST_WAIT_SECONDS`; 0 is no wait."""

    respond_async: bool = False
    wait: int = 0

    @classmethod
    def of(cls, request: Request) -> "Preferences":
        """Those of a request; of a name that comes twice the first counts."""
        lines = request.headers.getlist("prefer")
        if not lines:
            return NONE
        wanted: dict[str, str] = {}
        for name, value in _listed(",".join(lines)):
            wanted.setdefault(name, value)
        return cls(wanted.get("respond-async") == "", _seconds(wanted.get("wait", "")))


NONE: Final = Preferences()


def applied(*, respond_async: bool = False, wait: int = 0) -> dict[str, str]:
    """The header that tells which preferences were honoured (RFC 7240 section 3), if any was."""
    honoured = ["respond-async"] * respond_async + [f"wait={wait}"] * bool(wait)
    return {"Preference-Applied": ", ".join(honoured)} if honoured else {}


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """Names in lower case, with their values; one without a value has an empty one (RFC 7240 section 2)."""
    at = 0
    while at < len(text):
        if found := _PREFERENCE.match(text, at):
            yield found[1].lower(), _plain(found[2] or "")
        at = found.end() if found else (text.find(",", at) + 1 or len(text))


def _plain(word: str) -> str:
    return _ESCAPED.sub(r"\1", word[1:-1]) if word.startswith('"') else word


def _seconds(value: str) -> int:
    whole = _WHOLE.fullmatch(value)
    return min(int(whole[1][:3]), MOST_WAIT_SECONDS) if whole else 0
