"""What strangers may send, as hypothesis makes it up; and how hard it is to try."""

import os
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from starlette.requests import Request

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "200"))

ENDS_OF_LINES: Final = ["\r", "\n", "\r\n", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
FORGERIES: Final = [
    *("\n\nid: 999\nevent: completed\ndata: {}\n\n", "\r\rdata: {}\r\r", "\u2028id: 9\u2028data: {}\u2028\u2028"),
    *("\x1b[2J\x1b]0;x\x07", "\x9b2J", "\u202egpj.exe", "</script><script>alert(1)</script>", '"},"type":"completed"'),
]

hard = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""The server stays the same from one example to the next; what it keeps of them does no harm."""

words = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(st.sampled_from([*ENDS_OF_LINES, *FORGERIES]), st.text(max_size=8)), max_size=6).map("".join),
)

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)
"""Anything JSON can say; lone surrogates excepted, which UTF-8 cannot."""

objects = st.dictionaries(words, values, max_size=4)

field_values = st.one_of(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60),
    st.text(' \t,;="\\/*-.0123456789abqw\x80\xff', max_size=60),
    st.integers(-(10**20), 10**20).map(str),
)
"""What can stand in a header."""


def asking(headers: list[tuple[str, str]], query: str = "", method: str = "GET") -> Request:
    """A request of that head alone."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    return Request(scope)
