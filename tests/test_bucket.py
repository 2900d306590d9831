"""What only S3 has: signed links, refusals and outages. And that nothing secret is told."""

import errno
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import httpx
import pytest

from app.artifacts import FileStore, artifact_key
from app.jobs import Artifact, new_job_id
from app.settings import Settings
from tests.gateway import SECRET, Gateway, files_of, signer

MIB: Final = 1 << 20
ANSWER: Final = {
    "content-type": "video/mp4",
    "content-disposition": "inline; filename*=utf-8''F%C3%BC%C3%9Fe%20%26%20x",
}


@pytest.fixture
def files(gateway: Gateway, tmp_path: Path) -> FileStore:
    return files_of(tmp_path, **gateway.settings())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(bytes(range(256)))
    return path


def link(files: FileStore, artifact: Artifact, method: str = "GET", *, seconds_ago: float = 0) -> str:
    signed = files.link(artifact, method, ANSWER, int((time.time() - seconds_ago) * 1000))
    assert signed
    return signed


@pytest.mark.parametrize("name", ["a.bin", 'Füße "1" & 100%+~*\'(x).mp4'])
def test_a_link_opens_its_file_with_the_header_that_was_asked_for(files: FileStore, source: Path, name: str) -> None:
    artifact = files.save(new_job_id(), 1, name, source)
    whole = httpx.get(link(files, artifact))
    assert (whole.status_code, whole.content) == (200, source.read_bytes())
    assert {name: whole.headers[name] for name in ANSWER} == ANSWER
    part = httpx.get(link(files, artifact), headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, source.read_bytes()[10:20])
    head = httpx.head(link(files, artifact, "HEAD"))
    assert (head.status_code, head.headers["content-length"]) == (200, "256")


def test_a_link_is_good_for_one_file_one_answer_one_method_and_a_while(
    gateway: Gateway, source: Path, tmp_path: Path
) -> None:
    files = files_of(tmp_path, **gateway.settings(s3_link_seconds=60))
    artifact = files.save(new_job_id(), 1, "a.bin", source)
    other = files.save(new_job_id(), 1, "b.bin", source)
    good = link(files, artifact)
    refused = [
        good.replace(artifact.key, other.key),
        good.replace("video%2Fmp4", "text%2Fhtml"),
        good.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        link(files, artifact, seconds_ago=62),
    ]
    assert [httpx.get(url).status_code for url in (good, *refused)] == [200, 403, 403, 403, 403]
    assert httpx.delete(good).status_code == 403
    assert httpx.get(link(files, artifact, seconds_ago=50)).status_code == 200


def saved(files: FileStore, source: Path) -> None:
    files.save(new_job_id(), 1, "a", source)


def fetched(files: FileStore, source: Path) -> None:
    files.fetch("uploads/x", source.with_name("target"))


def dropped(files: FileStore, _: Path) -> None:
    files.drop_artifacts(new_job_id())


def listed(files: FileStore, _: Path) -> None:
    files.objects.room("artifacts").entries()


def noted(files: FileStore, _: Path) -> None:
    files.objects.note("note").text()


EVERYTHING: Final = (saved, fetched, dropped, listed, noted)
Deed = Callable[[FileStore, Path], None]


@pytest.mark.parametrize("deed", EVERYTHING)
@pytest.mark.parametrize("wrong", [{"s3_secret_access_key": "wrong"}, {"s3_access_key_id": "nobody"}], ids=str)
def test_a_refusal_is_told_at_once_and_without_secrets(
    gateway: Gateway, source: Path, tmp_path: Path, deed: Deed, wrong: dict[str, str]
) -> None:
    files = files_of(tmp_path, **gateway.settings(**wrong))
    with pytest.raises(PermissionError, match=r"^The object store refuses") as raised:
        deed(files, source)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert "http" not in str(raised.value)


@pytest.mark.parametrize("deed", [saved, dropped, listed, noted])  # a HEAD is not told what there is not
def test_a_bucket_that_is_not_there_is_a_refusal(gateway: Gateway, source: Path, tmp_path: Path, deed: Deed) -> None:
    with pytest.raises(PermissionError, match=r"^The object store refuses: NoSuchBucket"):
        deed(files_of(tmp_path, **gateway.settings(store_url="s3://no-such-bucket/x")), source)


