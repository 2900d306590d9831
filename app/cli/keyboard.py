"""What has `tidings top` draw at once, or end: keys, a terminal of another size, a signal."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ENOUGH: Final = frozenset(b"qQ\x1b\x04")
"""Keys that end it: q, Escape, Ctrl-D."""


class Waking(asyncio.Event):
    """Set when there is a reason to look; `over` once somebody has had enough."""

    over = False

    def end(self) -> None:
        """Somebody has."""
        self.over = True
        self.set()

    def key(self, pressed: bytes) -> None:
        """Any key draws at once, a lone one of some ends it; what begins like Escape and goes on is another."""
        if not pressed or (len(pressed) == 1 and pressed[0] in ENOUGH):
            self.end()
        self.set()


@contextmanager
def waking() -> Iterator[Waking]:
    """Listens to the terminal and the kernel, on the running loop."""
    loop, wake = asyncio.get_running_loop(), Waking()
    loop.add_signal_handler(signal.SIGWINCH, wake.set)
    loop.add_signal_handler(signal.SIGTERM, wake.end)
    try:
        with _keys(loop, wake):
            yield wake
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        loop.remove_signal_handler(signal.SIGTERM)


@contextmanager
def _keys(loop: asyncio.AbstractEventLoop, wake: Waking) -> Iterator[None]:
    """Keys one by one and unechoed, where there is a keyboard; Ctrl-C stays a signal."""
    if not sys.stdin.isatty():
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, lambda: wake.key(os.read(keyboard, 64)))
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
