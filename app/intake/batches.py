"""From a request to a batch: every job of it passes every check of a submission before anything is written.

Called by `POST /api/batches`. Thousands of jobs are looked at some at a time, so that the others of this process get
their turn; each kind and each input they name is looked up once.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, SkipValidation, ValidationError

from app.errors import InvalidBatch, InvalidJob, InvalidParams, Refusal, UnknownInput, UnknownKind
from app.intake.catalog import Catalog
from app.intake.inputs import Inputs
from app.intake.misfits import MOST_SHOWN, misfits_of
from app.intake.params import pointer
from app.intake.submissions import CallbackUrl, JobRequest, Submissions, Tag, fingerprint, parse
from app.jobs import Submission, new_job_id
from app.limits import UNBOUNDED, KeyRate
from app.store import BatchAcceptance, BatchStore, Kind, Order

T = TypeVar("T")

JOBS_AT_A_TIME: Final = 25
INPUTS_AT_A_TIME: Final = 16


class BatchRequest(BaseModel):
    """The body of a batch. Each of its jobs has these tags beside its own."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"jobs": [{"kind": "transcode", "params": {"input": "upload:…"}}]}]},
    )

    jobs: list[SkipValidation[JobRequest]]
    """Each as the body of `POST /api/jobs`."""
    tags: list[Tag] = []
    """Added to each job's own."""
    callback_url: CallbackUrl | None = None
    """Where it is told, once, that all of them have ended. Jobs may have their own."""


class Wanted(NamedTuple):
    """An input, where it was named first, and how long it is to be kept after which moment."""

    number: int
    place: str
    span_ms: int
    from_ms: int


class Batches:
    """Accepts batches, or raises a refusal with nothing queued."""

    def __init__(
        self, submissions: Submissions, catalog: Catalog, inputs: Inputs, store: BatchStore, most_jobs: int
    ) -> None:
        self._submissions = submissions
        self._catalog = catalog
        self._inputs = inputs
        self._store = store
        self._most_jobs = most_jobs

    async def accept(
        self, body: Any, owner: str, idempotency_key: str = "", rate: KeyRate = UNBOUNDED
    ) -> BatchAcceptance:
        """The batch, which may be the earlier one of this key.

        Raises InvalidBatch, or for the first job that does not fit what a submission raises, with the misfits of others
        too; IdempotencyConflict, SubmitTooFast, QueueFull, StoreFull or Unavailable.
        """
        batch = self._parsed(body)
        requests, url = await self._requests(batch), batch.callback_url or ""
        digest = await _fingerprint(requests, url) if idempotency_key else ""
        order = Order(new_job_id(), owner, (), idempotency_key, digest, url)
        earlier = await self._store.recall(order) if idempotency_key else None
        if earlier:
            return earlier
        self._submissions.refuse_if_full()
        return await self._store.accept(replace(order, submissions=await self._drafted(requests, owner)), rate)

    def _parsed(self, body: Any) -> BatchRequest:
        """The request, its jobs as yet unread. Raises InvalidBatch."""
        if not isinstance(body, dict):
            raise InvalidBatch("A batch is a JSON object.", errors=[{"pointer": "", "message": "must be an object"}])
        jobs = body.get("jobs")
        if isinstance(jobs, list) and not 0 < len(jobs) <= self._most_jobs:
            message = f"must be 1 to {self._most_jobs}"
            raise InvalidBatch(f"jobs: {message}", errors=[{"pointer": "/jobs", "message": message}])
        try:
            batch = BatchRequest.model_validate(body)
            errors = [_misfit(*misfit) for misfit in self._submissions.callback_misfits(batch.callback_url)]
        except ValidationError as error:
            errors = misfits_of(error)
        if errors:
            raise InvalidBatch(f"{errors[0]['pointer'][1:]}: {errors[0]['message']}", errors=errors)
        return batch

    async def _requests(self, batch: BatchRequest) -> list[JobRequest]:
        misfits, requests = Misfits(), []
        async for number, body in _in_turns(batch.jobs):
            with misfits.of(number):
                request = _tagged(parse(body), batch.tags)
                self._submissions.check(request)
                requests.append(request)
        misfits.refuse()
        return requests

    async def _drafted(self, requests: Sequence[JobRequest], owner: str) -> list[Submission]:
        """What is to be written, its inputs held."""
        misfits, drafts, wanted = Misfits(), [], dict[str, Wanted]()
        kinds: dict[str, Kind | UnknownKind] = {}
        async for number, request in _in_turns(requests):
            with misfits.of(number):
                if request.kind not in kinds:
                    kinds[request.kind] = await self._kind(request.kind)
                draft, inputs = self._submissions.drafted(request, _known(kinds[request.kind]), owner)
                drafts.append(draft)
                for text, place in inputs.items():
                    wanted[text] = _kept_longer(wanted.get(text), number, place, draft)
        misfits.refuse()
        await self._hold(wanted, owner)
        return drafts

    async def _kind(self, name: str) -> Kind | UnknownKind:
        try:
            return await self._catalog.find(name)
        except UnknownKind as unknown:
            return unknown

    async def _hold(self, wanted: Mapping[str, Wanted], owner: str) -> None:
        misfits, inputs = Misfits(), list(wanted.items())
        for start in range(0, len(inputs), INPUTS_AT_A_TIME):
            few = inputs[start : start + INPUTS_AT_A_TIME]
            holding = [self._inputs.hold({text: w.place}, owner, w.span_ms, from_ms=w.from_ms) for text, w in few]
            for (_, w), outcome in zip(few, await asyncio.gather(*holding, return_exceptions=True), strict=True):
                with misfits.of(w.number):
                    if outcome:
                        raise outcome
        misfits.refuse()