@pytest.mark.parametrize("deed", EVERYTHING)
def test_a_store_that_is_away_is_told(gateway: Gateway, source: Path, tmp_path: Path, deed: Deed) -> None:
    nowhere = gateway.settings(s3_endpoint="http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match=r"^The object store does not answer"):
        deed(files_of(tmp_path, **nowhere), source)


@pytest.mark.parametrize(
    ("status", "code", "error", "number"),
    [
        (507, "XMinioStorageFull", OSError, errno.ENOSPC),
        (507, "", OSError, errno.ENOSPC),
        (403, "QuotaExceeded", OSError, errno.ENOSPC),
        (400, "EntityTooLarge", OSError, errno.EFBIG),
        (400, "InvalidRegionName", PermissionError, None),
        (301, "another region", PermissionError, None),
        (429, "SlowDown", ConnectionError, None),
        (503, "SlowDown", ConnectionError, None),
    ],
)
def test_what_a_store_answers_is_told_in_pythons_words(
    gateway: Gateway, source: Path, tmp_path: Path, status: int, code: str, error: type[OSError], number: int | None
) -> None:
    with answering(status, f"<Error><Code>{code}</Code><AWSAccessKeyId>who</AWSAccessKeyId></Error>") as endpoint:
        files = files_of(tmp_path, **gateway.settings(s3_endpoint=endpoint))
        with pytest.raises(error) as raised:
            saved(files, source)
    assert (type(raised.value), raised.value.errno) == (error, number)
    assert code in str(raised.value)
    assert "who" not in str(raised.value)


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """The address of a server that has one answer; the gateway never gives these."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_save_outlives_a_short_outage_of_a_killed_server(gateway: Gateway, source: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, **gateway.settings())
    files = FileStore.of(settings, patience_seconds=60)
    waits: list[str] = []

    def told(moved: int) -> None:
        if not moved and not waits:
            waits.append("it is away")
            gateway.start()

    with gateway.away():
        artifact = files.save(new_job_id(), 1, "a", source, told=told)
    assert waits
    assert httpx.get(link(files, artifact)).content == source.read_bytes()


def test_a_save_outlives_a_server_that_is_killed_half_way(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(range(256)) * (24 * MIB // 256))
    files = FileStore.of(Settings(data_dir=tmp_path, **gateway.settings()), patience_seconds=60)
    happened: list[str] = []

    def told(moved: int) -> None:
        if moved == 20 * MIB and not happened:
            happened.append("killed")
            gateway.kill()
            gateway.stop()
        elif not moved and happened == ["killed"]:
            happened.append("back")
            gateway.start()

    artifact = files.save(new_job_id(), 1, "large", tmp_path / "large", told=told)
    files.fetch(artifact_key(artifact.key), tmp_path / "back")
    assert happened == ["killed", "back"]
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


def test_a_fetch_goes_on_where_it_broke_off(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(range(256)) * (24 * MIB // 256))
    files = FileStore.of(Settings(data_dir=tmp_path, **gateway.settings()), patience_seconds=60)
    artifact = files.save(new_job_id(), 1, "large", tmp_path / "large")
    seen: list[int] = []

    def told(moved: int) -> None:
        if moved == 8 * MIB:
            gateway.kill()
            gateway.stop()
        elif not moved and not gateway.alive:
            gateway.start()
        seen.append(moved)

    files.fetch(artifact_key(artifact.key), tmp_path / "back", told)
    assert [moved for moved in seen if moved] == [8 * MIB, 16 * MIB, 24 * MIB]
    assert 0 in seen
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


def test_a_fetch_that_is_given_up_leaves_nothing(files: FileStore, source: Path, tmp_path: Path) -> None:
    artifact = files.save(new_job_id(), 1, "a", source)

    def told(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        files.fetch(artifact_key(artifact.key), tmp_path / "target", told)
    assert not (tmp_path / "target").exists()


LARGE: Final = """
import sys
from pathlib import Path
from app.artifacts import FileStore, artifact_key
from app.settings import Settings
files = FileStore.of(Settings(), patience_seconds=5)
source, target = Path(sys.argv[1]), Path(sys.argv[2])
small = source.with_name("small")
small.write_bytes(b"x")
files.save("a" * 26, 1, "small", small)
peak = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
before = peak()
saved = files.save("a" * 26, 1, "large", source)
after = peak()
files.fetch(artifact_key(saved.key), target)
print(after - before, peak() - after, saved.sha256)
"""


def test_a_large_file_takes_little_memory(
    gateway: Gateway, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with (tmp_path / "large").open("wb") as file:
        for n in range(200):
            file.write(bytes([n]) * MIB)
    env = {f"TIDINGS_{name.upper()}": value for name, value in gateway.settings().items()}
    argv = (sys.executable, "-c", LARGE, str(tmp_path / "large"), str(tmp_path / "back"))
    told = subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout.split()
    saving, fetching = map(int, told[:2])
    record_property("measured", ("200 MB into S3: memory it takes, MB", saving))
    record_property("measured", ("200 MB from S3: memory it takes beyond that, MB", fetching))
    assert saving < 100
    assert fetching < 50
    assert (tmp_path / "back").stat().st_size == 200 * MIB


def test_secrets_are_not_in_what_things_say_of_themselves(gateway: Gateway, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, **gateway.settings(s3_session_token=f"{SECRET}-too"))
    assert SECRET not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    assert SECRET not in repr(signer(gateway.endpoint))


def test_a_temporary_key_is_signed_with_its_token() -> None:
    temporary = replace(signer("https://example.org"), session_token="a&b")
    assert "&X-Amz-Security-Token=a%26b&" in temporary.link("GET", "key", {}, 0, 60)
