"""Pages of an owner's jobs: nothing twice and nothing left out, whatever comes and goes meanwhile."""

from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from app.jobs import EVERYBODY, Job, new_job_id
from app.store import Filter, JobStore, Listing, listing
from tests.ground import OWNER, accepted, completed, failed, running
from tests.working import sooner_or_later

INDEX = f"tidings:owner:{OWNER}"
ANY = Filter()


@pytest.fixture
def lists(redis: Redis, jobs: JobStore) -> Listing:
    return Listing(redis, jobs)


async def in_order(redis: Redis) -> list[str]:
    """What the index holds, newest first."""
    return [job_id.decode() for job_id in await redis.zrevrange(INDEX, 0, -1)]


async def expire(redis: Redis, *job_ids: str) -> None:
    """As when their records' time is over: the index does not know yet."""
    await redis.delete(*(f"tidings:{{{job_id}}}:job" for job_id in job_ids))


async def listed(
    lists: Listing, wanted: Filter = ANY, *, limit: int = 4, cursor: str | None = None, owner: str = OWNER
) -> list[str]:
    """Page after page, to the last."""
    found: list[str] = []
    while True:
        page = await lists.page(owner, wanted, limit=limit, cursor=cursor)
        found += [job.job_id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            return found


class Busy(JobStore):
    """Whoever reads jobs here finds that others submitted two more of each kind meanwhile."""

    async def read_many(self, job_ids: Sequence[str]) -> list[Job]:
        found = await super().read_many(job_ids)
        for kind in ("k", "other") * 2:
            await accepted(self, kind=kind)
        return found


async def test_pages_show_every_job_once_and_the_newest_first(redis: Redis, jobs: JobStore, lists: Listing) -> None:
    for _ in range(11):
        await accepted(jobs)
    everything = await in_order(redis)
    for limit in (1, 3, 4, 11, 50):
        assert await listed(lists, limit=limit) == everything


async def test_only_what_fits_the_filter_is_shown(jobs: JobStore, lists: Listing) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    other = await accepted(jobs, kind="other")
    tagged = await accepted(jobs, tags=("a", "b"))
    await accepted(jobs, owner="somebody else")

    assert await listed(lists, Filter(statuses=frozenset({"completed"}))) == [run.job_id]
    assert await listed(lists, Filter(kinds=frozenset({"other"}))) == [other]
    assert await listed(lists, Filter(tags=frozenset({"a", "b"}))) == [tagged]
    assert await listed(lists, Filter(tags=frozenset({"a", "c"}))) == []


async def test_what_was_created_before_a_moment_is_not_shown(redis: Redis, jobs: JobStore, lists: Listing) -> None:
    for moment in range(1_000, 1_006):
        job_id = await accepted(jobs)
        await redis.hset(f"tidings:{{{job_id}}}:job", "created", str(moment))  # type: ignore[misc]  # redis-py's own types
        await redis.zadd(INDEX, {job_id: moment})
    everything = await in_order(redis)
    assert await listed(lists, Filter(created_after_ms=1_002), limit=2) == everything[:3]
    assert await listed(lists, Filter(created_after_ms=1_005)) == []


async def test_expired_jobs_hide_no_other(redis: Redis, jobs: JobStore, lists: Listing) -> None:
    for _ in range(12):
        await accepted(jobs)
    everything = await in_order(redis)
    gone = {everything[i] for i in (0, 1, 5, 6, 7, 11)}
    await expire(redis, *gone)
    alive = [job_id for job_id in everything if job_id not in gone]
    assert await listed(lists, limit=4) == alive


async def test_jobs_submitted_while_a_page_is_put_together_show_nothing_twice(redis: Redis, jobs: JobStore) -> None:
    for n in range(12):
        await accepted(jobs, kind="other" if n % 2 else "k")
    everything = await in_order(redis)
    wanted = Filter(kinds=frozenset({"k"}))
    fitting = [job.job_id for job in await jobs.read_many(everything) if job.kind == "k"]
    page = await Listing(redis, Busy(redis)).page(OWNER, wanted, limit=6)
    assert [job.job_id for job in page.jobs] == fitting


async def test_a_cursor_stays_true_while_jobs_come_and_go(redis: Redis, jobs: JobStore, lists: Listing) -> None:
    for _ in range(9):
        await accepted(jobs)
    everything = await in_order(redis)
    first = await lists.page(OWNER, ANY, limit=3)
    await accepted(jobs)
    await expire(redis, *everything[1:4])
    await redis.zrem(INDEX, everything[2])
    assert [job.job_id for job in first.jobs] == everything[:3]
    assert await listed(lists, limit=3, cursor=first.next_cursor) == everything[4:]


async def test_a_cursor_stays_true_among_jobs_of_one_millisecond(redis: Redis, jobs: JobStore, lists: Listing) -> None:
    await redis.zadd(INDEX, dict.fromkeys([await accepted(jobs) for _ in range(9)], 1_000))
    everything = await in_order(redis)
    first = await lists.page(OWNER, ANY, limit=3)
    await expire(redis, everything[2])
    await redis.zrem(INDEX, everything[2])
    assert await listed(lists, limit=2, cursor=first.next_cursor) == everything[3:]


async def test_a_page_that_examined_enough_is_short_and_leads_on(
    jobs: JobStore, lists: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_EXAMINED", 4)
    rare = await accepted(jobs, kind="other")
    for _ in range(9):
        await accepted(jobs)
    wanted = Filter(kinds=frozenset({"other"}))
    page = await lists.page(OWNER, wanted, limit=2)
    assert page.jobs == ()
    assert page.next_cursor
    assert await listed(lists, wanted, limit=2, cursor=page.next_cursor) == [rare]


async def pruned(lists: Listing) -> None:
    """Every owner has had a turn."""
    while await lists.prune():
        pass


async def test_expired_jobs_leave_their_owners_indexes_unread(redis: Redis, jobs: JobStore, lists: Listing) -> None:
    alive = [await accepted(jobs, owner=owner) for owner in ("a", "b")]
    await redis.zadd("tidings:owner:a", {new_job_id(): n for n in range(500)})
    await pruned(lists)
    assert await redis.zcard("tidings:owner:a") <= 20
    assert alive[0].encode() in await redis.zrange("tidings:owner:a", 0, -1)
    assert [alive[1].encode()] == await redis.zrange("tidings:owner:b", 0, -1)


async def test_an_owner_without_jobs_is_forgotten(redis: Redis, jobs: JobStore, lists: Listing) -> None:
    await expire(redis, await accepted(jobs))
    await accepted(jobs, owner="somebody else")
    await sooner_or_later(lambda: _pruned_to(redis, lists, [b"somebody else"]))
    assert not await redis.exists(INDEX)


async def _pruned_to(redis: Redis, lists: Listing, owners: list[bytes]) -> bool:
    await lists.prune()
    return bool(await redis.zrange("tidings:owners", 0, -1) == owners)


async def test_owners_take_turns(redis: Redis, jobs: JobStore, lists: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = [f"owner {n}" for n in range(6)]
    for n, owner in enumerate(owners):
        await accepted(jobs, owner=owner)
        await redis.zadd("tidings:owners", {owner: n})
    monkeypatch.setattr(listing, "MOST_EXAMINED", 4)
    await lists.prune()
    due = await redis.zrangebyscore("tidings:owners", 0, 10)
    assert due == [owner.encode() for owner in owners[4:]]


@pytest.mark.parametrize(
    "cursor",
    ["x", ".", "0.5", f"1.{'a' * 25}", *(f"{n}.{'a' * 26}" for n in ("x", "1e3", "nan", "-1", "\u0663", "1" * 16))],
)
async def test_a_cursor_that_is_none_is_refused(lists: Listing, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await lists.page(OWNER, ANY, limit=3, cursor=cursor)


async def test_active_jobs_are_those_that_have_not_ended(jobs: JobStore, lists: Listing) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    pending = await accepted(jobs)
    assert [job.job_id for job in await lists.active(OWNER, 10)] == [pending]


async def test_everybodys_list_is_all_lists_merged(redis: Redis, jobs: JobStore, lists: Listing) -> None:
    owners = [f"owner {n}" for n in range(7)]
    ids = [await accepted(jobs, owner=owners[n % 7 if n % 2 else 0], kind="k" if n % 3 else "other") for n in range(40)]
    for n, job_id in enumerate(ids):  # some share a millisecond
        owner = (await jobs.read_many([job_id]))[0].owner
        await redis.zadd(f"tidings:owner:{owner}", {job_id: 1_000 + n // 4})
    everything = sorted(ids, key=lambda job_id: (ids.index(job_id) // 4, job_id), reverse=True)
    for limit in (1, 3, 4, 39, 40, 200):
        assert await listed(lists, limit=limit, owner=EVERYBODY) == everything
    kinds = {job.job_id: job.kind for job in await jobs.read_many(ids)}
    wanted = Filter(kinds=frozenset({"other"}))
    others = [job_id for job_id in everything if kinds[job_id] == "other"]
    assert await listed(lists, wanted, owner=EVERYBODY) == others
    assert await listed(lists, Filter(created_after_ms=1), limit=50, owner=EVERYBODY) == everything
    assert sorted(await lists.owners()) == owners


async def test_everybodys_list_holds_many_owners_in_few_calls(
    redis: Redis, jobs: JobStore, lists: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_OF_ALL", 2)
    ids = [await accepted(jobs, owner=f"owner {n}") for n in range(9)]
    assert set(await listed(lists, limit=5, owner=EVERYBODY)) == set(ids)
    monkeypatch.setattr(listing, "MOST_OWNERS", 3)
    assert len(await listed(lists, limit=5, owner=EVERYBODY)) == 3


async def test_a_search_finds_what_names_a_job(jobs: JobStore, lists: Listing) -> None:
    tagged = await accepted(jobs, tags=("Blue-Car", "x"))
    marked = await accepted(jobs, metadata='{"customer":"ACME","n":17,"of":null}')
    failing = await accepted(jobs, kind="breaks")
    (run,) = (await jobs.claim("w", ["default"], 9, lease_ms=60_000, kinds=["breaks"])).runs
    await jobs.apply(failing, [failed("disk_full")], token=run.token)
    other = await accepted(jobs, kind="transcode")
    for text, found in (
        ("blue-car", tagged),
        ("acme", marked),
        ("17", marked),
        ("disk_full", failing),
        ("transc", other),
        (other[:9], other),
        (marked, marked),
    ):
        assert await listed(lists, Filter(text=text)) == [found], text
    assert await listed(lists, Filter(text="nothing of the kind")) == []
    assert await listed(lists, Filter(text=tagged, kinds=frozenset({"transcode"}))) == []
    assert await listed(lists, Filter(text=new_job_id())) == []


async def test_a_whole_id_of_another_owner_is_not_found(jobs: JobStore, lists: Listing) -> None:
    theirs = await accepted(jobs, owner="somebody else")
    assert await listed(lists, Filter(text=theirs)) == []
    assert await listed(lists, Filter(text=theirs), owner=EVERYBODY) == [theirs]
