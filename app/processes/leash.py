"""A program that dies when its parent does, even by SIGKILL: `python -I -S leash.py PARENT_PID PROGRAM ARGUMENT...`

`child.py` beside it starts every child through it. A fork hook would do the same, but is not safe in a process with
threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # Linux only; kept across exec


def main(parent: str, *argv: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(parent):  # else it died before the kernel was told
        os.execvp(argv[0], argv)  # noqa: S606  argv is ours


if __name__ == "__main__":
    main(*sys.argv[1:])
