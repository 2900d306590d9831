"""What the service refuses, each with a stable code. Raised anywhere below `app/`, shown by `app/web/problems.py`.

A refusal's docstring says when it comes and, in its second paragraph, how to mend it: `docs/errors.md`, `/docs/errors`
and the OpenAPI document are made of these (`REFUSALS`). Clients go by the code, which never changes.

StoreError is a change the store did not make; for callers inside, never for clients.
"""

import inspect
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
    sends: ClassVar[tuple[str, ...]] = ()
    """Headers that can come with it; `app/web/headers.py` describes them."""

    def __init__(self, detail: str = "", *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def problem(self, instance: str = "") -> dict[str, Any]:
        """The answer's body (RFC 9457). `type` leads to the code's explanation, relative to this service."""
        problem: dict[str, Any] = {
            "type": self.type or f"/docs/errors#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail or self.title,
            "instance": instance,
            "code": self.code,
        }
        if (seconds := self.headers.get("Retry-After", "")).isdigit():
            problem["retry_after"] = int(seconds)
        return problem | self.members

    @classmethod
    def explained(cls) -> tuple[str, str]:
        """When it comes, and how to mend it; text with code in backquotes."""
        when, _, remedy = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")
        return when, remedy


class BadRequest(Refusal):
    """The request line, a header or a query parameter is malformed.

    Send what `detail` asks for; `parameter` or `header` names what is meant.
    """

    status, code, title = 400, "invalid_request", "The request is malformed"


class BadMessage(Refusal):
    """A WebSocket frame is JSON but asks for nothing that can be done.

    Send one of the frames in /asyncapi.json; `detail` says what is wrong with this one.
    """

    status, code, title = 400, "bad_message", "The frame is not understood"


class InvalidJson(Refusal):
    """The body is no JSON, is nested too deeply, or holds a number beyond a double.

    Send JSON (RFC 8259) in UTF-8; `detail` says where it broke.
    """

    status, code, title = 400, "invalid_json", "The body is not acceptable JSON"


class Unauthenticated(Refusal):
    """No credential came with the request, or it is not valid, no longer, or not here.

    Send `Authorization: Bearer` with an API key (`tidings keys create` makes one), a JWT of the issuer that is trusted
    here, or a token of `POST /api/tokens`; fetch a fresh one where it has expired.
    """

    status, code, title = 401, "unauthenticated", "Nobody knows who is asking"
    sends = ("WWW-Authenticate",)


class Forbidden(Refusal):
    """The credential is valid and not good for this: it lacks the scope, or is a token that reaches less.

    Use one that has the `scope`, where that is named; `detail` says what is missing.
    """

    status, code, title = 403, "forbidden", "Not with this credential"


class ForeignOrigin(Refusal):
    """A page of another origin has asked for a change, and `TIDINGS_ALLOWED_ORIGINS` does not name it.

    Name the page's origin there, or ask from a server; what sends neither `Origin` nor `Sec-Fetch-Site` is no page.
    """

    status, code, title = 403, "foreign_origin", "Pages of this origin may not ask for that"


class NotFound(Refusal):
    """There is no such route.

    Look the path up in /docs; paths have no slash at their end.
    """

    status, code, title = 404, "not_found", "Nothing is here"


class UnknownJob(Refusal):
    """There is no such job, or it is not yours, or it was forgotten a day after it expired.

    Use the `job_id` or a link of a job object.
    """

    status, code, title = 404, "unknown_job", "No such job"


class UnknownBatch(Refusal):
    """There is no such batch, it is another owner's, or it is no longer kept.

    Use the `batch_id` of the answer to a `POST /api/batches`.
    """

    status, code, title = 404, "unknown_batch", "No such batch"


class UnknownArtifact(Refusal):
    """The job has saved no file of that name.

    Use a `url` of the job object's `artifacts`; a running job may save it yet.
    """

    status, code, title = 404, "unknown_artifact", "No such artifact"


class UnknownDelivery(Refusal):
    """The job has no webhook of that number, or it is no longer kept.

    Take an `n` of `GET /api/jobs/{job_id}/deliveries`.
    """

    status, code, title = 404, "unknown_delivery", "No such delivery"


class UnknownSecret(Refusal):
    """There is no such webhook secret, or it is not yours.

    Take a `secret_id` of `GET /api/webhooks/secrets`.
    """

    status, code, title = 404, "unknown_secret", "No such secret"


class UnknownUpload(Refusal):
    """There is no such upload, or it is not yours, or it has expired.

    Begin it again by `POST /api/uploads`.
    """

    status, code, title = 404, "unknown_upload", "No such upload"


class NoSuchKind(Refusal):
    """No worker has announced the kind in the path within the last week.

    Take one of `GET /api/kinds`.
    """

    status, code, title = 404, "no_such_kind", "No such kind"


class UnknownQueue(Refusal):
    """No kind is put into the queue in the path.

    Take one of `GET /api/queues`.
    """

    status, code, title = 404, "unknown_queue", "No such queue"


class UnknownCallback(Refusal):
    """No callback is awaited at this URL: it is not one of ours, or its job is no longer kept.

    Call the `callback_url` that the job's handler gave out, as it is.
    """

    status, code, title = 404, "unknown_callback", "No such callback"


class MethodNotAllowed(Refusal):
    """The path exists, but not with this method.

    Use one of the methods in `Allow`.
    """

    status, code, title = 405, "method_not_allowed", "Method not allowed here"
    sends = ("Allow",)


class NotAcceptable(Refusal):
    """None of the media types in `Accept` is made here.

    Ask for one that `detail` names, or send no `Accept`.
    """

    status, code, title = 406, "not_acceptable", "None of the forms asked for exists here"


class RequestTimeout(Refusal):
    """The head or the body of the request came too slowly, or stopped coming.

    Send it again, without pauses; over a slow line a file is best sent by tus, which goes on from where it broke off.
    """

    status, code, title = 408, "request_timeout", "The request took too long to come"


class ResultNotReady(Refusal):
    """The job has no result: it has not ended, or it ended otherwise than completed.

    While `Retry-After` comes with it, ask again after so many seconds; else `job_status` says how it ended.
    """

    status, code, title = 409, "result_not_ready", "The job has no result"
    sends = ("Retry-After",)


class NotRetryable(Refusal):
    """The job has not failed, nor was it cancelled, so there is nothing to run again.

    Wait for its end; a completed job has to be submitted anew.
    """

    status, code, title = 409, "not_retryable", "The job cannot be run again"


class NotSuspendable(Refusal):
    """The job is not pending: only what waits in a queue can be held back.

    Cancel it instead, if it is to stop.
    """

    status, code, title = 409, "not_suspendable", "The job does not wait in a queue"


class TooManySecrets(Refusal):
    """The owner has as many webhook secrets as it may: all of them sign each webhook.

    Delete those that no receiver needs any more.
    """

    status, code, title = 409, "too_many_secrets", "No more secrets"


class OffsetMismatch(Refusal):
    """`Upload-Offset` is not where the upload stands.

    Go on from `offset`, which HEAD tells too.
    """

    status, code, title = 409, "offset_mismatch", "The upload does not stand there"


class CallbackConflict(Refusal):
    """This wait has been answered by another callback, which stays.

    Nothing is to be done; what was meant by this one has to be told in another way.
    """

    status, code, title = 409, "callback_conflict", "Another answer came before"


class CallbackOver(Refusal):
    """The job waits no more: its deadline has passed, it has ended, or it went on without this answer.

    Stop calling; the job's events say what became of it.
    """

    status, code, title = 410, "callback_over", "Nobody waits for this any more"


class ResultExpired(Refusal):
    """The job's retention is over, and its result and files are gone.

    Submit the job again; `result_ttl_seconds` asks for a longer retention.
    """

    status, code, title = 410, "result_expired", "The result is no longer kept"


class UnsupportedTus(Refusal):
    """`Tus-Resumable` is missing or names a version of the protocol not spoken here.

    Send `Tus-Resumable: 1.0.0`; `Tus-Version` tells what is spoken.
    """

    status, code, title = 412, "unsupported_tus", "This version of tus is not spoken here"
    sends = ("Tus-Version",)


class BodyTooLarge(Refusal):
    """The JSON body has more than `max_bytes`.

    Send less; large input belongs into an upload.
    """

    status, code, title = 413, "body_too_large", "The body is too large"


class UploadTooLarge(Refusal):
    """The file has more than `max_bytes`.

    Send a smaller file, or have the operator raise TIDINGS_MAX_UPLOAD_BYTES.
    """

    status, code, title = 413, "upload_too_large", "The upload is too large"


class TargetTooLong(Refusal):
    """The URL is too long.

    Send a shorter one; long filters can be split over several requests.
    """

    status, code, title = 414, "target_too_long", "The request's URL is too long"


class UnsupportedMediaType(Refusal):
    """The body is not of the media type taken here, or it has a Content-Encoding.

    Send `Content-Type: application/json`, unencoded.
    """

    status, code, title = 415, "unsupported_media_type", "The body's media type is not taken here"
    sends = ("Accept",)


class RangeNotSatisfiable(Refusal):
    """The range asked for lies outside the file.

    Ask for a range within the size that `Content-Range` tells.
    """

    status, code, title = 416, "range_not_satisfiable", "The range lies outside the file"
    sends = ("Content-Range",)


class Misdirected(Refusal):
    """The service has no authentication, and was asked by a name, or at an address, at which it may not be open.

    Ask by `localhost` or an address. Name other names in `TIDINGS_ALLOWED_HOSTS` or `TIDINGS_PUBLIC_URL`; who comes
    from other machines needs authentication (`TIDINGS_AUTH`).
    """

    status, code, title = 421, "misdirected", "Not by this name without authentication"


class InvalidJob(Refusal):
    """A member of the submission is unknown, missing, of the wrong type or out of its bounds.

    Mend what `errors` names, each by a JSON Pointer into the body.
    """

    status, code, title = 422, "invalid_job", "The submission does not fit"


class InvalidBatch(Refusal):
    """A field of the batch does not fit, or it has no jobs or too many.

    Mend what `errors` names and send it again; nothing of it was queued.
    """

    status, code, title = 422, "invalid_batch", "The batch does not fit"


class InvalidToken(Refusal):
    """What a token is asked for does not fit: it is of another form, too long-lived, or narrowed in no way or in two.

    Mend what `detail` names; a token is for `jobs`, a `tag`, a `batch_id`, the `feed`, or to submit a job of a `kind`.
    """

    status, code, title = 422, "invalid_token", "Such a token cannot be made"


class UnknownKind(Refusal):
    """No worker has announced that kind within the last week.

    Take one of `kinds`, or start a worker that has it.
    """

    status, code, title = 422, "unknown_kind", "No worker knows this kind"


class InvalidParams(Refusal):
    """The params do not fit the kind's JSON Schema, or are too large.

    Mend what `errors` names; GET /api/kinds has the schema.
    """

    status, code, title = 422, "invalid_params", "The params do not fit the kind's schema"


class UnknownInput(Refusal):
    """An input names no upload or artifact of yours, nor a location.

    Upload the file again; uploads are kept for a day after their last use.
    """

    status, code, title = 422, "unknown_input", "An input is not known"


class IdempotencyConflict(Refusal):
    """This Idempotency-Key was used for another request.

    Take a fresh key for a new job, and the same body when repeating one.
    """

    status, code, title = 422, "idempotency_conflict", "This Idempotency-Key was used for another request"


class UploadBusy(Refusal):
    """Another request is writing to this upload, or is about to end it.

    Ask by HEAD for its offset after a moment, and go on from there.
    """

    status, code, title = 423, "upload_busy", "The upload is in other hands"


class PollTooFast(Refusal):
    """This job was asked for more often than allowed.

    Ask again after `Retry-After`, or better wait with `Prefer: wait`, or open a stream.
    """

    status, code, title, type = 429, "poll_too_fast", *QUOTA_EXCEEDED
    sends = (
        "Retry-After",
        "RateLimit",
        "RateLimit-Policy",
    )


class SubmitTooFast(Refusal):
    """This owner, or the key, submits more often than allowed.

    Submit again after `Retry-After`; with the same Idempotency-Key that is safe.
    """

    status, code, title, type = 429, "submit_too_fast", *QUOTA_EXCEEDED
    sends = (
        "Retry-After",
        "RateLimit",
        "RateLimit-Policy",
    )


class UploadTooFast(Refusal):
    """This owner, or the key, begins uploads more often than allowed, or has too many coming in at once.

    Go on after `Retry-After`.
    """

    status, code, title, type = 429, "upload_too_fast", *QUOTA_EXCEEDED
    sends = (
        "Retry-After",
        "RateLimit",
        "RateLimit-Policy",
    )


class QueueFull(Refusal):
    """Too many jobs of this owner have not ended.

    Wait until some have ended; `Retry-After` says when to try again.
    """

    status, code, title, type = 429, "queue_full", *QUOTA_EXCEEDED
    sends = ("Retry-After",)


class TooManyUnfinished(Refusal):
    """This owner has too many uploads that have begun and not ended, or they are to have too many bytes.

    Bring some to their end, or DELETE them; those to which nothing is added expire.
    """

    status, code, title, type = 429, "too_many_unfinished", *QUOTA_EXCEEDED


class TooManyConnections(Refusal):
    """Your address has as many connections open as it may.

    Close some, or share one: HTTP/2 through a proxy, a multiplexed WebSocket for many jobs.
    """

    status, code, title, type = 429, "too_many_connections", *QUOTA_EXCEEDED
    sends = ("Retry-After",)


class TooManySubscriptions(Refusal):
    """A multiplexed WebSocket has as many subscriptions as it may.

    Unsubscribe from some, or open another connection.
    """

    status, code, title = 429, "too_many_subscriptions", "No more subscriptions on this connection"


class HeadersTooLarge(Refusal):
    """The head of the request has more than 64 KiB.

    Send fewer or shorter headers; a long URL counts too.
    """

    status, code, title = 431, "headers_too_large", "The request's headers are too large"


class ChecksumMismatch(Refusal):
    """What came is not what `Upload-Checksum` says; nothing of it was kept.

    Send it again from the same offset; 460 is a status of tus itself.
    """

    status, code, title = 460, "checksum_mismatch", "The checksum does not fit"


class InternalError(Refusal):
    """Something failed that nobody expected; it has been logged.

    Try again, and tell the operator the `error_id`.
    """

    status, code, title = 500, "internal_error", "Something went wrong here"


class UnknownTransferCoding(Refusal):
    """The body comes in a transfer coding not known here.

    Send it plain or chunked.
    """

    status, code, title = 501, "unknown_transfer_coding", "The body's transfer coding is not known here"


class Unavailable(Refusal):
    """The store cannot be reached, or this process is about to stop, or is full.

    Ask again after `Retry-After`; an Idempotency-Key makes a repeated submission safe.
    """

    status, code, title = 503, "unavailable", "Not available at the moment"
    sends = ("Retry-After",)


class StoreFull(Refusal):
    """Too many jobs in all have not ended, or the store's memory is nearly full.

    Try again after `Retry-After`; the operator may have to make room.
    """

    status, code, title, type = 503, "store_full", *REDUCED_CAPACITY
    sends = ("Retry-After",)


class StorageFull(Refusal):
    """The disk has no room for the upload.

    Try again later; the operator has to make room.
    """

    status, code, title = 507, "storage_full", "There is no room for this"


REFUSALS: Final = tuple(
    kind
    for kind in [*globals().values()]
    if isinstance(kind, type) and issubclass(kind, Refusal) and hasattr(kind, "code")
)
"""All of them, by status."""


class StoreError(Exception):
    """The store did not make a change; nothing of it was written."""


class StaleRun(StoreError):
    """The run token is no longer the job's: another worker has it, or it has ended."""


class IllegalChange(StoreError):
    """The job's status does not allow this change."""


class TooManyKeys(StoreError):
    """There are as many API keys as there may be."""
