"""What outside systems say of a job that waits for them, one script for all of it. Used by `app/web/callbacks.py`."""

from redis.asyncio import Redis

from app.callbacks import Answer, Awaited, Outcome, fingerprint
from app.errors import CallbackConflict, CallbackOver, UnknownCallback
from app.events import json_text
from app.store.scripts import Arguments, Scripts


class CallbackStore:
    """Raises Unavailable when Redis cannot be reached, UnknownCallback where there is no such job, CallbackOver where
    it does not wait for this any more."""

    def __init__(self, redis: Redis) -> None:
        self._scripts = Scripts(redis)

    async def answer(self, awaited: Awaited, answer: Answer) -> Outcome:
        """The job goes on with it. Raises CallbackConflict where another answer came before."""
        how = "failed" if answer.fails else "completed"
        return await self._call(awaited, (how, answer.body, fingerprint(how, answer.value), answer.headers))

    async def progress(self, awaited: Awaited, percent: float, message: str | None) -> Outcome:
        """How far the outside system is, told as the job's own; a heartbeat as well."""
        told = {"percent": percent} | ({} if message is None else {"message": message})
        return await self._call(awaited, ("progress", json_text(told)))

    async def heartbeat(self, awaited: Awaited) -> Outcome:
        """It is still at it."""
        return await self._call(awaited, ("heartbeat", ""))

    async def _call(self, awaited: Awaited, said: Arguments) -> Outcome:
        match await self._scripts.run("callback", (awaited.job_id, awaited.wait, *said)):
            case b"unknown":
                raise UnknownCallback("The job is no longer kept.")
            case b"over":
                raise CallbackOver
            case b"conflict":
                raise CallbackConflict
            case outcome:
                return Outcome(outcome.decode())
