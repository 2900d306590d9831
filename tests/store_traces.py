"""What the scripts leave behind, every key and every message, as it is and as it ought to be by the model.

Used by `tests/test_store_machine.py`. What ought to be is the table of keys in docs/architecture.md, filled in.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from pydantic_core import from_json
from redis import Redis

from app.store.jobs import feed_channel, job_channel
from app.store.views import TAG_SEPARATOR
from tests.job_model import Entry, ModelJob
from tests.store_model import DAY_MS, Model


class Key(NamedTuple):
    """When it expires (None: never), and of a sorted set, or a hash of counts, its members with their scores."""

    expires: int | None
    members: dict[str, int] | None = None


ALL_KEYS: Final = """
local found = {}
for _, name in ipairs(redis.call('KEYS', '*')) do
  local type, members = redis.call('TYPE', name).ok, {}
  if type == 'zset' then members = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES') end
  if type == 'hash' and (name == 'tidings:counts' or string.find(name, '^tidings:queue:') or
      string.find(name, '^tidings:waiting:')) then
    members = redis.call('HGETALL', name)
  end
  found[#found + 1] = {name, redis.call('PEXPIRETIME', name), members}
end
return found
"""


def keys(redis: Redis) -> dict[str, Key]:
    """All that Redis holds now, by name."""
    found: Any = redis.eval(ALL_KEYS, 0)
    return {name.decode(): Key(None if expires < 0 else expires, _members(flat)) for name, expires, flat in found}


def _members(flat: list[bytes]) -> dict[str, int] | None:
    return {flat[i].decode(): int(flat[i + 1]) for i in range(0, len(flat), 2)} or None


def expected_keys(model: Model) -> dict[str, Key]:
    """What is kept of the model's jobs and how long; without what only helps to find them: nudges, owners' indexes."""
    sets: dict[str, dict[str, int]] = defaultdict(dict)
    hashes: dict[str, Counter[str]] = defaultdict(Counter)
    sets["expiring"] = model.with_files
    for (queue, owner), turn in model.left.items():
        sets[f"left:{queue}"][owner] = int(turn)
    for job_id, job in model.jobs.items():
        if not job.ended:
            sets[f"active:{job.of.owner}"][job_id] = job.log[0].at
        queue, kind, owner = job.of.queue, job.of.kind, job.of.owner
        if job.later is not None:
            sets[f"later:{queue}"][job_id] = job.later
        if job.rank is not None:
            sets[f"lane:{queue}:{kind}:{owner}"][job_id] = job.rank
            sets[f"turns:{queue}"][owner] = sets[f"turns:{queue}:{kind}"][owner] = int(model.turns[queue, owner])
            hashes[f"queue:{queue}"][kind] += 1
            hashes[f"waiting:{queue}"][owner] += 1
        if job.token:
            for what in (f"queue:{queue}", f"kind:{kind}", f"owner:{queue}:{owner}"):
                hashes["counts"][what] += 1
        if not job.ended:
            hashes["counts"]["live"] += 1
        if job.deadline is not None:
            sets["deadlines"][job_id] = job.deadline
    expected = {f"tidings:{name}": Key(None, dict(of)) for name, of in (sets | hashes).items() if of}
    if model.held:
        expected["tidings:running"] = Key(None)
    for (owner, key), known in model.keys.items():
        expected[f"tidings:idem:{len(owner)}:{owner}:{key}"] = Key(known.expires)
    for worker, answer in model.answers.items():
        expected[f"tidings:claimed:{worker}"] = Key(answer.expires)
    return expected | {name: key for job in model.jobs.values() for name, key in _of_one(job, model.now)}


def _of_one(job: ModelJob, now: int) -> Iterator[tuple[str, Key]]:
    """Nothing has a TTL while the job lives, everything from its end on."""
    tag, expires = f"tidings:{{{job.of.job_id}}}", job.expires_at
    for part in ("job", "events", *(["artifacts"] if job.artifacts else [])):
        yield f"{tag}:{part}", Key(expires and expires + DAY_MS)
    if job.of.callback_url:
        yield f"{tag}:deliveries", Key(expires and expires + DAY_MS)
    if not expires or expires > now:
        yield f"{tag}:params", Key(expires)
    if job.large_result:
        yield f"{tag}:result", Key(expires)
    if not expires:
        yield f"arq:job:{job.of.job_id}", Key(None)


class Message(NamedTuple):
    """What was said on a channel: the words in front, which only the feed has, and the event."""

    channel: str
    words: tuple[str, ...]
    entry: Entry


class Wire:
    """A subscriber to everything the scripts publish."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pubsub = redis.pubsub()  # type: ignore[no-untyped-call]  # redis-py
        self._pubsub.psubscribe("tidings:*", "end")

    def close(self) -> None:
        self._pubsub.close()

    def heard(self) -> list[tuple[str, str]]:
        """Channel and text of each message since the last call."""
        self._redis.publish("end", "")
        messages: list[tuple[str, str]] = []
        for message in self._pubsub.listen():
            if message["channel"] == b"end" and message["type"] == "pmessage":
                break
            if message["type"] == "pmessage":
                messages.append((message["channel"].decode(), message["data"].decode()))
        return messages


def events(heard: Iterable[tuple[str, str]]) -> Iterator[Message]:
    """Those among the messages."""
    for channel, text in heard:
        if "\n" in text:
            *words, seq, at, type, data = text.split("\n")
            yield Message(channel, tuple(words), Entry(int(seq), type, int(at), from_json(data)))


def expected_events(published: Iterable[tuple[ModelJob, Entry]]) -> Iterator[Message]:
    """Each is told to those who watch the job, then to those who watch its owner's."""
    for job, entry in published:
        of = job.of
        yield Message(job_channel(of.job_id), (), entry)
        yield Message(feed_channel(of.owner), (of.job_id, of.kind, TAG_SEPARATOR.join(of.tags)), entry)
