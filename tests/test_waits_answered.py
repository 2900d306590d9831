"""Kinds that wait, on a real runner: resumed by callbacks, or by what they find; never by what is not verified."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.callbacks import Answer, Awaited, read_token
from app.errors import CallbackOver
from app.jobs import Job, Status
from app.store import CallbackStore, Run, Secret
from tests.stage import Stage
from workers.registry import Registry
from workers.run import execution, verification
from workers.runner import Runner

KINDS = ("wait_loop", "wait_thread", "wait_process")

every_kind = pytest.mark.parametrize("kind", KINDS)


class Bank(Stage):
    """Kinds of `tests/callback_kinds.py`, and who calls back."""

    def __init__(self, redis: Redis, data_dir: Path) -> None:
        super().__init__(redis, data_dir)
        self.callbacks, secret = CallbackStore(redis), Secret(redis)
        self.registry = Registry.load(["tests.callback_kinds"])
        stores = (self.jobs, self.uploads, self.files)
        self.runner = Runner(self.registry, *stores, self.settings, secret=secret)

    async def call(self, job_id: str, wait: int, body: bytes, headers: str = "{}", *, fails: bool = False) -> None:
        await self.callbacks.answer(Awaited(job_id, wait), Answer(fails, body, headers))

    async def resume(self, job_id: str) -> Job:
        """The job after its next run, which must be due."""
        await self.runner.run(await self.claim(job_id))
        return await self.job(job_id)

    async def looking(self, job_id: str) -> Run:
        """A look, once it is due."""
        async with asyncio.timeout(20):
            while True:
                await self.redis.hset("tidings:watch", "patience", "0")  # type: ignore[misc]  # redis-py
                claims = await self.jobs.claim("w", ["default"], 1, lease_ms=600_000, kinds=self.registry.limits)
                if claims.runs:
                    assert [(run.job_id, run.looks) for run in claims.runs] == [(job_id, True)]
                    return claims.runs[0]
                await asyncio.sleep(0.01)

    async def look(self, job_id: str) -> Job:
        """The job after a look."""
        await self.runner.run(await self.looking(job_id))
        return await self.job(job_id)


@pytest.fixture
def bank(redis: Redis, tmp_path: Path) -> Bank:
    return Bank(redis, tmp_path)


@every_kind
async def test_the_handler_runs_again_with_what_was_called_back(bank: Bank, kind: str) -> None:
    job = await bank.play(kind, times=2)
    for number, body in enumerate((b'{"n": 1}', b'{"n": 2}')):
        assert (job.status, job.waiting_for, job.attempt) == (Status.PROCESSING, "callback", 1)
        await bank.call(job.job_id, number, body)
        job = await bank.resume(job.job_id)
    assert (job.status, job.result) == (Status.COMPLETED, [{"n": 2}, 1, 2])


@every_kind
async def test_what_a_look_finds_counts_as_called_back(bank: Bank, kind: str, tmp_path: Path) -> None:
    (found := tmp_path / "found").write_text("")
    job = await bank.play(kind, found=str(found))
    job = await bank.look(job.job_id)
    assert (job.status, job.waiting_for) == (Status.PROCESSING, "callback")
    found.write_text("paid")
    assert (await bank.look(job.job_id)).status is Status.PENDING
    job = await bank.resume(job.job_id)
    assert (job.status, job.result) == (Status.COMPLETED, [{"found": "paid", "before": None}, 1, 1])
    assert await bank.types(job.job_id) == ["waiting", "looked", "looked", "pending", "processing", "completed"]


@every_kind
async def test_a_look_knows_the_url_that_was_given_out(bank: Bank, kind: str, redis: Redis) -> None:
    job = await bank.play(kind, times=2)
    await bank.call(job.job_id, 0, b"1")
    await bank.resume(job.job_id)
    await bank.look(job.job_id)
    url = (await bank.event(job.job_id, "looked"))["wait"]
    assert read_token(await Secret(redis).value(), url.rpartition("/")[2]) == Awaited(job.job_id, 1)


@every_kind
async def test_a_look_that_raises_is_logged_and_the_wait_goes_on(bank: Bank, kind: str, tmp_path: Path) -> None:
    (tmp_path / "found").write_text("LATER")
    job = await bank.play(kind, found=str(tmp_path / "found"))
    job = await bank.look(job.job_id)
    assert (job.status, job.waiting_for, job.attempt) == (Status.PROCESSING, "callback", 1)
    assert await bank.lines(job.job_id) == ["Looking for an answer failed: ConnectionError: no bank"]


async def test_a_look_may_fail_the_job(bank: Bank, tmp_path: Path) -> None:
    (tmp_path / "found").write_text("FAILED")
    job = await bank.play("wait_loop", found=str(tmp_path / "found"))
    job = await bank.look(job.job_id)
    assert (job.status, job.error) == (Status.FAILED, {"code": "gone", "message": "there is none"})


async def test_a_look_has_little_time(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "LOOK_SECONDS", 0.05)
    job = await bank.play("wait_loop", found="never")
    job = await bank.look(job.job_id)
    assert (job.status, job.waiting_for) == (Status.PROCESSING, "callback")
    assert await bank.lines(job.job_id) == ["Looking for an answer took too long."]


async def test_an_outside_system_fails_the_job(bank: Bank) -> None:
    for body, code in ((b'{"message": "no"}', "callback_failed"), (b'{"message": "no", "code": "c"}', "c")):
        job = await bank.play("wait_loop")
        await bank.call(job.job_id, 0, body, fails=True)
        job = await bank.resume(job.job_id)
        assert (job.status, job.error) == (Status.FAILED, {"code": code, "message": "no"})


async def test_a_callback_that_is_verified_is_the_answer_and_is_verified_once(bank: Bank) -> None:
    job = await bank.play("wait_signed", gate="x")
    await bank.call(job.job_id, 0, b'"paid"', '{"x-signature":"signed \\"paid\\""}')
    job = await bank.resume(job.job_id)
    assert (job.status, job.attempt) == (Status.PENDING, 1)
    await bank.redis.delete("tidings:later:default")
    await bank.redis.zadd("tidings:later:default", {job.job_id: 1})
    run = await bank.claim(job.job_id)
    assert run.answer == Answer(False, b'"paid"', "")
    await bank.runner.run(run)
    job = await bank.job(job.job_id)
    assert (job.status, job.result) == (Status.COMPLETED, "paid")
    assert await bank.lines(job.job_id) == ["The callback is verified."]


@pytest.mark.parametrize(
    ("body", "why"), [(b'"forged"', "its signature does not hold"), (b'"odd"', "KeyError: 'x-signature'")]
)
@pytest.mark.parametrize("fails", [False, True])
async def test_a_callback_that_is_not_verified_is_as_if_it_had_not_come(
    bank: Bank, body: bytes, why: str, fails: bool
) -> None:
    job = await bank.play("wait_signed")
    await bank.call(job.job_id, 0, body, fails=fails)
    job = await bank.resume(job.job_id)
    assert (job.status, job.waiting_for, job.attempt) == (Status.PROCESSING, "callback", 1)
    assert await bank.lines(job.job_id) == [f"A callback was refused: {why}"]
    await bank.call(job.job_id, 0, b"1", '{"x-signature":"signed 1"}')
    assert (await bank.resume(job.job_id)).result == 1


async def test_to_verify_may_not_take_for_ever(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "MOST_SECONDS", 0.05)

    def slow(_: bytes, __: Mapping[str, str]) -> bool:
        time.sleep(0.2)
        return True

    bounds = bank.runner._bounds
    assert await verification.objection(slow, Answer(False, b"1", "{}"), bounds) == (
        "to verify it took longer than 0.05 s"
    )


async def test_a_cancel_ends_a_wait_and_its_url(bank: Bank) -> None:
    job = await bank.play("wait_loop")
    await bank.jobs.cancel(job.job_id, "me")
    assert (await bank.job(job.job_id)).status is Status.CANCELLED
    with pytest.raises(CallbackOver):
        await bank.call(job.job_id, 0, b"1")
