"""What callers see when Redis is away: our own `Unavailable`, whatever redis-py raised. Used by the stores here."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from redis.exceptions import RedisError, ResponseError

from app.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


def reaching(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Have a method raise Unavailable when Redis gave no answer; what it asked for may have happened all the same."""

    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except (RedisError, OSError) as error:
            raise Unavailable("The store cannot be reached.", headers={"Retry-After": "2"}) from error

    return call


def is_misplaced(error: Unavailable) -> bool:
    """Whether Redis did answer: what lies under the key is of another type, and will be whenever one asks."""
    return isinstance(error.__cause__, ResponseError) and "WRONGTYPE Operation" in str(error.__cause__)
