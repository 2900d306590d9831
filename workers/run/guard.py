"""The parent of a program: `python -I -S guard.py WORKER_PID PROGRAM ARGUMENT...`, started by `program.py`.

It ends as the program ends, and not before all that this has started is gone, whatever session it has fled to: orphans
become its children. When told to hang up, which the kernel does when the worker is gone, it kills them all at once.
"""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # Linux only, like the next; elsewhere the group is all that can be killed
PR_SET_CHILD_SUBREAPER = 36
HEEDED = {signal.SIGHUP, signal.SIGTERM}
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # and so by whatever it becomes, if nothing is done


def main(worker: str, *argv: str) -> None:
    """Does not return. The group is the guard's own: whoever starts it gives it a session."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGHUP)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != int(worker):  # it was gone before the kernel was told
        os._exit(1)
    program = os.fork()
    if not program:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        for number in IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        os.execvp(argv[0], argv)  # noqa: S606  argv is ours
    signal.signal(signal.SIGHUP, _hang_up)
    signal.signal(signal.SIGTERM, _leave_it_to_the_program)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
    _let_go()
    code = _end_of(program)
    _end_others()
    _end_as(code)


def _hang_up(_number: int, _frame: object) -> None:
    if not _kill_children():
        os.killpg(0, signal.SIGKILL)


def _leave_it_to_the_program(_number: int, _frame: object) -> None:
    """The whole group has got the signal."""


def _let_go() -> None:
    """Of pipes and sockets: the program's end of them is to be the last."""
    for descriptor in map(int, os.listdir("/dev/fd")):
        with suppress(OSError):
            os.close(descriptor)


def _end_of(program: int) -> int:
    """Its exit code; negative for the signal that killed it."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == program:
            return os.waitstatus_to_exitcode(status)


def _end_others() -> None:
    """Generation by generation."""
    while _kill_children():
        os.waitpid(-1, 0)


def _kill_children() -> int:
    """How many there were; what runs as another user is not ours to end."""
    count = 0
    for pid in _children():
        with suppress(PermissionError):
            os.kill(pid, signal.SIGKILL)
            count += 1
    return count


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except FileNotFoundError:
        return []


def _end_as(code: int) -> None:
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has dumped its own
        with suppress(OSError):  # SIGKILL cannot be set
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
