"""All of Tidings in one command: `tidings up` (`app/cli`) runs the bundled Valkey, a worker and the web process.

They are children, kept alive and stopped in order: web first, so that nothing new comes in, then the worker, and the
store they both write to at the very end.
"""

import fcntl
import http.client
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import structlog

from app.auth.opening import open_note, why_not_open
from app.processes.child import Child
from app.processes.embedded import Valkey, ValkeyError
from app.settings import ANY_HOST, Settings

# -P: a folder named `app` where we happen to be started is not ours.
COMMAND = (sys.executable, "-P", "-m", "app.cli")
READY_SECONDS = 60.0  # until web answers /readyz
KILL_AFTER_GRACE_SECONDS = 5.0  # what a child may take beyond the grace it gives its own work
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 10.0
STEADY_SECONDS = 30.0  # a child that lived this long starts again with the first delay
IDLE_SECONDS = 3600.0  # nothing is due; the end of a child wakes us
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = structlog.get_logger()


class NotStarted(RuntimeError):
    """Something that must be free or come up did not; the message says what."""


class Stop(Exception):
    """We were told to."""


def up(settings: Settings, command: Sequence[str] = COMMAND) -> int:
    """Run everything until told to stop; answers the exit code. Call it from the main thread."""
    if reason := why_not_open(settings):
        say(reason)
        return 1
    try:
        with exclusive(settings.data_dir), Signals() as signals:
            Supervisor(settings, command, signals).run()
    except (NotStarted, ValkeyError, OSError) as problem:
        say(f"Tidings did not start: {problem}")
        return 1
    return 0


class Supervisor:
    """Starts the children, the store first, waits until web is ready, and keeps them until told to stop."""

    def __init__(self, settings: Settings, command: Sequence[str], signals: "Signals") -> None:
        self._signals = signals
        self._note = open_note(settings)
        self._host = ANY_HOST.get(settings.host, settings.host)
        self._port = free_port(settings.host, settings.port)
        env = os.environ | {
            "TIDINGS_HOST": settings.host,
            "TIDINGS_PORT": str(self._port),
            "TIDINGS_DATA_DIR": str(settings.data_dir),
        }
        grace = settings.shutdown_grace_seconds + KILL_AFTER_GRACE_SECONDS
        self._web, worker = (Child(*command, name, env=env, grace_seconds=grace) for name in ("web", "worker"))
        self._kept = [Kept("worker", worker), Kept("web", self._web)]
        if not settings.redis_url:
            valkey = Valkey(settings.data_dir / "valkey", settings.valkey_socket, pause=signals.wait)
            self._kept.insert(0, Kept("valkey", valkey))

    def run(self) -> None:
        try:
            for kept in self._kept:
                kept.start()
            self._await_ready()
            self._announce()
            while True:
                self._signals.wait(min(kept.tend() for kept in self._kept))
        except Stop:
            say("Stopping; Ctrl-C again to stop at once.")
        finally:
            self._stop()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(self._host, self._port):
            if not self._web.alive:
                raise NotStarted(f"the web process ended with code {self._web.exit_code}; it says why above")
            if time.monotonic() > deadline:
                raise NotStarted(f"/readyz did not answer 200 within {READY_SECONDS:.0f} s")
            self._signals.wait(0.1)

    def _announce(self) -> None:
        host = f"[{self._host}]" if ":" in self._host else self._host
        note = f"  {self._note}\n" if self._note else ""
        say(f"\n  Tidings is ready: http://{host}:{self._port}\n{note}  Ctrl-C stops it.\n")

    def _stop(self) -> None:
        self._signals.on_stop(self._kill)
        for kept in reversed(self._kept):
            kept.child.stop()

    def _kill(self) -> None:
        for kept in self._kept:
            kept.child.kill()


class Kept:
    """A child that is started again when it ends by itself, each time a little later."""

    def __init__(self, name: str, child: Child) -> None:
        self.child = child
        self._name = name
        self._started_at = 0.0
        self._delay = 0.0
        self._due_at: float | None = None  # while it is down

    def start(self) -> None:
        self._started_at, self._due_at = time.monotonic(), None
        self.child.start()
        log.info("child started", action="child.started", child=self._name)

    def tend(self) -> float:
        """Start it again if that is due; answers after how many seconds to look again."""
        if self.child.alive:
            return IDLE_SECONDS
        now = time.monotonic()
        if self._due_at is None:
            self._due_at = now + self._next_delay(now)
        if now < self._due_at:
            return self._due_at - now
        try:
            self.start()
        except (ValkeyError, OSError) as problem:
            log.error("child not started", action="child.not_started", child=self._name, reason=str(problem))
        return self.tend()

    def _next_delay(self, now: float) -> float:
        steady = now - self._started_at >= STEADY_SECONDS
        self._delay = FIRST_DELAY_SECONDS if steady or not self._delay else min(2 * self._delay, LONGEST_DELAY_SECONDS)
        log.warning(
            "child ended",
            action="child.ended",
            child=self._name,
            exit_code=self.child.exit_code,
            restart_in_seconds=self._delay,
        )
        return self._delay


class Signals:
    """Stop signals and the end of a child, as something the main thread can wait for.

    The handlers do nothing: the interpreter writes each signal's number into a socket, which `wait` selects on. So one
    that comes just before the wait is not missed, and one that comes in the middle of a start interrupts nothing.
    """

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._former_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._former = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGCHLD)}
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.on_stop(lambda: None)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_fd)
        self._reader.close()
        self._writer.close()

    def wait(self, seconds: float) -> None:
        """Until a child ends or the time is over. Raises `Stop` when told to stop."""
        select.select([self._reader], [], [], seconds)
        with suppress(BlockingIOError):
            if not set(self._reader.recv(4096)).isdisjoint(STOP_SIGNALS):
                raise Stop

    def on_stop(self, call: Callable[[], None]) -> None:
        """What a stop signal does from now on, whatever we are waiting in."""
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or self._former[number] != signal.SIG_IGN:  # nohup outlives its terminal
                signal.signal(number, lambda *_: call())


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the data directory; the kernel lets go of it when we end, however we do."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotStarted(f"{directory.resolve()} is in use by another `tidings up`") from None
        yield


def free_port(host: str, port: int) -> int:
    """The port web is to listen on, 0 made a real one. Tried here, since a stranger there could answer /readyz too."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise NotStarted(f"cannot listen on {host}:{port} ({error.strerror})") from None


def is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
