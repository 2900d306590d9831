"""A job store whose clock stands until a test moves it, so that days pass at once and every time is exact.

The scripts are loaded with a `redis` of our own in front, which tells `TIME` from a key and counts TTLs from there.
The server still expires keys by its own clock: ours is a century ahead, and `move_to` deletes what is over by it.
"""

from asyncio import Runner
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar
from unittest.mock import patch

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.store import BatchStore, CallbackStore, DeliveryLog, DeliveryStore, JobStore, Listing, scripts

T = TypeVar("T")

CLOCK: Final = "clock"
START: Final = 4_102_444_800_000
"""2100-01-01T00:00:00Z in milliseconds."""

MOST_AT_A_RECEIVER: Final = 2
MOST_OF_AN_OWNER: Final = 3

IN_FRONT: Final = """
local real, redis = redis, setmetatable({}, {__index = redis})
function redis.call(command, ...)
  local now = real.call('GET', 'clock')
  if command == 'TIME' then return {string.sub(now, 1, -4), string.sub(now, -3) .. '000'} end
  local words = {...}
  if command == 'PEXPIRE' then return real.call('PEXPIREAT', words[1], now + words[2]) end
  if command == 'SET' and words[3] == 'PX' then words[3], words[4] = 'PXAT', now + words[4] end
  return real.call(command, unpack(words))
end
"""

EXPIRE: Final = """
for _, key in ipairs(redis.call('KEYS', '*')) do
  local expires = redis.call('PEXPIRETIME', key)
  if expires >= 0 and expires <= tonumber(ARGV[1]) then redis.call('DEL', key) end
end
"""


FORGET: Final = """
for _, way in ipairs({{'call', 'pcall'}}) do
  local carry_out = redis[way]
  redis[way] = function(command, ...)
    local key = ...
    if command == '{command}' and string.find(key, '{prefix}', 1, true) == 1 then return 0 end
    return carry_out(command, ...)
  end
end
"""


class Forgotten(NamedTuple):
    """A command that does nothing for keys that begin like this: what a bug of a script may amount to."""

    command: str
    prefix: str


@contextmanager
def standing(forgotten: Forgotten | None = None) -> Iterator[None]:
    """Stores made within tell the time from the key."""
    in_front = IN_FRONT + (FORGET.format(**forgotten._asdict()) if forgotten else "")
    plain = scripts.source
    with patch.object(scripts, "source", lambda name: in_front + plain(name)):
        yield


class Clock:
    """For tests that are async: it stands at `START` until it is moved."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis
        self.now = START

    async def move(self, ms: int) -> None:
        """Time passes."""
        self.now += ms
        await self._redis.set(CLOCK, self.now)
        await self._redis.eval(EXPIRE, 0, str(self.now))  # type: ignore[misc]  # redis-py

    def store(self, **options: Any) -> JobStore:
        """One that goes by this clock."""
        with standing():
            return JobStore(self._redis, **options)

    def batches(self) -> BatchStore:
        """The same of batches."""
        with standing():
            return BatchStore(self._redis)

    def deliveries(self, **options: Any) -> DeliveryStore:
        """The same of deliveries."""
        with standing():
            return DeliveryStore(self._redis, **options)

    def delivery_log(self) -> DeliveryLog:
        """The same of what became of them."""
        with standing():
            return DeliveryLog(self._redis)

    def listing(self, jobs: JobStore) -> Listing:
        """The same of what lists jobs."""
        with standing():
            return Listing(self._redis, jobs)


class StillStore:
    """The store and its server, for callers that are not async."""

    def __init__(
        self, url: str, loop: Runner, *, options: Mapping[str, Any], forgotten: Forgotten | None = None
    ) -> None:
        self._loop = loop.get_loop()
        self._client = AsyncRedis.from_url(url)
        self.redis = Redis.from_url(url)
        with standing(forgotten):
            self.jobs = JobStore(self._client, **options)
            self.listing = Listing(self._client, self.jobs)
            self.deliveries = DeliveryStore(self._client, per_host=MOST_AT_A_RECEIVER, per_owner=MOST_OF_AN_OWNER)
            self.delivery_log = DeliveryLog(self._client)
            self.callbacks = CallbackStore(self._client)

    def ask(self, answer: Coroutine[Any, Any, T]) -> T:
        """What a call of `jobs` answers."""
        return self._loop.run_until_complete(answer)

    def clear(self) -> None:
        """Nothing is there, and it is `START`."""
        self.redis.flushall()
        self.redis.set(CLOCK, START)

    def move_to(self, now: int) -> None:
        """Time passes, never backwards."""
        self.redis.set(CLOCK, now)
        self.redis.eval(EXPIRE, 0, str(now))

    def close(self) -> None:
        self.redis.close()
        self.ask(self._client.aclose())
