"""File descriptors: each connection takes one, and when there are none whatever is to be opened next fails."""

import resource
from typing import Final

MOST_DESCRIPTORS: Final = 1 << 20
"""More are not asked for, where the system has no bound of its own."""

FEWEST_SPARE: Final = 256
"""For Redis, files that come in, and connections that are only told to go."""

FEWEST_CONNECTIONS: Final = 16


def raise_limit() -> None:
    """To what the system lets this process have."""
    soft, hard = _limits()
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def affordable() -> int:
    """Connections there are descriptors for; a fifth of these is kept for all else, downloads above all."""
    soft, _ = _limits()
    return max(FEWEST_CONNECTIONS, soft - max(FEWEST_SPARE, soft // 5))


def _limits() -> tuple[int, int]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (MOST_DESCRIPTORS if it == resource.RLIM_INFINITY else min(it, MOST_DESCRIPTORS) for it in limits)
    return soft, hard
