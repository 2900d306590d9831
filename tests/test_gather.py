import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.arguments import ArgumentError
from app.cli.gather import MOST_BYTES, gather
from app.client import Client, Refused
from tests.small_server import KINDS, Answer, SmallServer, json, serving

UPLOAD = "/api/uploads/tus/u1"


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        server.will("/api/kinds", json(KINDS))
        server.will("/api/uploads", Answer(201, headers={"Location": UPLOAD}))
        server.will(UPLOAD, Answer(204, headers={"Upload-Offset": "4"}), json({"input": "upload:1"}))
        yield server


@pytest.fixture
def client(server: SmallServer) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"moov")
    return path


def say(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_values_have_the_types_of_the_schema_and_files_are_uploaded(
    client: Client, server: SmallServer, clip: Path
) -> None:
    params = gather(client, "transcode", [f"input={clip}", "height=720", "note=720", "more:=[1]"])
    assert params == {"input": "upload:1", "height": 720, "note": "720", "more": [1]}
    assert server.seen_at(UPLOAD)[0].body == b"moov"


def test_without_words_nobody_is_asked(client: Client, server: SmallServer) -> None:
    assert gather(client, "transcode", []) == {}
    assert server.seen == []


def test_words_complete_what_stdin_says(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, b'{"input": "upload:1", "height": 1}')
    assert gather(client, "transcode", ["-", "height=720"]) == {"input": "upload:1", "height": 720}


@pytest.mark.parametrize("text", [b"[]", b"", b" " * (MOST_BYTES + 1)])
def test_stdin_holds_one_object_of_bounded_size(client: Client, monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    say(monkeypatch, text)
    with pytest.raises(ArgumentError):
        gather(client, "transcode", ["-"])


def test_stdin_that_is_named_twice_holds_nothing_the_second_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, b"{}")
    with pytest.raises(ArgumentError):
        gather(client, "transcode", ["-", "-"])


def test_stdin_that_is_closed_is_told_as_such(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ArgumentError, match="stdin"):
        gather(client, "transcode", ["-"])


@pytest.mark.parametrize("word", ["more:={", "mask=@nowhere"])
def test_nothing_is_uploaded_when_another_word_is_wrong(
    client: Client, server: SmallServer, clip: Path, word: str
) -> None:
    with pytest.raises(ArgumentError):
        gather(client, "transcode", [f"input=@{clip}", word])
    assert server.seen_at(UPLOAD) == []


def test_nothing_is_uploaded_for_an_unknown_kind(client: Client, server: SmallServer, clip: Path) -> None:
    with pytest.raises(Refused, match="paint") as refused:
        gather(client, "paint", [f"input=@{clip}"])
    assert refused.value.code == "unknown_kind"
    assert server.seen_at(UPLOAD) == []


def test_a_file_that_cannot_be_read_is_told_as_such(
    client: Client, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Path) -> bool:
        clip.unlink()
        return True

    monkeypatch.setattr(Path, "is_file", gone)
    with pytest.raises(ArgumentError, match="No such file"):
        gather(client, "transcode", [f"input=@{clip}"])
