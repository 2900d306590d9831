"""A real S3 server for the tests: the gateway of JuiceFS, over a folder and SQLite. It can be frozen and taken away."""

import os
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import pytest

from app.artifacts import FileStore
from app.objects.signature import Signer
from app.processes.child import Child
from app.settings import Settings

JUICEFS: Final = str(Path(sysconfig.get_path("scripts")) / "juicefs")
USER: Final = "tidings"
SECRET: Final = "not-to-be-told"
BUCKET: Final = "files"
PATIENCE_SECONDS: Final = 0.5
STORES: Final = ("file", "s3")


class Gateway(Child):
    """On a port of its own, which stays the same when it comes back."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self._folder = folder
        self._meta = f"sqlite3://{folder}/meta.db"
        quiet = ("--no-usage-report", "--no-banner", "--keep-etag", "--backup-meta", "0", "--metrics", "127.0.0.1:0")
        places = ("--cache-dir", str(folder / "cache"), "--log", str(folder / "gateway.log"), "--buffer-size", "64M")
        argv = (JUICEFS, "gateway", "--multi-buckets", *quiet, *places, self._meta, self.endpoint[7:])
        super().__init__(*argv, env=os.environ | {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": SECRET})

    def start(self) -> None:
        """Answers on return, and has the bucket."""
        if not (self._folder / "meta.db").exists():
            kept = ("--storage", "file", "--bucket", f"{self._folder}/blocks/", "--trash-days", "0")
            subprocess.run((JUICEFS, "format", *kept, self._meta, "tests"), check=True, capture_output=True)
        with (self._folder / "output.log").open("ab") as output:
            self._launch(output)
        deadline = time.monotonic() + 30
        while not self._has_bucket():
            assert self.alive, (self._folder / "output.log").read_text()
            assert time.monotonic() < deadline, "the gateway does not answer"
            time.sleep(0.05)

    def settings(self, **more: Any) -> dict[str, Any]:
        """Where nothing lies yet."""
        return {
            "store_url": f"s3://{BUCKET}/of-{token_hex(8)}/tests",
            "s3_endpoint": self.endpoint,
            "s3_access_key_id": USER,
            "s3_secret_access_key": SECRET,
        } | more

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Killed, and started again at the end."""
        self.kill()
        self.stop()
        try:
            yield
        finally:
            if not self.alive:
                self.start()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def _has_bucket(self) -> bool:
        try:
            return httpx.put(signer(self.endpoint).link("PUT", "", {}, _now_ms(), 60)).status_code in (200, 409)
        except httpx.TransportError:
            return False


def signer(endpoint: str) -> Signer:
    """For what only a test asks of the server."""
    return Signer(f"{endpoint}/{BUCKET}", "us-east-1", USER, SECRET, "")


def content_of(files: FileStore, key: str) -> bytes:
    """A stored file as an input would have it. Raises FileNotFoundError."""
    with TemporaryDirectory() as folder:
        files.fetch(key, Path(folder, "input"))
        return Path(folder, "input").read_bytes()


def files_of(folder: Path, **settings: Any) -> FileStore:
    """A store that does not try for long."""
    return FileStore.of(Settings(data_dir=folder, **settings), patience_seconds=PATIENCE_SECONDS)


def store_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """For a fixture with `params=STORES`: files on the data directory's disk, or in S3."""
    gateway: Gateway | None = request.getfixturevalue("gateway") if request.param == "s3" else None
    return gateway.settings() if gateway else {}


def _now_ms() -> int:
    return int(time.time() * 1000)
