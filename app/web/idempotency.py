"""The `Idempotency-Key` header: a quoted structured-field string (RFC 9651), or bare as most clients send it."""

import re
from typing import Annotated, Final

from pydantic import Field
from starlette.requests import Request

from app.errors import BadRequest
from app.web.contract import Parameter

HEADER: Final = "Idempotency-Key"

_QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x7e]+")
_ESCAPED = re.compile(r"\\(.)")

LONGEST: Final = 255

IDEMPOTENCY_KEY: Final = Parameter(
    HEADER,
    f"Names this submission, so that it can be sent again; 1 to {LONGEST} characters, quoted or bare.",
    Annotated[str, Field(max_length=LONGEST, pattern=f"^({_QUOTED.pattern}|{_BARE.pattern})$")],
    where="header",
)


def key_of(request: Request) -> str:
    """The key, or an empty string where there is none. Raises BadRequest for a malformed one."""
    values = request.headers.getlist(HEADER)
    if not values:
        return ""
    text = values[0].strip()
    quoted = _QUOTED.fullmatch(text)
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else text if _BARE.fullmatch(text) else ""
    if len(values) > 1 or not 0 < len(key) <= LONGEST:
        raise BadRequest(f"{HEADER} must be one string of 1 to {LONGEST} printable characters.", header=HEADER)
    return key
