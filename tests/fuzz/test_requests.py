"""Whole requests over a raw connection: any method, target, fields and body. There is always an answer, never a 5xx."""

import asyncio
from urllib.parse import quote_from_bytes

import httpx
from hypothesis import given
from hypothesis import strategies as st

from app.main import assemble
from app.settings import Settings
from app.web.contract import Described
from tests.fuzz.hostile import field_values, hard
from tests.web.conftest import Store

FIELDS = [
    *("Accept", "Authorization", "Content-Encoding", "Content-Type", "Cookie", "Idempotency-Key", "If-Match"),
    *("If-None-Match", "If-Range", "Last-Event-ID", "Origin", "Range", "Sec-Fetch-Site", "Tus-Resumable"),
    *("Upload-Checksum", "Upload-Defer-Length", "Upload-Length", "Upload-Metadata", "Upload-Offset"),
    *("X-HTTP-Method-Override", "X-Forwarded-For", "Forwarded", "TE", "Expect"),
]
"""`Prefer` is none of them: it may be granted, and then the answer waits."""

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PATHS = [route.path_format for route in assemble(Settings()).routes if isinstance(route, Described)]

segments = st.one_of(st.binary(max_size=30).map(quote_from_bytes), st.text("a%2f.\\~0-_", max_size=12))
queries = st.lists(
    st.tuples(st.sampled_from(["after", "last_event_id", "limit", "cursor", "kind", "x", "access_token"]), segments),
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


async def status_of(address: str, request: bytes) -> int:
    url = httpx.URL(address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        async with asyncio.timeout(20):
            writer.write(request)
            line = await reader.readline()
    finally:
        writer.transport.abort()
    return int(line.split()[1])


@hard
@given(
    st.sampled_from(METHODS),
    st.sampled_from(PATHS),
    st.lists(segments, min_size=3, max_size=3),
    queries,
    st.dictionaries(st.sampled_from(FIELDS), field_values, max_size=5),
    st.one_of(st.just(b""), st.binary(max_size=60), st.just(b'{"kind":"anything"}')),
    st.booleans(),
)
async def test_whatever_is_sent_is_answered_and_never_by_a_5xx(
    address: str,
    store: Store,
    method: str,
    path: str,
    strange: list[str],
    query: str,
    fields: dict[str, str],
    body: bytes,
    known: bool,
) -> None:
    job_id = (await store.completed()).job_id if known else strange[0]
    target = path.replace("{job_id}", job_id)
    for segment in strange:
        head, brace, rest = target.partition("{")
        target = head + segment + rest.partition("}")[2] if brace else target
    lines = [
        f"{method} {target}?{query} HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    status = await status_of(address, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    assert 200 <= status < 500
