"""The process of one run of one `process=True` handler: `python -m workers.run.child FD`, started by `process.py`.

It imports the handler's module and little else, and may do so before there is a run. SIGTERM raises Cancelled in the
handler; when the worker is gone, it and all it has started die. See `workers/run/conversation.py` for what it says and
hears.
"""

import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, BinaryIO

from pydantic_core import from_json, to_json

from app.jobs import Artifact
from workers.context import Context
from workers.exit import Exit
from workers.outcomes import Cancelled
from workers.run import ceilings, reports
from workers.run.entries import Bounds, Entry
from workers.run.printer import printing
from workers.run.result import result_text

ANSWERS: Mapping[str, Callable[[Any], Any]] = {
    "save": lambda value: Artifact(**value),
    "open_input": Path,
    "run": lambda value: Exit(value["code"], tuple(value["stdout"]), tuple(value["stderr"])),
    "flush": lambda value: value,
}


class Stopping:
    """SIGTERM raises Cancelled in the main thread, once, but never in the middle of a message."""

    def __init__(self) -> None:
        self._asked = False
        self._untold = False
        self._speaking = False
        signal.signal(signal.SIGTERM, self._ask)

    def check(self) -> None:
        if self._asked:
            raise Cancelled

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """It is raised after this, if it comes meanwhile. Matters to the main thread alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._speaking = True
        yield
        self._speaking = False
        self._tell()

    def ignore(self) -> None:
        """It has come too late."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.ignore()
        self._asked = self._untold = True
        self._tell()

    def _tell(self) -> None:
        if self._untold and not self._speaking:
            self._untold = False
            raise Cancelled


class ChildLink:
    """What joins the context to the worker. Safe to use from several threads."""

    def __init__(self, line: socket.socket, stopping: Stopping) -> None:
        self._line = line
        self._stopping = stopping
        self._numbers = count(1)
        self._saying = threading.Lock()
        self._speakers: set[int] = set()
        self._calls: dict[int, SimpleQueue[Mapping[str, Any]]] = {}
        self.scratch = Path()

    def put(self, entry: Entry) -> None:
        self.say({"put": entry})

    def check(self) -> None:
        self._stopping.check()

    @property
    def speaking(self) -> bool:
        return threading.get_ident() in self._speakers

    def print(self, text: str, level: str) -> None:
        self.say({"print": text, "level": level})

    def say(self, message: Mapping[str, Any]) -> None:
        text = to_json(message) + b"\n"
        speaker = threading.get_ident()
        with self._stopping.deferred():
            self._speakers.add(speaker)
            try:
                with self._saying:
                    self._line.sendall(text)
            finally:
                self._speakers.discard(speaker)

    def call(self, name: str, *arguments: Any, on_line: Callable[[str], None] | None = None) -> Any:
        number = next(self._numbers)
        with self._by_path(number, arguments) as plain:
            message = self._ask(number, name, plain, on_line)
        if "error" in message:
            raise reports.as_builtin(reports.error(message["error"])) from None
        return ANSWERS[name](message["value"])

    def _ask(
        self, number: int, name: str, arguments: Sequence[Any], on_line: Callable[[str], None] | None
    ) -> Mapping[str, Any]:
        """The answer; the lines that come before it are passed on."""
        heard = self._calls[number] = SimpleQueue()
        try:
            self.say({"call": name, "id": number, "arguments": arguments, "lines": on_line is not None})
            while "line" in (message := heard.get()):
                assert on_line
                on_line(message["line"])
                self.say({"next": number})
            return message
        except BaseException:
            self.say({"leave": number})
            raise
        finally:
            del self._calls[number]

    @contextmanager
    def _by_path(self, number: int, arguments: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """Bytes as a file: they may be many, and the line is for small messages."""
        file = self.scratch / f".call-{number}"
        plain = [str(file) if isinstance(argument, bytes) else argument for argument in arguments]
        for content in (argument for argument in arguments if isinstance(argument, bytes)):
            self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_bytes(content)
        try:
            yield plain
        finally:
            file.unlink(missing_ok=True)

    def listen(self, incoming: BinaryIO) -> None:
        """In a thread of its own, as long as the worker lives; without it nothing of ours is to live on."""
        with suppress(OSError):
            for text in incoming:
                message = from_json(text)
                if heard := self._calls.get(message["id"]):
                    heard.put(message)
        os.killpg(os.getpgrp(), signal.SIGKILL)


def main(descriptor: int) -> None:
    """Get ready, wait for the worker's order, run the handler it names, and tell how that ended."""
    stopping = Stopping()
    line = socket.socket(fileno=descriptor)
    line.set_inheritable(False)
    link = ChildLink(line, stopping)
    try:
        with printing(link):
            report = reports.of_result(obey(line.makefile("rb"), link))
    except BaseException as error:
        ceilings.lift_memory()
        report = reports.of_error(error)
    stopping.ignore()
    link.say({"ended": report})


def obey(incoming: BinaryIO, link: ChildLink) -> str:
    """The result of the run that is ordered, as JSON text."""
    prepare(**from_json(incoming.readline()))
    order = from_json(incoming.readline())
    link.scratch = Path(order["scratch"])
    threading.Thread(target=link.listen, args=(incoming,), daemon=True).start()
    return perform(order, link)


def prepare(module: str, memory_bytes: int | None, cpu_seconds: int | None) -> None:
    """What can be done before there is a run. An import that fails is tried once more by it, which can tell why."""
    ceilings.impose(memory_bytes, cpu_seconds)
    with suppress(Exception, SystemExit):
        importlib.import_module(module)


def perform(order: Mapping[str, Any], link: ChildLink) -> str:
    """The handler's result, as JSON text. Raises what the handler raises."""
    module = importlib.import_module(order["module"])
    function = getattr(module, order["function"])
    arguments = order["arguments"]
    if arguments is None:
        arguments = _arguments(function, order["params"])
    os.environ.update(order["settings"])
    bounds = Bounds(**order["bounds"])
    context = Context(
        link,
        bounds,
        job_id=order["job_id"],
        attempt=order["attempt"],
        run_token=order["run_token"],
        params=arguments,
        scratch=link.scratch,
        callback_url=order["callback_url"],
        callback=order["callback"],
    )
    if order["reconcile"]:
        return result_text(getattr(module, order["reconcile"])(context), bounds)
    return result_text(function(context, **arguments), bounds)


def _arguments(function: Callable[..., Any], params: str) -> dict[str, Any]:
    """Of params that JSON alone cannot tell; pydantic is slow to import, so only they have need of it."""
    from workers.signature import Signature  # noqa: PLC0415  see above

    return Signature(function).arguments(params)


if __name__ == "__main__":
    main(int(sys.argv[1]))
