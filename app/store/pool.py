"""The connections to Redis, as web processes and workers hold them."""

from typing import Final

from redis.asyncio import BlockingConnectionPool

CONNECTIONS: Final = 64
TIMEOUT_SECONDS: Final = 5.0
"""For a connection to be made or to come free, and for any answer."""


def pool(url: str) -> BlockingConnectionPool:
    """None is made before it is needed."""
    return BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
    )
