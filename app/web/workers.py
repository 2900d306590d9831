"""The door of workers, for operators: who is there, and runs what."""

from dataclasses import asdict
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Scope
from app.clock import rfc3339
from app.errors import Unavailable
from app.shapes.worker import RunObject, WorkerList, WorkerObject
from app.store import WorkerSeen, WorkerStore
from app.web.answer import JsonAnswer
from app.web.contract import Answer, Tag, describes
from app.web.headers import CACHE_CONTROL
from app.web.resource import resource

OPERATION: Final = Tag("Operation", "Who works, and who asks too often.")
MOST_RUNS: Final = 100
"""Shown of one worker."""


class WorkerDoors:
    """`/api/workers`."""

    def __init__(self, workers: WorkerStore) -> None:
        self._workers = workers

    def routes(self) -> list[BaseRoute]:
        return [resource("/api/workers", get=self.list_workers)]

    @describes(
        "list_workers",
        OPERATION,
        scope=Scope.ADMIN,
        answers=[Answer(200, "The workers.", WorkerList, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def list_workers(self, _: Request) -> Response:
        """List the workers.

        Each that is there, with the jobs of all owners that it runs.
        """
        shown: WorkerList = {"workers": [_shown(worker) for worker in await self._workers.present()]}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})


def _shown(worker: WorkerSeen) -> WorkerObject:
    return {
        "worker": worker.worker,
        "host": worker.says.host,
        "started_at": rfc3339(worker.started_at),
        "last_seen_at": rfc3339(worker.last_seen_at),
        "concurrency": worker.says.concurrency,
        "running": [_run(asdict(run)) for run in worker.runs[:MOST_RUNS]],
        "running_count": len(worker.runs),
        "kinds": list(worker.says.kinds),
        "queues": list(worker.says.queues),
    }


def _run(run: dict[str, Any]) -> RunObject:
    return cast(RunObject, run | {"started_at": rfc3339(run["started_at"])})
