"""A Python client of the HTTP face: submit, look, cancel, upload, follow. `app/cli` is its first user.

It repeats what is safe to repeat, never for ever, and fails in two ways only:

ClientError
├── Refused        the service answered, and the answer is no; carries its problem details
└── Unreachable    nothing answered, or what answered is no Tidings
"""

import mimetypes
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Final, Self
from urllib.parse import quote

import httpx
from pydantic_core import from_json, to_json

from app.client.follow import HEALING, Answer, Follower, NotOurs, answer

Json = dict[str, Any]

DIRECT: Final = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
"""Never through a proxy, whatever the environment says."""

RETRY_SECONDS: Final = (0.25, 0.5, 1.0)
"""Waits between the tries of one request, each stretched by up to a half."""

LONGEST_RETRY_AFTER_SECONDS: Final = 10
"""A service that wants to be left alone for longer has refused, as far as one request goes."""

CHUNK_BYTES: Final = 256 << 10


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

    @property
    def code(self) -> str:
        """The stable code, as in `app/errors.py`; empty for an answer that is not ours."""
        return str(self.problem.get("code", ""))


class Client:
    """Talks to one service. Use it as a context manager, from one thread.

    `timeout` and `silence` are seconds: how long a request may wait for its answer, and after how much quiet a stream,
    which has a comment every 15 s, counts as dead. `api_key` is shown to the service; a JWT or a browser token does as
    well. Raises ValueError for a URL that is none.
    """

    def __init__(self, url: str, *, api_key: str = "", timeout: float = 30, silence: float = 45) -> None:
        self.url = _checked(url)
        self._silence = httpx.Timeout(timeout, read=silence)
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=self.url, timeout=timeout, mounts=DIRECT, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def absolute(self, link: str) -> str:
        """A link of the service, which may be path-absolute, as one to click on."""
        return self.url + link if link.startswith("/") else link

    def kinds(self) -> list[Json]:
        """What can be asked for: `kind`, `description`, `params_schema` … of each."""
        kinds: list[Json] = self._ask("GET", "/api/kinds")["kinds"]
        return kinds

    def webhook_secret(self) -> str:
        """One that signs the owner's webhooks: the one the service has made by itself, else a new one."""
        listed: list[Json] = self._ask("GET", "/api/webhooks/secrets")["secrets"]
        seen = [secret["secret"] for secret in listed if "secret" in secret]
        return str(seen[0] if seen else self._ask("POST", "/api/webhooks/secrets")["secret"])

    def submit(self, kind: str, params: Mapping[str, Any], *, tags: Sequence[str] = ()) -> Json:
        """Submit a job, once however often the request has to be repeated. Returns the job object."""
        body = {"kind": kind, "params": params} | ({"tags": tags} if tags else {})
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{uuid.uuid4()}"'}
        return self._ask("POST", "/api/jobs", content=to_json(body), headers=headers)

    def job(self, job_id: str) -> Json:
        """The job object."""
        return self._ask("GET", _job_path(job_id))

    def cancel(self, job_id: str, reason: str = "") -> Json:
        """Ask for the job to be stopped. Returns the job object, which may say that it had ended before."""
        body = {"content": to_json({"reason": reason}), "headers": {"Content-Type": "application/json"}}
        return self._ask("POST", f"{_job_path(job_id)}/cancel", **(body if reason else {}))

    def upload(self, path: Path, on_progress: Callable[[int, int], None] = lambda sent, total: None) -> Json:
        """Send a file; `input` of what is returned goes into params. `on_progress` hears bytes sent and in all.

        Raises OSError when the file cannot be read to its end.
        """
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            headers = {
                "Content-Length": str(size),
                "Content-Type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            }
            target = f"/api/uploads/{quote(path.name, safe='')}"
            return self._json(self._try("PUT", target, content=_chunks(file, size, on_progress), headers=headers))

    def follow(
        self, job_id: str, after: int | None = None, on_away: Callable[[float], None] = lambda seconds: None
    ) -> Generator[Json]:
        """The job's events to its end, over as many connections as it takes.

        Without `after` a snapshot comes first; with it, what the log has of a higher seq (0: everything). `on_away`
        hears for how many seconds a lost service is left alone, and 0 when it is back.
        """
        follower = Follower(after)
        while True:
            failure: ClientError = Unreachable(self.url, "the stream ended before the job did")
            try:
                yield from self._stream(f"{_job_path(job_id)}/events", follower, on_away)
            except ClientError as error:
                failure = error
            if follower.ended:
                return
            seconds = follower.lost(failure.retry_after) if failure.heals else None
            if seconds is None:
                raise failure
            on_away(seconds)
            time.sleep(seconds)

    def _stream(self, path: str, follower: Follower, on_away: Callable[[float], None]) -> Iterator[Json]:
        """One connection's events. Raises Refused, Unreachable."""
        try:
            with self._http.stream("GET", path, headers=follower.connect(), timeout=self._silence) as response:
                match answer(response.status_code, response.headers.get("Content-Type", "")):
                    case Answer.OVER:
                        follower.ended = True
                    case Answer.STREAM:
                        on_away(0)
                        for chunk in response.iter_bytes():
                            yield from follower.feed(chunk)
                    case _:
                        raise _refused(response)
        except NotOurs as error:
            raise Unreachable(self.url, error, heals=False) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unreachable(self.url, _words(error)) from error

    def _ask(self, method: str, path: str, **request: Any) -> Json:
        """Send a request that may be repeated, and repeat it while that may help."""
        for seconds in RETRY_SECONDS:
            try:
                return self._json(self._try(method, path, **request))
            except ClientError as failure:
                if not failure.heals or failure.retry_after > LONGEST_RETRY_AFTER_SECONDS:
                    raise
                time.sleep(max(_stretched(seconds), failure.retry_after))
        return self._json(self._try(method, path, **request))

    def _try(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unreachable(self.url, _words(error)) from error
        if not response.is_success:
            raise _refused(response)
        return response

    def _json(self, response: httpx.Response) -> Json:
        try:
            return _object(response.content)
        except ValueError as error:
            raise Unreachable(self.url, "what answers there is no Tidings", heals=False) from error


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{url!r} is no http:// or https:// URL")
    return url.rstrip("/")


def _job_path(job_id: str) -> str:
    return f"/api/jobs/{quote(job_id, safe='')}"


def _chunks(file: BinaryIO, size: int, on_progress: Callable[[int, int], None]) -> Iterator[bytes]:
    """As many bytes as were announced, though the file may grow. Raises OSError when it shrinks."""
    sent = 0
    while sent < size:
        chunk = file.read(min(CHUNK_BYTES, size - sent))
        if not chunk:
            raise OSError(f"{file.name} became shorter while it was read")
        yield chunk
        sent += len(chunk)
        on_progress(sent, size)


def _refused(response: httpx.Response) -> Refused:
    problem = {"title": _title(response)} | _problem(response) | {"status": response.status_code}
    seconds = response.headers.get("Retry-After", "")
    return Refused(problem, int(seconds) if re.fullmatch("[0-9]{1,9}", seconds) else 0)


def _title(response: httpx.Response) -> str:
    try:
        phrase = HTTPStatus(response.status_code).phrase
    except ValueError:
        phrase = "an unknown status"
    return f"answered {response.status_code}, {phrase}"


def _problem(response: httpx.Response) -> Json:
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        return _object(response.read())
    except (ValueError, httpx.TransportError):
        return {}


def _object(content: bytes) -> Json:
    value = from_json(content)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _stretched(seconds: float) -> float:
    return seconds * random.uniform(1, 1.5)  # noqa: S311  spreads load, guards nothing


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
