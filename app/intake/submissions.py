"""From a request to a job: every check a submission has to pass before anything is written.

Called by `POST /api/jobs`. What a request leaves open, its kind decides.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from app.clock import moment_ms
from app.errors import InvalidJob, InvalidParams, StoreFull, UnknownInput
from app.events import json_text
from app.intake.catalog import Catalog
from app.intake.inputs import Inputs
from app.intake.misfits import misfits_of
from app.intake.params import ParamsSchema, pointer, schema_of
from app.jobs import Submission
from app.limits import UNBOUNDED, KeyRate
from app.pressure import Pressure
from app.settings import YEAR, Settings
from app.store import Acceptance, JobStore, Kind
from app.webhooks import DEFAULT_EVENTS, LONGEST_URL, MOST_EVENTS, checked_event, checked_url, port_of

LONGEST_TAG: Final = 64


def _plain(tag: str) -> str:
    if not tag.isprintable() or "," in tag:
        raise ValueError("a tag is printable and has no comma")
    return tag


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    for name in metadata:
        if not (0 < len(name) <= LONGEST_TAG and name.isprintable()):
            raise ValueError(f"a name in metadata has 1 to {LONGEST_TAG} printable characters")
    return metadata


Moment = Annotated[
    int,
    BeforeValidator(moment_ms),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}]}),
]
"""Milliseconds since 1970; in a request RFC 3339 with an offset, or seconds."""

Tag = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TAG), AfterValidator(_plain)]

Metadata = Annotated[dict[str, str | int | float | bool | None], AfterValidator(_small)]
CallbackUrl = Annotated[
    str,
    AfterValidator(checked_url),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": LONGEST_URL, "pattern": "^https?://"}),
]
"""Without credentials and fragment."""

CallbackEvents = Annotated[
    list[Annotated[str, AfterValidator(checked_event)]], Field(min_length=1, max_length=MOST_EVENTS)
]


class JobRequest(BaseModel):
    """The body of a submission. Times are seconds; null leaves the choice to the kind or the settings."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"kind": "transcode", "params": {"input": "upload:…", "format": "webm"}}]},
    )

    kind: str
    """One of `GET /api/kinds`."""
    params: dict[str, Any] = Field(default_factory=dict, json_schema_extra={"default": {}})
    """What the kind's `params_schema` asks for."""
    tags: list[Tag] = Field(default_factory=list, json_schema_extra={"default": []})
    """Words to find the job by, without commas."""
    metadata: Metadata = Field(default_factory=dict, json_schema_extra={"default": {}})
    """Names and values to find the job by."""
    priority: int = Field(0, ge=0, le=9)
    """Higher comes first."""
    run_at: Moment | None = None
    """Not to begin before that: RFC 3339 with an offset, or seconds since 1970."""
    delay_seconds: float | None = Field(None, ge=0)
    """Not to begin before so long from now."""
    start_within_seconds: float | None = Field(None, ge=0.001, le=YEAR)
    """A job not begun so long after it was due fails with `expired`."""
    timeout_seconds: float | None = Field(None, ge=0.001)
    """How long one attempt may take."""
    max_attempts: int | None = Field(None, ge=1)
    result_ttl_seconds: int | None = Field(None, ge=1, le=YEAR)
    """How long the ended job, its result and its files are kept."""
    callback_url: CallbackUrl | None = None
    """Where its events are sent, each signed, in a request of its own."""
    callback_events: CallbackEvents | None = None
    """The types of events that are sent, else `completed`, `failed` and `cancelled`."""


