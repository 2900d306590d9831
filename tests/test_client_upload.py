"""An upload of the client's: in pieces, over a line that breaks and beside others; and to the real service."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.client import Client, Refused, Unreachable
from app.client.upload import FIRST_PIECE_BYTES, TRIES_IN_A_ROW
from tests.awaited import face
from tests.small_server import Answer, SmallServer, json, problem, serving

__all__ = ["face"]

PLACE = "/api/uploads/tus/u1"
WHOLE = json({"input": "upload:u1"})


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        link = f"https://elsewhere.example{PLACE}"
        server.will("/api/uploads", Answer(201, headers={"Location": link, "Upload-Offset": "0"}))
        yield server


@pytest.fixture
def client(face: Any, server: SmallServer) -> Iterator[Client]:
    with face(server.url, timeout=5) as client:
        yield client


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "my clip ü.mp4"
    path.write_bytes(bytes(range(256)) * 2_000)
    return path


def empty(path: Path) -> None:
    path.write_bytes(b"")


def at(offset: int, status: int = 204) -> Answer:
    return Answer(status, headers={"Upload-Offset": str(offset)})


def pieces(server: SmallServer) -> list[tuple[int, bytes]]:
    seen = [seen for seen in server.seen_at(PLACE) if seen.method == "PATCH"]
    return [(int(seen.headers["Upload-Offset"]), seen.body) for seen in seen]


def test_a_file_goes_in_pieces_and_says_what_it_is(client: Client, server: SmallServer, clip: Path) -> None:
    server.will(PLACE, at(FIRST_PIECE_BYTES), at(512_000), WHOLE)
    heard: list[tuple[int, int]] = []
    assert client.upload(clip, lambda sent, total: heard.append((sent, total)))["input"] == "upload:u1"
    begun = server.seen[0]
    metadata = dict(pair.split(" ") for pair in begun.headers["Upload-Metadata"].split(","))
    assert begun.headers["Upload-Length"] == "512000"
    assert b64decode(metadata["filename"]).decode() == clip.name
    assert b64decode(metadata["filetype"]) == b"video/mp4"
    assert b"".join(body for _, body in pieces(server)) == clip.read_bytes()
    assert heard == [(FIRST_PIECE_BYTES, 512_000), (512_000, 512_000)]


@pytest.mark.parametrize(
    "broken",
    [
        Answer(502),
        Answer(torn=True),
        problem(409, "offset_mismatch", "It stands elsewhere"),
        problem(423, "upload_busy", "In other hands"),
    ],
)
def test_what_breaks_off_goes_on_where_the_service_says(
    client: Client, server: SmallServer, clip: Path, broken: Answer
) -> None:
    server.will(PLACE, broken, at(1_000, 200), at(1_000 + FIRST_PIECE_BYTES), at(512_000), WHOLE)
    client.upload(clip)
    (_, lost), *others = pieces(server)
    assert [offset for offset, _ in others] == [1_000, 1_000 + FIRST_PIECE_BYTES]
    assert lost[:1_000] + b"".join(body for _, body in others) == clip.read_bytes()


def test_what_is_refused_for_good_is_not_repeated(client: Client, server: SmallServer, clip: Path) -> None:
    server.will(PLACE, problem(404, "unknown_upload", "No such upload"))
    with pytest.raises(Refused, match="No such upload"):
        client.upload(clip)
    assert len(pieces(server)) == 1


def test_a_line_that_never_brings_anything_is_given_up(
    client: Client, server: SmallServer, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.client.upload.LONGEST_PAUSE_SECONDS", 0.01)
    server.will(PLACE, *[Answer(torn=True), at(0, 200)] * (2 * TRIES_IN_A_ROW))
    with pytest.raises(Unreachable):
        client.upload(clip)
    assert len(pieces(server)) == TRIES_IN_A_ROW


def test_a_file_that_shrinks_while_it_is_sent_is_an_error(client: Client, server: SmallServer, clip: Path) -> None:
    server.will(PLACE, at(FIRST_PIECE_BYTES))
    with pytest.raises(OSError, match="shorter"):
        client.upload(clip, lambda _sent, _total: empty(clip))


def test_a_file_that_is_none_is_an_error_and_nothing_is_begun(client: Client, server: SmallServer) -> None:
    with pytest.raises(FileNotFoundError):
        client.upload("no such file")
    assert server.seen == []
