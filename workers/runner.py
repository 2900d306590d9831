"""Runs claimed jobs: finds the handler, checks the params, and sees the run to its end. Used by `workers/worker.py`."""

import asyncio

import structlog

from app.artifacts import FileStore
from app.callbacks import FAILED, Answer, callback_url, token_of
from app.errors import Unavailable
from app.locations import Locations
from app.periodic import backoff
from app.settings import Settings
from app.store import JobStore, Run, Secret, UploadStore
from workers.handler import Handler
from workers.registry import Registry
from workers.run import entries, verdict, verification
from workers.run.entries import Bounds, Entry
from workers.run.execution import Execution
from workers.run.flusher import Flusher
from workers.run.operations import Stores
from workers.run.outbox import Outbox
from workers.run.spares import Spares
from workers.run.stop import Reason
from workers.signature import InvalidParams

log = structlog.get_logger()


class Runner:
    """One per worker process. `cancel`, `lose` and `interrupt` do nothing for a job that is not being run here."""

    def __init__(
        self,
        registry: Registry,
        store: JobStore,
        uploads: UploadStore,
        files: FileStore,
        settings: Settings,
        *,
        secret: Secret,
        patience_seconds: float = 0,
    ) -> None:
        """An input in S3 is tried for so long; `files` has a patience of its own."""
        locations = Locations.of(settings, patience_seconds=patience_seconds)
        self._registry = registry
        self._secret = secret
        self._callback_base = settings.callback_base
        self._stores = Stores(store, uploads, files, settings.data_dir, settings.public_url, locations)
        self._bounds = Bounds(settings.max_event_bytes, settings.max_log_line_bytes, settings.max_result_bytes)
        self.spares = Spares(settings.spare_process_seconds, settings.handler_variables)
        self._executions: dict[str, Execution] = {}
        self._preparing: dict[str, Reason | None] = {}
        """Runs that have no execution yet, and why they are to stop nevertheless."""

    async def run(self, run: Run) -> None:
        """Run the job's handler and write how it ended. Returns when the job no longer takes up a slot.

        Never raises; cancelled, it abandons the run without a word: the job comes back when the lease has run out.
        """
        self._preparing[run.job_id] = None
        try:
            await self._run(run)
        except Exception:
            log.exception("run not completed", action="run.broken", job_id=run.job_id, kind=run.kind)
        finally:
            self._preparing.pop(run.job_id, None)

    async def reject(self, run: Run, message: str) -> None:
        """It cannot be run at all: it has failed."""
        await self._end(run, Outbox(), verdict.failed("rejected", message))

    def cancel(self, job_id: str) -> bool:
        """Its end was asked for. The job is cancelled when the handler has really stopped. False where none runs."""
        return self._stop(job_id, Reason.CANCELLED)

    def lose(self, job_id: str) -> None:
        """The lease is another's: stop the handler, and write nothing more."""
        self._stop(job_id, Reason.LOST)

    def interrupt(self, job_id: str) -> None:
        """The worker shuts down: the job goes back to its queue, and keeps its attempt."""
        self._stop(job_id, Reason.INTERRUPTED)

    async def _run(self, run: Run) -> None:
        handler = self._registry.find(run.kind)
        if handler is None:
            return await self.reject(run, f"This worker does not know the kind {run.kind!r}.")
        try:
            arguments = handler.signature.arguments(run.params)
        except InvalidParams as error:
            return await self.reject(run, str(error))
        outbox = Outbox()
        if run.answer and not run.looks and (end := await self._hear(run.answer, handler, outbox)):
            return await self._end(run, outbox, end)
        await self._execute(run, handler, arguments, outbox)

    async def _hear(self, answer: Answer, handler: Handler, outbox: Outbox) -> Entry | None:
        """How a run ends whose handler is not to see what was called back; None where it is."""
        verify = handler.definition.verify
        if verify and answer.headers:
            if objection := await verification.objection(verify, answer, self._bounds):
                outbox.put(entries.log(self._bounds, f"A callback was refused: {objection}", "warning"))
                return verdict.refused()
            outbox.put(entries.log(self._bounds, "The callback is verified.", "debug")._replace(argument="verified"))
        if not answer.fails:
            return None
        told = answer.value
        return verdict.failed(told.get("code", FAILED), told["message"])

    async def _end(self, run: Run, outbox: Outbox, end: Entry) -> None:
        """Without its handler."""
        await Flusher(self._stores.jobs, run, outbox, _ignore).finish(end)

    async def _execute(self, run: Run, handler: Handler, arguments: dict[str, object], outbox: Outbox) -> None:
        url = callback_url(self._callback_base, token_of(await self._key(), run.job_id, run.wait))
        reason = self._preparing.pop(run.job_id)
        if reason is Reason.LOST:
            return
        execution = Execution(
            run,
            handler,
            arguments,
            self._stores,
            self._bounds,
            spares=self.spares,
            outbox=outbox,
            callback_url=url,
            callback=run.answer.value if run.answer else None,
        )
        self._executions[run.job_id] = execution
        try:
            if reason:
                execution.stop(reason)
            await execution.complete()
        finally:
            if self._executions.get(run.job_id) is execution:
                del self._executions[run.job_id]

    async def _key(self) -> bytes:
        """What callback URLs are signed with. Only the first time it may have to be waited for."""
        failures = 0
        while True:
            try:
                return await self._secret.value()
            except Unavailable:
                await asyncio.sleep(backoff(failures))
                failures += 1

    def _stop(self, job_id: str, reason: Reason) -> bool:
        if execution := self._executions.get(job_id):
            execution.stop(reason)
            return True
        if job_id in self._preparing:
            self._preparing[job_id] = max(reason, self._preparing[job_id] or reason)
            return True
        return False


def _ignore() -> None:
    """There is nothing to stop."""