class Submissions:
    """Accepts jobs, or raises a refusal with nothing queued."""

    def __init__(
        self, settings: Settings, jobs: JobStore, catalog: Catalog, inputs: Inputs, pressure: Pressure
    ) -> None:
        self._settings = settings
        self._pressure = pressure
        self._jobs = jobs
        self._catalog = catalog
        self._inputs = inputs
        self._schemas: dict[str, tuple[Kind, ParamsSchema]] = {}
        self._most = {
            "delay_seconds": settings.max_delay_seconds,
            "timeout_seconds": settings.max_timeout_seconds,
            "max_attempts": settings.max_attempts,
        }

    async def accept(
        self, body: Any, owner: str, idempotency_key: str = "", rate: KeyRate = UNBOUNDED, single: str = ""
    ) -> Acceptance:
        """The job, which may be the earlier one of this key. `single` names the one submission a token is good for.

        Raises InvalidJob, UnknownKind, InvalidParams, UnknownInput, IdempotencyConflict, SubmitTooFast, QueueFull,
        StoreFull or Unavailable.
        """
        request = parse(body)
        self.check(request)
        kind = await self._catalog.find(request.kind)
        submission, inputs = self.drafted(request, kind, owner, idempotency_key)
        try:
            self.refuse_if_full()
            span_ms = submission.delay_ms + submission.result_ttl_ms
            await self._inputs.hold(inputs, owner, span_ms, from_ms=submission.run_at_ms, single=single)
        except (StoreFull, UnknownInput):  # that may have been otherwise when this key came first
            earlier = await self._jobs.recall(submission) if idempotency_key else None
            if earlier is None:
                raise
            return earlier
        return await self._jobs.submit(submission, rate)

    def drafted(
        self, request: JobRequest, kind: Kind, owner: str, idempotency_key: str = ""
    ) -> tuple[Submission, dict[str, str]]:
        """What is to be written, and the inputs it names, each with a pointer. Raises InvalidParams."""
        params = self._params_text(request.params)
        inputs = self._schema(kind).check(request.params)
        return self._submission(request, kind, params, owner, idempotency_key), inputs

    def _schema(self, kind: Kind) -> ParamsSchema:
        """Looked up by the kind itself, as its schema as text may be long."""
        known = self._schemas.get(kind.kind)
        if known is None or known[0] is not kind:
            known = self._schemas[kind.kind] = kind, schema_of(kind.params_schema)
        return known[1]

    def refuse_if_full(self) -> None:
        """Raises StoreFull while there is no room for more jobs."""
        self._pressure.refuse_if_full()

    def check(self, request: JobRequest) -> None:
        """Against the bounds of this deployment. Raises InvalidJob with every misfit."""
        if errors := [{"pointer": pointer(name), "message": message} for name, message in self._misfits(request)]:
            raise InvalidJob(f"{errors[0]['pointer'][1:]}: {errors[0]['message']}", errors=errors)

    def callback_misfits(self, callback_url: str | None) -> Iterator[tuple[str, str]]:
        """What of it does not fit this deployment."""
        ports = self._settings.webhook_ports
        if callback_url and ports and port_of(callback_url) not in ports:
            yield "callback_url", f"must have one of the ports {', '.join(map(str, ports))}"

    def _misfits(self, request: JobRequest) -> Iterator[tuple[str, str]]:
        settings = self._settings
        for name, most in self._most.items():
            value = getattr(request, name)
            if value is not None and value > most:
                yield name, f"must be at most {most}"
        if request.run_at is not None and request.delay_seconds is not None:
            yield "run_at", "cannot be combined with delay_seconds"
        if request.callback_events and not request.callback_url:
            yield "callback_events", "needs a callback_url"
        yield from self.callback_misfits(request.callback_url)
        if len(request.tags) > settings.max_tags:
            yield "tags", f"must be at most {settings.max_tags}"
        if request.metadata and len(json_text(request.metadata).encode()) > settings.max_metadata_bytes:
            yield "metadata", f"must take at most {settings.max_metadata_bytes} bytes as JSON"

    def _params_text(self, params: dict[str, Any]) -> str:
        text = json_text(params)
        most = self._settings.max_params_bytes
        if len(text.encode()) > most:
            message = f"The params take more than {most} bytes as JSON."
            raise InvalidParams(message, errors=[{"pointer": pointer("params"), "message": message}])
        return text

    def _submission(self, request: JobRequest, kind: Kind, params: str, owner: str, idempotency_key: str) -> Submission:
        return Submission(
            kind=kind.kind,
            params=params,
            owner=owner,
            queue=kind.queue,
            max_attempts=request.max_attempts or kind.max_attempts,
            timeout_ms=round((request.timeout_seconds or kind.timeout_seconds) * 1000),
            result_ttl_ms=self._result_ttl_seconds(request, kind) * 1000,
            tags=tuple(dict.fromkeys(request.tags)),
            metadata=json_text(request.metadata) if request.metadata else "",
            priority=request.priority,
            run_at_ms=request.run_at or 0,
            delay_ms=round((request.delay_seconds or 0) * 1000),
            start_within_ms=round((request.start_within_seconds or 0) * 1000),
            idempotency_key=idempotency_key,
            fingerprint=fingerprint(request) if idempotency_key else "",
            callback_url=request.callback_url or "",
            callback_events=tuple(dict.fromkeys(request.callback_events or DEFAULT_EVENTS)),
        )

    def _result_ttl_seconds(self, request: JobRequest, kind: Kind) -> int:
        return request.result_ttl_seconds or kind.result_ttl_seconds or self._settings.result_ttl_seconds


def parse(body: Any) -> JobRequest:
    """The request in a JSON value. Raises InvalidJob with every misfit."""
    if not isinstance(body, dict):
        raise InvalidJob("A submission is a JSON object.", errors=[{"pointer": "", "message": "must be an object"}])
    try:
        return JobRequest.model_validate(body)
    except ValidationError as error:
        errors = misfits_of(error)
        first = errors[0]
        raise InvalidJob(f"{first['pointer'][1:]}: {first['message']}", errors=errors) from None


def fingerprint(request: JobRequest) -> str:
    """Alike for requests that ask for the same, in whatever order their members came."""
    canonical = json.dumps(request.model_dump(exclude_none=True), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
