"""Kinds of the stress run beside those of `tests/faults/kinds.py`: work that shows whether anything of it got lost."""

import hashlib
import sys
import time

import httpx

from workers import AsyncContext, Context, Input, Wait, job


@job("talkative", max_attempts=20)
async def talkative(ctx: AsyncContext, lines: int, width: int) -> int:
    """A large log, each line of it numbered."""
    for number in range(lines):
        ctx.log(f"{ctx.attempt} {number} {'.' * width}")
        if number % 100 == 99:
            await ctx.flush()
    return lines


@job("talkative_thread", max_attempts=20)
def talkative_thread(ctx: Context, lines: int, width: int) -> int:
    """The same from a thread, which is held up where the log does not keep pace."""
    for number in range(lines):
        ctx.log(f"{ctx.attempt} {number} {'.' * width}")
    return lines


@job("saving", max_attempts=20)
def saving(ctx: Context, files: int, size: int) -> list[str]:
    """Save files; the result is their hashes."""
    hashes = []
    for number in range(files):
        content = content_of(f"{ctx.job_id}/{number}", size)
        ctx.save(f"file-{number}.bin", content, main=number == files - 1)
        hashes.append(hashlib.sha256(content).hexdigest())
        time.sleep(0.05)
    return hashes


@job("reading", max_attempts=20)
def reading(ctx: Context, input: Input) -> str:
    """The hash of an uploaded file."""
    return hashlib.sha256(ctx.open_input(input).read_bytes()).hexdigest()


@job("program", max_attempts=20)
def program(ctx: Context, seconds: float) -> int:
    """Wait for a program."""
    return ctx.run(["sleep", str(seconds)]).code


@job("answered", max_attempts=20)
async def answered(ctx: AsyncContext, outside: str, answer: int) -> int:
    """Order something outside, and wait until that calls back."""
    if ctx.callback is None:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:  # no megabyte of certificates each time
            await client.post(f"{outside}/orders", json={"url": ctx.callback_url, "answer": answer})
        raise Wait(120)
    given: int = ctx.callback["answer"]
    return given


@job("brood", max_attempts=20)
def brood(ctx: Context) -> int:
    """A child with a child of its own, both deaf to SIGTERM, which would be there for very long."""
    return ctx.run([sys.executable, "-c", BROOD]).code


BROOD = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
subprocess.run([sys.executable, "-c", deaf])
"""


def content_of(name: str, size: int) -> bytes:
    """Bytes that differ by name."""
    block = hashlib.sha256(name.encode()).digest()
    return (block * (size // len(block) + 1))[:size]
