import httpx
import pytest

from app.store import Announcement, WorkerStore
from app.web import workers
from tests.web.conftest import Store

SAYS = Announcement("host-1", 4, ("anything", "transcode"), ("default",))


async def test_the_workers_are_listed_with_what_they_run(web: httpx.AsyncClient, store: Store) -> None:
    await WorkerStore(store.redis).announce("w1", SAYS, holds_ms=60_000)
    run = await store.claimed(owner="somebody")
    (shown,) = (await web.get("/api/workers")).json()["workers"]
    view = await store.jobs.read(run.job_id)
    assert view
    started_at = view.job.shown()["started_at"]
    assert shown.pop("started_at") <= shown.pop("last_seen_at") <= started_at
    assert shown == {
        "worker": "w1",
        "host": "host-1",
        "concurrency": 4,
        "running": [
            {"job_id": run.job_id, "kind": "anything", "owner": "somebody", "attempt": 1, "started_at": started_at}
        ],
        "running_count": 1,
        "kinds": ["anything", "transcode"],
        "queues": ["default"],
    }


async def test_of_many_runs_some_are_shown_and_all_are_counted(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MOST_RUNS", 2)
    await WorkerStore(store.redis).announce("w1", SAYS, holds_ms=60_000)
    for _ in range(3):
        await store.claimed()
    (shown,) = (await web.get("/api/workers")).json()["workers"]
    assert (len(shown["running"]), shown["running_count"]) == (2, 3)


async def test_where_nobody_works_the_list_is_empty(web: httpx.AsyncClient) -> None:
    assert (await web.get("/api/workers")).json() == {"workers": []}
