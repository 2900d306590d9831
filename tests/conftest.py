"""What every test may count on: no settings of whoever runs it, a real Valkey, empty for each test that asks, and a
real S3 server."""

import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import redis as blocking_redis
from redis.asyncio import Redis

from app.processes.embedded import Valkey
from app.store import JobStore
from tests.gateway import Gateway
from tests.still_store import Clock

HERE: Final = Path(__file__).parent
LONGEST: Final = (
    "stress",
    "acceptance",
    "docs",
    "web/test_fuzz.py",
    "web/test_isolation.py",
    "test_page.py",
    "test_train.py",
)


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the condition holds; the deadline only ends a test that has failed."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Ended; whether the machine's first process has reaped it is not our matter."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def handler_processes() -> list[int]:
    """Of `process=True` handlers: those that this process has started."""
    return [pid for pid in _descendants(os.getpid()) if b"workers.run.child" in _read(f"/proc/{pid}/cmdline")]


def _descendants(pid: int) -> list[int]:
    children = b" ".join(_read(str(path)) for path in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return [found for child in map(int, children) for found in (child, *_descendants(child))]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # it has ended
        return b""


def pytest_configure() -> None:
    """A run that a script has begun in the background ignores Ctrl-C, and so would all that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no process is left alone with it in the end."""
    items.sort(key=lambda item: not item.path.is_relative_to(HERE / "faults"))
    items.sort(key=lambda item: not any(item.path.is_relative_to(HERE / path) for path in LONGEST))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A build server accepts no skipped test."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fault tests measured."""
    figures = [
        figure
        for report in terminalreporter.stats.get("passed", [])
        for name, figure in report.user_properties
        if name == "measured"
    ]
    if figures:
        terminalreporter.section("measured")
    for what, figure in sorted(figures):
        terminalreporter.line(f"{figure:>10}  {what}")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("TIDINGS_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's: `tmp_path` carries the test's name."""
    with tempfile.TemporaryDirectory(prefix="tidings-", dir="/tmp") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """One server for each xdist worker; its URL."""
    with (
        tempfile.TemporaryDirectory(prefix="tidings-", dir="/tmp") as directory,
        Valkey(Path(directory), Path(directory) / "valkey.sock", persist=False) as server,
    ):
        yield server.url


@pytest.fixture
def redis_url(valkey: str) -> str:
    with blocking_redis.Redis.from_url(valkey) as client:
        client.flushall()
    return valkey


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """One S3 server for each xdist worker that needs it."""
    with tempfile.TemporaryDirectory(prefix="tidings-s3-") as directory, Gateway(Path(directory)) as server:
        yield server


@pytest.fixture
async def clock(redis: Redis) -> Clock:
    clock = Clock(redis)
    await clock.move(0)
    return clock


@pytest.fixture
def jobs(redis: Redis) -> JobStore:
    return JobStore(redis)
