"""How what was asked of the service can come to nothing.

ClientError
├── Refused        the service answered, and the answer is no; carries its problem details
└── Unreachable    nothing answered, or what answered is no Tidings

NotCompleted is no error of the conversation: the job was run, and has no result.
"""

from http import HTTPStatus

from pydantic_core import from_json

from app.client.follow import HEALING
from app.client.wire import Json, Reply


class ClientError(Exception):
    """What was asked for did not happen.

    `heals` says whether the same request may succeed later, `retry_after` after how many seconds at the soonest.
    """

    heals = True
    retry_after = 0


class Unreachable(ClientError):
    """No service of ours answers at `url`; the message says how it failed."""

    def __init__(self, url: str, cause: object, *, heals: bool = True) -> None:
        super().__init__(f"{url}: {cause}")
        self.heals = heals


class Refused(ClientError):
    """The service said no. `problem` is the problem details object (RFC 9457), made up where it sent none."""

    def __init__(self, problem: Json, retry_after: int = 0) -> None:
        super().__init__(problem.get("detail") or problem["title"])
        self.problem = problem
        self.retry_after = retry_after
        self.heals = problem["status"] in HEALING

    @classmethod
    def by(cls, reply: Reply) -> "Refused":
        """What an answer that is no success says."""
        problem = {"title": _title(reply.status)} | _problem(reply) | {"status": reply.status}
        return cls(problem, reply.retry_after)

    @property
    def code(self) -> str:
        """The stable code, as in `app/errors.py`; empty for an answer that is not ours."""
        return str(self.problem.get("code", ""))


class NotCompleted(Exception):
    """A job failed or was cancelled; `job` is the job object."""

    def __init__(self, job: Json) -> None:
        error = job.get("error") or {}
        super().__init__(f"{job['status']}: {error['message']}" if error.get("message") else job["status"])
        self.job = job


def json_object(content: bytes) -> Json:
    """Raises ValueError for anything else."""
    value = from_json(content)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _title(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "an unknown status"
    return f"answered {status}, {phrase}"


def _problem(reply: Reply) -> Json:
    if "json" not in reply.headers.get("Content-Type", ""):
        return {}
    try:
        return json_object(reply.body)
    except ValueError:
        return {}
