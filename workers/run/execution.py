"""One run of one job, from its claim to the last entry of its log. Made and steered by `workers/runner.py`."""

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Final

import structlog

from app.jobs import TERMINAL
from app.settings import SECRET_VARIABLES
from app.store import Run
from workers.context import AsyncContext, Context
from workers.handler import Handler
from workers.outcomes import Cancelled, Failed, Retry, Wait
from workers.run import entries, reports, verdict
from workers.run.ending import Ending, Raised, Returned
from workers.run.entries import Bounds, Entry
from workers.run.flusher import Flusher
from workers.run.hosts import Host, LoopHost, ThreadHost
from workers.run.links import LoopLink, ThreadLink
from workers.run.operations import Operations, Stores
from workers.run.outbox import Outbox
from workers.run.process import ProcessHost
from workers.run.scratch import Scratch
from workers.run.spares import Need, Spares
from workers.run.stop import Reason, Stop
from workers.signature import is_plain

LOOK_SECONDS: Final = 30.0
"""For a look at whether a wait is answered: meanwhile its clocks cannot run out."""

log = structlog.get_logger()


class Execution:
    """The handler begins when this is made; `complete` accompanies it to the end."""

    def __init__(
        self,
        run: Run,
        handler: Handler,
        arguments: Mapping[str, Any],
        stores: Stores,
        bounds: Bounds,
        *,
        spares: Spares,
        outbox: Outbox | None = None,
        callback_url: str | None = None,
        callback: Any = None,
    ) -> None:
        self._run = run
        self._spares = spares
        self._call = {"callback_url": callback_url, "callback": callback}
        self._handler = handler
        self._function = (run.looks and handler.definition.reconcile) or handler.function
        self._scratch = Scratch(stores.data_dir, run)
        self._bounds = bounds
        self._public_url = stores.public_url
        self._stop = Stop()
        self._last = False
        self._outbox = outbox or Outbox()
        self._flusher = Flusher(stores.jobs, run, self._outbox, lambda: self.stop(Reason.LOST))
        self._operations = Operations(run, stores, self._outbox, self._flusher, self._scratch)
        self._host = self._start(arguments)

    @property
    def ending(self) -> Ending:
        """How the handler ended, once it has."""
        return Raised(asyncio.CancelledError()) if self._host.ended.cancelled() else self._host.ended.result()

    @property
    def stop_reason(self) -> Reason | None:
        """Why it was asked to stop, if it was."""
        return self._stop.reason

    def stop(self, reason: Reason) -> None:
        """Ask the handler to stop. It is told once for each reason that is stronger than the last."""
        if not self._stop.ask(reason):
            return
        if reason is Reason.LOST:
            self._flusher.abandon()
        if not self._handler.is_async:  # there, asyncio's cancellation reaches what is awaited
            self._operations.cancel()
        self._outbox.wake()
        self._host.stop()

    async def complete(self) -> None:
        """Until the handler has ended, and that is written or is no longer ours to write.

        Cancelled, it abandons the run: kills what can be killed, writes nothing, and returns when nothing is left of
        it, which for a thread may be never.
        """
        timer = asyncio.get_running_loop().call_later(self._most_seconds, self.stop, Reason.TIMEOUT)
        try:
            await asyncio.wait([self._host.ended])
            timer.cancel()
            await self._operations.close()
            await self._settle()
        except asyncio.CancelledError:
            await self._abandon()
            raise
        finally:
            timer.cancel()
            self._flusher.abandon()
            await self._scratch.remove(last=self._last and self._stop.reason is not Reason.LOST)

    @property
    def _most_seconds(self) -> float:
        seconds = self._run.timeout_ms / 1000
        return min(seconds, LOOK_SECONDS) if self._run.looks else seconds

    def _start(self, arguments: Mapping[str, Any]) -> Host:
        run, given = self._run, {} if self._run.looks else arguments
        if self._handler.definition.process:
            process = self._spares.process(self._need())
            return ProcessHost(process, self._order(arguments), self._outbox, self._operations, self._bounds)
        facts: Any = {
            "job_id": run.job_id,
            "attempt": run.attempt,
            "run_token": run.token,
            "params": arguments,
            "scratch": self._scratch.folder,
            **self._call,
        }
        if self._handler.is_async:
            awaiting = AsyncContext(LoopLink(self._outbox, self._operations, self._stop), self._bounds, **facts)
            return LoopHost(partial(self._function, awaiting, **given), self._bounds)
        blocking = Context(ThreadLink(self._outbox, self._operations, self._stop), self._bounds, **facts)
        return ThreadHost(partial(self._function, blocking, **given), self._bounds)

    def _need(self) -> Need:
        definition = self._handler.definition
        return Need(self._handler.function.__module__, definition.memory_bytes, definition.cpu_seconds)

    def _order(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "module": self._handler.function.__module__,
            "function": self._handler.function.__name__,
            "reconcile": self._function.__name__ if self._run.looks else None,
            "params": self._run.params,
            "arguments": arguments if is_plain(arguments) else None,
            "bounds": asdict(self._bounds),
            "job_id": self._run.job_id,
            "attempt": self._run.attempt,
            "run_token": self._run.token,
            "scratch": str(self._scratch.folder),
            **self._call,
            "settings": own_settings(self._run.kind),
        }

    async def _settle(self) -> None:
        if self._stop.reason is Reason.LOST:
            return
        end = self._judge(self.ending)
        if self._run.looks and (trouble := verdict.trouble(self._stop.reason, self.ending)):
            await self._outbox.put_waiting(entries.log(self._bounds, trouble, "warning"))
        await self._flusher.finish(end)
        self._last = end.type in TERMINAL
        log.info("run ended", action="run.ended", job_id=self._run.job_id, kind=self._run.kind, became=end.type)

    def _judge(self, ending: Ending) -> Entry:
        if isinstance(ending, Raised):
            self._note(ending.error)
        if self._run.looks:
            return verdict.looked(self._run, self._stop.reason, ending)
        match ending:
            case Returned(result):
                return verdict.completed(self._run, result, self._bounds, self._public_url)
            case Raised(error):
                stopped = verdict.stopped(self._run, self._stop.reason)
                return stopped or verdict.raised(self._run, error, self._look_seconds)

    @property
    def _look_seconds(self) -> float:
        definition = self._handler.definition
        return definition.reconcile_seconds if definition.reconcile else 0

    def _note(self, error: BaseException) -> None:
        """Tracebacks stay in the house."""
        if isinstance(error, Retry | Wait | Failed | Cancelled | asyncio.CancelledError):
            return
        facts = {"job_id": self._run.job_id, "kind": self._run.kind, "exception": reports.trace(error)}
        log.warning("handler raised", action="run.raised", **facts)

    async def _abandon(self) -> None:
        self.stop(Reason.LOST)
        self._host.kill()
        self._operations.cancel()
        await asyncio.wait([self._host.ended])


def own_settings(kind: str) -> dict[str, str]:
    """`TIDINGS_<KIND>_…`: of our settings, which are none of a handler's business, those of its kind."""
    prefix = f"TIDINGS_{re.sub('[^A-Z0-9]', '_', kind.upper())}_"
    names = {name for name in os.environ if name.startswith(prefix)} - SECRET_VARIABLES  # a kind may be called `s3`
    return {name: os.environ[name] for name in names}