class Misfits:
    """What is wrong with the jobs of a batch, up to a bound, said as one refusal: of the first that does not fit."""

    def __init__(self) -> None:
        self._first: Refusal | None = None
        self._errors: list[dict[str, str]] = []

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """What is refused inside is noted for the job of that number; at the bound it is raised."""
        try:
            yield
        except (InvalidJob, InvalidParams, UnknownKind, UnknownInput) as refusal:
            place = pointer("jobs", number)
            errors = [error | {"pointer": place + error["pointer"]} for error in refusal.members["errors"]]
            if self._first is None:
                members = refusal.members | {"errors": self._errors}
                self._first = type(refusal)(f"{place[1:]}: {refusal.detail}", **members)
            self._errors += errors[: MOST_SHOWN - len(self._errors)]
            if len(self._errors) == MOST_SHOWN:
                self.refuse()

    def refuse(self) -> None:
        """Raises what was noted, if anything was."""
        if self._first:
            raise self._first


async def _in_turns(items: Sequence[T]) -> AsyncIterator[tuple[int, T]]:
    """Each with its number; the loop gets its turn between some and the next."""
    for number, item in enumerate(items):
        if number % JOBS_AT_A_TIME == 0:
            await asyncio.sleep(0)
        yield number, item


async def _fingerprint(requests: Sequence[JobRequest], callback_url: str) -> str:
    """Alike for batches of the same jobs in the same order that tell the same, and for nothing else that has a key."""
    digest = hashlib.sha256(f"batch{callback_url}".encode())
    async for _, request in _in_turns(requests):
        digest.update(fingerprint(request).encode())
    return digest.hexdigest()


def _tagged(request: JobRequest, tags: Sequence[str]) -> JobRequest:
    return request.model_copy(update={"tags": list(dict.fromkeys([*request.tags, *tags]))}) if tags else request


def _misfit(name: str, message: str) -> dict[str, str]:
    return {"pointer": pointer(name), "message": message}


def _known(kind: Kind | UnknownKind) -> Kind:
    if isinstance(kind, UnknownKind):
        raise kind
    return kind


def _kept_longer(earlier: Wanted | None, number: int, place: str, draft: Submission) -> Wanted:
    span_ms = draft.delay_ms + draft.result_ttl_ms
    if earlier is None:
        return Wanted(number, place, span_ms, draft.run_at_ms)
    return earlier._replace(span_ms=max(earlier.span_ms, span_ms), from_ms=max(earlier.from_ms, draft.run_at_ms))
