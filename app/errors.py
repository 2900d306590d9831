"""What the service refuses, each with a stable code. Raised anywhere below `app/`, shown by `app/web/problems.py`.

Refusal
├── BadRequest             400  invalid_request       the request line, a header or a query parameter is malformed
├── InvalidJson            400  invalid_json          the body is not JSON within the bounds
├── NotFound               404  not_found             no such route
├── UnknownJob             404  unknown_job           no such job, or not yours
├── UnknownArtifact        404  unknown_artifact      the job has no artifact of that name
├── NoSuchKind             404  no_such_kind          no worker has announced the kind in the path
├── UnknownQueue           404  unknown_queue         no kind is put into the queue in the path
├── MethodNotAllowed       405  method_not_allowed
├── NotAcceptable          406  not_acceptable        none of the forms asked for exists here
├── RequestTimeout         408  request_timeout       the body stopped coming
├── ResultNotReady         409  result_not_ready      the job has not completed
├── NotRetryable           409  not_retryable         the job has not failed, nor was it cancelled
├── NotSuspendable         409  not_suspendable       the job is not pending
├── ResultExpired          410  result_expired        retention is over
├── BodyTooLarge           413  body_too_large
├── UploadTooLarge         413  upload_too_large
├── TargetTooLong          414  target_too_long       the URL is too long
├── UnsupportedMediaType   415  unsupported_media_type
├── RangeNotSatisfiable    416  range_not_satisfiable
├── InvalidJob             422  invalid_job           a field of the submission does not fit
├── UnknownKind            422  unknown_kind          no worker has announced that kind
├── InvalidParams          422  invalid_params        the params do not fit the kind's schema
├── UnknownInput           422  unknown_input         an input names no upload or artifact of yours, nor a location
├── IdempotencyConflict    422  idempotency_conflict  the key was used for another request
├── PollTooFast            429  poll_too_fast         a job was asked for more often than allowed
├── SubmitTooFast          429  submit_too_fast       the owner submits more often than allowed
├── QueueFull              429  queue_full            too many jobs of the owner have not ended
├── HeadersTooLarge        431  headers_too_large
├── InternalError          500  internal_error
├── UnknownTransferCoding  501  unknown_transfer_coding
├── Unavailable            503  unavailable           the store cannot be reached, or the process is draining or full
├── StoreFull              503  store_full            too many jobs in all have not ended, or Redis is nearly full
└── StorageFull            507  storage_full          the disk has no room for the upload

StoreError                      a change the store did not make; for callers inside, never for clients
├── StaleRun                    the run token is no longer the job's
└── IllegalChange               the transition table forbids it
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

QUOTA_EXCEEDED: Final = (
    "Request cannot be satisfied as assigned quota has been exceeded",
    "https://iana.org/assignments/http-problem-types#quota-exceeded",
)
REDUCED_CAPACITY: Final = (
    "Request cannot be satisfied due to temporary server capacity constraints",
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
)
"""Title and type of problems known beyond this service (IETF draft "RateLimit header fields for HTTP")."""


class Refusal(Exception):
    """A request understood and not done.

    `detail` tells this occurrence, `members` are extension members of the problem (RFC 9457 section 3.2),
    `headers` go with the answer.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    type: ClassVar[str] = ""

    def __init__(self, detail: str = "", *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def problem(self, instance: str = "") -> dict[str, Any]:
        """The answer's body (RFC 9457). `type` leads to the code's explanation, relative to this service."""
        problem = {
            "type": self.type or f"/docs/errors#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail or self.title,
            "instance": instance,
            "code": self.code,
        }
        return problem | self.members


class BadRequest(Refusal):
    status, code, title = 400, "invalid_request", "The request is malformed"


class InvalidJson(Refusal):
    status, code, title = 400, "invalid_json", "The body is not acceptable JSON"


class NotFound(Refusal):
    status, code, title = 404, "not_found", "Nothing is here"


class UnknownJob(Refusal):
    status, code, title = 404, "unknown_job", "No such job"


class UnknownArtifact(Refusal):
    status, code, title = 404, "unknown_artifact", "No such artifact"


class NoSuchKind(Refusal):
    status, code, title = 404, "no_such_kind", "No such kind"


class UnknownQueue(Refusal):
    status, code, title = 404, "unknown_queue", "No such queue"


class MethodNotAllowed(Refusal):
    status, code, title = 405, "method_not_allowed", "Method not allowed here"


class NotAcceptable(Refusal):
    status, code, title = 406, "not_acceptable", "None of the forms asked for exists here"


class RequestTimeout(Refusal):
    status, code, title = 408, "request_timeout", "The request took too long to come"


class ResultNotReady(Refusal):
    status, code, title = 409, "result_not_ready", "The job has no result"


class ResultExpired(Refusal):
    status, code, title = 410, "result_expired", "The result is no longer kept"


class BodyTooLarge(Refusal):
    status, code, title = 413, "body_too_large", "The body is too large"


class UploadTooLarge(Refusal):
    status, code, title = 413, "upload_too_large", "The upload is too large"


class TargetTooLong(Refusal):
    status, code, title = 414, "target_too_long", "The request's URL is too long"


class UnsupportedMediaType(Refusal):
    status, code, title = 415, "unsupported_media_type", "The body's media type is not taken here"


class NotRetryable(Refusal):
    status, code, title = 409, "not_retryable", "The job cannot be run again"


class NotSuspendable(Refusal):
    status, code, title = 409, "not_suspendable", "The job does not wait in a queue"


class RangeNotSatisfiable(Refusal):
    status, code, title = 416, "range_not_satisfiable", "The range lies outside the file"


class InvalidJob(Refusal):
    status, code, title = 422, "invalid_job", "The submission does not fit"


class UnknownKind(Refusal):
    status, code, title = 422, "unknown_kind", "No worker knows this kind"


class InvalidParams(Refusal):
    status, code, title = 422, "invalid_params", "The params do not fit the kind's schema"


class UnknownInput(Refusal):
    status, code, title = 422, "unknown_input", "An input is not known"


class IdempotencyConflict(Refusal):
    status, code, title = 422, "idempotency_conflict", "This Idempotency-Key was used for another request"


class PollTooFast(Refusal):
    status, code, title, type = 429, "poll_too_fast", *QUOTA_EXCEEDED


class SubmitTooFast(Refusal):
    status, code, title, type = 429, "submit_too_fast", *QUOTA_EXCEEDED


class QueueFull(Refusal):
    status, code, title, type = 429, "queue_full", *QUOTA_EXCEEDED


class HeadersTooLarge(Refusal):
    status, code, title = 431, "headers_too_large", "The request's headers are too large"


class InternalError(Refusal):
    status, code, title = 500, "internal_error", "Something went wrong here"


class UnknownTransferCoding(Refusal):
    status, code, title = 501, "unknown_transfer_coding", "The body's transfer coding is not known here"


class Unavailable(Refusal):
    status, code, title = 503, "unavailable", "Not available at the moment"


class StoreFull(Refusal):
    status, code, title, type = 503, "store_full", *REDUCED_CAPACITY


class StorageFull(Refusal):
    status, code, title = 507, "storage_full", "There is no room for this"


class StoreError(Exception):
    """The store did not make a change; nothing of it was written."""


class StaleRun(StoreError):
    """The run token is no longer the job's: another worker has it, or it has ended."""


class IllegalChange(StoreError):
    """The job's status does not allow this change."""
