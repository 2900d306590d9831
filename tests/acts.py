"""Kinds that the tests of the runner have it run: one for each place where a handler runs, with a choice of deeds."""

import atexit
import logging
import os
import signal
import sys
import threading
import time
from asyncio import CancelledError, Event, gather
from collections.abc import Callable
from datetime import date
from inspect import isawaitable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from workers import AsyncContext, Cancelled, Context, Failed, Input, Retry, Wait, job

PLAIN: dict[str, Callable[..., Any]] = {}
BLOCKING: dict[str, Callable[..., Any]] = {}
AWAITED: dict[str, Callable[..., Any]] = {}


def deed(*tables: dict[str, Callable[..., Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        for table in tables:
            table[function.__name__.removesuffix("_awaited")] = function
        return function

    return enter


@job("loop")
async def loop(ctx: AsyncContext, deed: str, arguments: list[Any] | None = None) -> Any:
    """Do something on the loop,
    as told.

    This is no part of the description.
    """
    answer = (PLAIN | AWAITED)[deed](ctx, *arguments or [])
    return await answer if isawaitable(answer) else answer


@job("thread")
def thread(ctx: Context, deed: str, arguments: list[Any] | None = None) -> Any:
    return (PLAIN | BLOCKING)[deed](ctx, *arguments or [])


@job("process", process=True)
def process(ctx: Context, deed: str, arguments: list[Any] | None = None) -> Any:
    return (PLAIN | BLOCKING)[deed](ctx, *arguments or [])


@job("confined", process=True, memory_bytes=256 << 20, cpu_seconds=1)
def confined(ctx: Context, deed: str, arguments: list[Any] | None = None) -> Any:
    return BLOCKING[deed](ctx, *arguments or [])


def looked_up(word: str) -> str:
    return {"known": word}[word]


@job("validated")
def validated(_: Context, word: Annotated[str, AfterValidator(looked_up)]) -> str:
    """Have a param whose validator breaks."""
    return word


@job("dated", process=True)
def dated(ctx: Context, day: date, inputs: dict[str, Input] | None = None) -> str:
    """Have a param that JSON does not know."""
    return f"{day:%Y}, {inputs}"


@deed(PLAIN)
def tell(ctx: Context) -> str:
    ctx.progress(20, "begun", eta_seconds=4, data={"step": 1})
    ctx.log("one")
    ctx.emit("metric", {"value": 2})
    ctx.log("three", "warning")
    ctx.progress(140)
    ctx.check()
    return "done"


@deed(PLAIN)
def facts(ctx: Context) -> list[Any]:
    return [ctx.job_id, ctx.attempt, ctx.run_token, dict(ctx.params), ctx.callback_url, ctx.callback]


@deed(PLAIN)
def give(_: Context, value: Any) -> Any:
    return float(value) if value == "nan" else value


@deed(PLAIN)
def give_much(_: Context, size: int) -> str:
    return "x" * size


@deed(PLAIN)
def give_object(_: Context) -> object:
    return object()


@deed(PLAIN)
def fail(_: Context, outcome: str) -> None:
    raise {
        "value": ValueError("boom"),
        "again": Retry(0),
        "later": Retry(),
        "wait": Wait(60),
        "failed": Failed("for good", "no_use"),
        "cancelled": Cancelled(),
        "stop": StopIteration(),
        "at": ValueError("@"),
        "odd": ValueError("\ud800" + "x" * 100_000),
        "exit": SystemExit(3),
        "itself": CancelledError(),
    }[outcome]


class Unspeakable(Exception):
    def __str__(self) -> str:
        return self.words  # type: ignore[attr-defined, no-any-return]  # that is what is wrong with it


@deed(PLAIN)
def raise_unspeakable(_: Context) -> None:
    raise Unspeakable


@deed(PLAIN)
def give_up(_: Context) -> None:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise Retry(0) from error


@deed(PLAIN)
def refused(ctx: Context) -> list[str]:
    """What each misuse raises."""
    tries: list[Callable[[], Any]] = [
        lambda: ctx.progress(float("nan")),
        lambda: ctx.progress(1, eta_seconds=-1),
        lambda: ctx.log("x", "loud"),
        lambda: ctx.emit("completed"),
        lambda: ctx.emit("No"),
        lambda: ctx.emit("metric", {"x": "y" * 20_000}),
    ]
    return [_raised(attempt) for attempt in tries]


def _raised(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except Exception as error:
        return type(error).__name__
    return "nothing"


@deed(BLOCKING)
def flood(ctx: Context, count: int) -> None:
    for number in range(count):
        ctx.log(str(number))


@deed(AWAITED)
async def flood_awaited(ctx: AsyncContext, count: int, every: int) -> None:
    for number in range(count):
        ctx.log(str(number))
        if every and number % every == 0:
            await ctx.flush()


@deed(BLOCKING)
def spin(ctx: Context) -> None:
    """Until told to stop, as a handler does that never heard of stopping."""
    ctx.emit("begun", {"pid": os.getpid()})
    try:
        while True:
            ctx.progress(1)
            time.sleep(0.002)
    finally:
        ctx.log("cleaned up")


@deed(AWAITED)
async def spin_awaited(ctx: AsyncContext) -> None:
    ctx.emit("begun")
    try:
        await Event().wait()
    finally:
        ctx.log("cleaned up")
        await ctx.flush()


@deed(BLOCKING)
def deaf(ctx: Context, gate: str) -> str:
    """Go on until the file is there, whatever is asked."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctx.emit("begun", {"pid": os.getpid()})
    while not Path(gate).exists():
        time.sleep(0.005)
    return "finished all the same"


@deed(AWAITED)
async def deaf_awaited(ctx: AsyncContext, gate: str) -> str:
    ctx.emit("begun")
    while not Path(gate).exists():
        try:
            await ctx.flush()
        except CancelledError:
            continue
    return "finished all the same"


@deed(BLOCKING)
def checking(ctx: Context) -> None:
    ctx.emit("begun")
    while True:
        ctx.check()
        time.sleep(0.002)


@deed(PLAIN)
def die(_: Context, number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


@deed(PLAIN)
def leave(_: Context, code: int) -> None:
    os._exit(code)


@deed(BLOCKING)
def print_between(ctx: Context, count: int) -> None:
    """Log and print by turns, a line in pieces."""
    for number in range(count):
        ctx.log(f"log {number}")
        print("print", end=" ")
        print(number)
        print("error", number, file=sys.stderr)


@deed(BLOCKING)
def print_and_die(ctx: Context, how: str) -> None:
    """In every way one can print, without a last line's end."""
    for number in range(2_000):
        print("line", number)
    ctx.run(["sh", "-c", "echo of no interest"], lambda _: None)
    print("last", end="")
    os.write(1, b"native")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)
    atexit.register(print, "at exit")
    sys.exit(how)


@deed(BLOCKING)
def burst(ctx: Context, count: int, gate: str) -> None:
    """Crash with many last words, as a library may that is not Python's."""
    ctx.emit("begun")
    while not Path(gate).exists():
        time.sleep(0.005)
    with open(2, "wb", closefd=False) as stderr:
        stderr.writelines(b"%0100d\n" % number for number in range(count))
    os.kill(os.getpid(), signal.SIGKILL)


@deed(BLOCKING)
def print_oddly(_: Context) -> list[Any]:
    """What streams are good for beside print."""
    sys.stdout.buffer.write(b"bytes\n")
    sys.stderr.write("odd \ud800, ")
    print("x" * 200_000)
    logging.getLogger().warning("logged")
    if not (pid := os.fork()):
        print("forked")
        os._exit(0)
    os.waitpid(pid, 0)
    return [sys.stdout.encoding, sys.stdout.fileno(), sys.stdout.isatty()]


@deed(BLOCKING)
def print_in_a_signal(_: Context, count: int) -> None:
    """While something else is being printed."""
    signal.signal(signal.SIGALRM, lambda *_: print("signal"))
    for number in range(count):
        signal.setitimer(signal.ITIMER_REAL, 0.00001 * (number % 20 + 1))
        print(number)
    signal.setitimer(signal.ITIMER_REAL, 0)


@deed(BLOCKING)
def chatter(ctx: Context) -> None:
    ctx.emit("begun")
    while True:
        print("on and on")


@deed(BLOCKING)
def eat(ctx: Context, size: int) -> None:
    """Memory, in small pieces, of which none is let go."""
    ctx.emit("begun", {"oom_score_adj": Path("/proc/self/oom_score_adj").read_text().strip()})
    pieces = [bytes(1000) for _ in range(size // 1000)]
    ctx.log(str(len(pieces)))


@deed(BLOCKING)
def burn(_: Context) -> None:
    """CPU."""
    while True:
        pass


@deed(BLOCKING)
def deaf_burn(ctx: Context) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    burn(ctx)


@deed(PLAIN)
def environment(_: Context) -> list[str]:
    return sorted(os.environ)


@deed(BLOCKING)
def save(ctx: Context) -> list[Any]:
    (ctx.scratch / "made").write_text("by path")
    first = ctx.save("first.txt", ctx.scratch / "made")
    second = ctx.save("second.bin", b"by bytes", "application/x-odd", main=True)
    return [first.name, first.size, second.content_type, str(ctx.scratch)]


@deed(AWAITED)
async def save_awaited(ctx: AsyncContext) -> list[Any]:
    (ctx.scratch / "made").write_text("by path")
    first = await ctx.save("first.txt", ctx.scratch / "made")
    second = await ctx.save("second.bin", b"by bytes", "application/x-odd", main=True)
    return [first.name, first.size, second.content_type, str(ctx.scratch)]


@deed(AWAITED)
async def save_at_once(ctx: AsyncContext) -> list[str]:
    names = ["a.txt", "b.txt", "c.txt"]
    saved = await gather(*(ctx.save(name, name.encode() * 1000) for name in names))
    return [artifact.sha256 for artifact in saved]


def _large(ctx: Context | AsyncContext, mib: int, percent: float) -> Path:
    ctx.progress(percent, "made")
    with (ctx.scratch / "large").open("wb") as file:
        for n in range(mib):
            file.write(bytes([n]) * (1 << 20))
    ctx.emit("begun")
    return ctx.scratch / "large"


@deed(BLOCKING)
def save_large(ctx: Context, mib: int, percent: float = 40) -> str:
    return ctx.save("large.bin", _large(ctx, mib, percent)).sha256


@deed(AWAITED)
async def save_large_awaited(ctx: AsyncContext, mib: int, percent: float = 40) -> str:
    return (await ctx.save("large.bin", _large(ctx, mib, percent))).sha256


@deed(BLOCKING)
def save_in_vain(ctx: Context) -> str:
    try:
        ctx.save("a", b"x")
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "saved"


@deed(AWAITED)
async def save_in_vain_awaited(ctx: AsyncContext) -> str:
    try:
        await ctx.save("a", b"x")
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "saved"


@deed(BLOCKING)
def misuse(ctx: Context) -> list[str]:
    tries: list[Callable[[], Any]] = [
        lambda: ctx.save("a/b", b""),
        lambda: ctx.save("a", "/nowhere"),
        lambda: ctx.run(["no-such-program"]),
        lambda: ctx.run("ls"),
        lambda: ctx.open_input("upload:nothing"),
        lambda: ctx.open_input("what"),
    ]
    return [_raised(attempt) for attempt in tries]


@deed(AWAITED)
async def misuse_awaited(ctx: AsyncContext) -> list[str]:
    raised = []
    for method, arguments in [
        (ctx.save, ("a/b", b"")),
        (ctx.save, ("a", "/nowhere")),
        (ctx.run, (["no-such-program"],)),
        (ctx.run, ("ls",)),
        (ctx.open_input, ("upload:nothing",)),
        (ctx.open_input, ("what",)),
    ]:
        try:
            await method(*arguments)  # type: ignore[operator]  # of different signatures
        except Exception as error:
            raised.append(type(error).__name__)
    return raised


@deed(BLOCKING)
def read(ctx: Context, reference: str) -> list[str]:
    path = ctx.open_input(reference)
    return [path.name, path.read_text()]


@deed(AWAITED)
async def read_awaited(ctx: AsyncContext, reference: str) -> list[str]:
    path = await ctx.open_input(reference)
    return [path.name, path.read_text()]


@deed(BLOCKING)
def call(ctx: Context, script: str) -> Any:
    """Run a shell script, and tell its lines."""
    return ctx.run(["sh", "-c", script], lambda line: ctx.emit("line", {"line": line}), env={"EXTRA": "given"})


@deed(AWAITED)
async def call_awaited(ctx: AsyncContext, script: str) -> Any:
    async def on_line(line: str) -> None:
        ctx.emit("line", {"line": line})
        await ctx.flush()

    return await ctx.run(["sh", "-c", script], on_line, env={"EXTRA": "given"})


@deed(BLOCKING)
def call_and_object(ctx: Context) -> str:
    """Raise from the lines of a program that does not end, and go on."""

    def on_line(line: str) -> None:
        raise ValueError(line)

    try:
        ctx.run(["sh", "-c", "echo $$; sleep 600"], on_line)
    except ValueError as error:
        return str(error)
    return "nothing"


@deed(AWAITED)
async def call_and_object_awaited(ctx: AsyncContext) -> str:
    def on_line(line: str) -> None:
        raise ValueError(line)

    try:
        await ctx.run(["sh", "-c", "echo $$; sleep 600"], on_line)
    except ValueError as error:
        return str(error)
    return "nothing"


@deed(BLOCKING)
def save_from_a_line(ctx: Context) -> list[str]:
    """Calls within calls."""
    saved: list[str] = []
    ctx.run(["sh", "-c", "echo a; echo b"], lambda line: saved.append(ctx.save(line, line.encode()).name))
    return saved


@deed(BLOCKING)
def call_side_by_side(ctx: Context) -> list[list[str]]:
    """Two programs in two threads, of which one says nothing for as long as the other has not begun."""
    ctx.emit("begun")
    other_began = threading.Event()
    told: list[list[str]] = [[], []]

    def patient(line: str) -> None:
        told[0].append(line)
        other_began.wait()

    def busy(line: str) -> None:
        told[1].append(line)
        other_began.set()

    scripts = [("echo 1; echo 2", patient), ("sleep 0.1; seq 200", busy)]
    threads = [threading.Thread(target=ctx.run, args=(["sh", "-c", script], hear)) for script, hear in scripts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told
