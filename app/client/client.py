"""The face that blocks. What it can do is in `operations.py`; here is how it does it."""

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import Any, Self, TypeVar

import httpx

from app.client.errors import ClientError
from app.client.operations import Operations
from app.client.steps import Call, Conversation, Do, Json, Open, Pause, Read, Reply, Step, Steps, Tell
from app.client.wire import STREAMED, checked, manner, reaching, reply, request

T = TypeVar("T")


class Client(Operations):
    """Talks to one service. Use it as a context manager, from one thread.

    `timeout` and `silence` are seconds: how long a request may wait for its answer, and after how much quiet a stream,
    which has a comment every 15 s, counts as dead. `api_key` is shown to the service; a JWT or a browser token does as
    well. Raises ValueError for a URL that is none.
    """

    def __init__(self, url: str, *, api_key: str = "", timeout: float = 30, silence: float = 45) -> None:
        self.url = checked(url)
        self._silence = httpx.Timeout(timeout, read=silence)
        self._http = httpx.Client(**manner(self.url, timeout, api_key))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def come_to(self, steps: Steps[T]) -> T:
        """What steps come to."""
        conversation = Conversation(steps)
        for _ in self._told(conversation):
            pass
        return conversation.outcome

    def listen_to(self, steps: Steps[None]) -> Generator[Json]:
        """What steps tell."""
        yield from self._told(Conversation(steps))

    def _told(self, conversation: Conversation[Any]) -> Generator[Json]:
        with Line(self._http, self.url, self._silence) as line:
            try:
                step = conversation.answered()
                while step is not None:
                    if isinstance(step, Tell):
                        yield step.told
                        step = conversation.answered()
                        continue
                    try:
                        answer = line.carry_out(step)
                    except (ClientError, OSError) as error:
                        step = conversation.failed(error)
                    else:
                        step = conversation.answered(answer)
            finally:
                conversation.close()


class Line:
    """Carries out the steps of one conversation."""

    def __init__(self, http: httpx.Client, url: str, silence: httpx.Timeout) -> None:
        self._http = http
        self._url = url
        self._silence = silence
        self._opened = ExitStack()
        self._chunks: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def carry_out(self, step: Step) -> Any:
        """What the step gives. Raises Unreachable, and what a `Do` raises."""
        match step:
            case Call():
                return self._call(step)
            case Open(call):
                return self._open(call)
            case Read():
                with reaching(self._url):
                    return next(self._chunks, b"")
            case Pause(seconds):
                time.sleep(seconds)
            case Do(work):
                return work()
        return None

    def _call(self, call: Call) -> Reply:
        with reaching(self._url):
            response = self._http.request(**request(call))
            return reply(response, response.content)

    def _open(self, call: Call) -> Reply:
        self._opened.close()
        with reaching(self._url):
            response = self._opened.enter_context(
                self._http.stream(**request(call), timeout=self._silence, follow_redirects=True)
            )
            if response.status_code not in STREAMED:
                return reply(response, response.read())
            self._chunks = response.iter_bytes()
            return reply(response)
