"""From a request to a job: every check a submission has to pass before anything is written.

Called by `POST /api/jobs`. What a request leaves open, its kind decides.
"""

import hashlib
import json
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.errors import InvalidJob, InvalidParams
from app.events import json_text
from app.intake.catalog import Catalog
from app.intake.inputs import Inputs
from app.intake.params import pointer, schema_of
from app.jobs import Job, Submission
from app.settings import YEAR, Settings
from app.store import JobStore, Kind

WEEK: Final = 7 * 86_400


def _plain(tag: str) -> str:
    if not tag.isprintable() or "," in tag:
        raise ValueError("a tag is printable and has no comma")
    return tag


Tag = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_plain)]


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
    params: dict[str, Any] = {}
    """What the kind's `params_schema` asks for."""
    tags: list[Tag] = Field([], max_length=10)
    """Words to find the job by, without commas."""
    timeout_seconds: float | None = Field(None, ge=0.001, le=WEEK)
    """How long one attempt may take."""
    max_attempts: int | None = Field(None, ge=1, le=100)
    result_ttl_seconds: int | None = Field(None, ge=1, le=YEAR)
    """How long the ended job, its result and its files are kept."""
    delay_seconds: float | None = Field(None, ge=0, le=YEAR)
    """Not to begin before that."""
    start_within_seconds: float | None = Field(None, ge=0.001, le=YEAR)
    """A job not begun so long after it was due fails with `expired`."""


class Submissions:
    """Accepts jobs, or raises a refusal with nothing queued."""

    def __init__(self, settings: Settings, jobs: JobStore, catalog: Catalog, inputs: Inputs) -> None:
        self._settings = settings
        self._jobs = jobs
        self._catalog = catalog
        self._inputs = inputs

    async def accept(self, body: Any, owner: str, idempotency_key: str = "") -> tuple[Job, bool]:
        """The job, and whether it is the earlier one of this key.

        Raises InvalidJob, UnknownKind, InvalidParams, UnknownInput, IdempotencyConflict or Unavailable.
        """
        request = parse(body)
        kind = await self._catalog.find(request.kind)
        params = self._params_text(request.params)
        inputs = schema_of(kind.params_schema).check(request.params)
        submission = self._submission(request, kind, params, owner, idempotency_key)
        await self._inputs.hold(inputs, owner, submission.delay_ms + submission.result_ttl_ms)
        return await self._jobs.submit(submission)

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
            result_ttl_ms=(request.result_ttl_seconds or self._settings.result_ttl_seconds) * 1000,
            tags=tuple(dict.fromkeys(request.tags)),
            delay_ms=round((request.delay_seconds or 0) * 1000),
            start_within_ms=round((request.start_within_seconds or 0) * 1000),
            idempotency_key=idempotency_key,
            fingerprint=fingerprint(request) if idempotency_key else "",
        )


def parse(body: Any) -> JobRequest:
    """The request in a JSON value. Raises InvalidJob with every misfit."""
    if not isinstance(body, dict):
        raise InvalidJob("A submission is a JSON object.", errors=[{"pointer": "", "message": "must be an object"}])
    try:
        return JobRequest.model_validate(body)
    except ValidationError as error:
        misfits = error.errors(include_url=False, include_context=False, include_input=False)
        errors = [{"pointer": pointer(*misfit["loc"])[:100], "message": misfit["msg"]} for misfit in misfits[:20]]
        first = errors[0]
        raise InvalidJob(f"{first['pointer'][1:]}: {first['message']}", errors=errors) from None


def fingerprint(request: JobRequest) -> str:
    """Alike for requests that ask for the same, in whatever order their members came."""
    canonical = json.dumps(request.model_dump(exclude_none=True), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
