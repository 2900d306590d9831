"""A network of its own for one process and its clients, which can be taken away without anybody being told.

`unshare -Urn python -m tests.faults.island SOCKET PROGRAM ARGUMENT...` brings the network up and becomes the program. A
helper stays behind, which a test outside asks by the Unix socket for connections inside, and for the network's end.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

SIOCGIFFLAGS: Final = 0x8913
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 1
REQUEST: Final = struct.Struct("!H")
CUT: Final = 0
"""In place of a port."""


class Island:
    """The test's side. A connection made inside stays there, whoever holds it."""

    def __init__(self, socket_path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(socket_path))
        self._listener.listen()
        self._helper: socket.socket | None = None
        self.prefix = (*namespaces(), sys.executable, "-P", "-m", "tests.faults.island", str(socket_path))

    def close(self) -> None:
        """The helper ends with this."""
        self._listener.close()
        if self._helper:
            self._helper.close()

    def connect(self, port: int) -> socket.socket | None:
        """A connection to a server inside; None when nobody listens there."""
        self._ask(port)
        answer, descriptors, *_ = socket.recv_fds(self._ready(), 1, 1)
        assert answer, "the helper has ended"
        return socket.socket(fileno=descriptors[0]) if descriptors else None

    def cut(self) -> None:
        """From now on nothing that is sent inside arrives, and nobody is told."""
        self._ask(CUT)
        assert self._ready().recv(1)

    def _ask(self, request: int) -> None:
        self._ready().sendall(REQUEST.pack(request))

    def _ready(self) -> socket.socket:
        if self._helper is None:
            self._listener.settimeout(30)
            self._helper, _ = self._listener.accept()
        return self._helper


def namespaces() -> tuple[str, ...]:
    """The command that gives a program a network of its own. Raises RuntimeError where the kernel has none for us."""
    for command in (("unshare", "-Urn"), ("unshare", "-n")):  # the second is for root where users may have none
        if subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0:
            return command
    raise RuntimeError(
        "This machine gives us no network namespace, so half-open connections cannot be made: allow unprivileged user "
        "namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), or in a container "
        "give it CAP_SYS_ADMIN."
    )


def main(socket_path: str, *argv: str) -> None:
    """Inside."""
    set_loopback(up=True)
    if os.fork() == 0:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as test:
            test.connect(socket_path)
            help_out(test)
        os._exit(0)
    os.execvp(argv[0], argv)


def help_out(test: socket.socket) -> None:
    """Until the test is gone."""
    while request := test.recv(REQUEST.size):
        (port,) = REQUEST.unpack(request)
        if port == CUT:
            set_loopback(up=False)
            test.sendall(b".")
            continue
        with socket.socket() as connection:
            refused = connection.connect_ex(("127.0.0.1", port))
            socket.send_fds(test, [b"."], [] if refused else [connection.fileno()])


def set_loopback(*, up: bool) -> None:
    """What `ip link set lo` does (netdevice(7)), which not every machine has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.Struct("16sh14x")
        name, flags = request.unpack(fcntl.ioctl(any_socket, SIOCGIFFLAGS, request.pack(b"lo", 0)))
        flags = flags | IFF_UP if up else flags & ~IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, request.pack(name, flags))


if __name__ == "__main__":
    main(*sys.argv[1:])
