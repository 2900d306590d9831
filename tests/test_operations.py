"""Files in and out of a run where they take long, or their store has its moods."""

import hashlib
from pathlib import Path
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from app.artifacts import artifact_key
from app.jobs import Status
from tests import stage as stage_module
from tests.gateway import STORES, Gateway, content_of, store_settings
from tests.stage import MODES, Stage

every_mode = pytest.mark.parametrize("mode", MODES)

MIB: Final = 1 << 20
LARGE_MIB: Final = 64
LARGE: Final = b"".join(bytes([n]) * MIB for n in range(LARGE_MIB))


@pytest.fixture
def stage(redis: Redis, tmp_path: Path, gateway: Gateway) -> Stage:
    """Its files lie in S3."""
    return Stage(redis, tmp_path, **gateway.settings())


@pytest.fixture
def patient(redis: Redis, tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """It waits long for its store."""
    monkeypatch.setattr(stage_module, "PATIENCE_SECONDS", 600)
    return Stage(redis, tmp_path, **gateway.settings())


@pytest.mark.parametrize("store", STORES, indirect=True)
@every_mode
async def test_who_watches_sees_a_large_file_being_stored(
    redis: Redis, tmp_path: Path, store: dict[str, Any], mode: str
) -> None:
    stage = Stage(redis, tmp_path, **store)
    job = await stage.play(mode, deed="save_large", arguments=[LARGE_MIB])
    assert job.result == hashlib.sha256(LARGE).hexdigest()
    assert job.progress
    assert (job.progress["percent"], job.progress["message"]) == (40, "storing large.bin")
    assert job.progress["data"] == {"stored_bytes": len(LARGE), "total_bytes": len(LARGE)}


@pytest.fixture
def store(request: pytest.FixtureRequest) -> dict[str, Any]:
    return store_settings(request)


async def test_a_handler_that_has_said_it_is_done_is_not_contradicted(stage: Stage) -> None:
    job = await stage.play("thread", deed="save_large", arguments=[LARGE_MIB, 100])
    assert job.progress
    assert (job.progress["percent"], job.progress["message"]) == (100, "made")


@every_mode
async def test_a_store_that_stays_away_is_an_oserror_in_the_handler_and_the_worker_lives(
    stage: Stage, gateway: Gateway, mode: str
) -> None:
    with gateway.away():
        job = await stage.play(mode, deed="save_in_vain")
    assert job.result == "ConnectionError: The object store does not answer"
    assert job.artifacts == ()
    assert (await stage.play(mode, deed="save_in_vain")).result == "saved"


@every_mode
async def test_a_store_that_refuses_is_an_oserror_in_the_handler(
    redis: Redis, tmp_path: Path, gateway: Gateway, mode: str
) -> None:
    stage = Stage(redis, tmp_path, **gateway.settings(s3_secret_access_key="wrong"))
    job = await stage.play(mode, deed="save_in_vain")
    assert job.result == "PermissionError: The object store refuses: SignatureDoesNotMatch"


@every_mode
async def test_a_save_outlives_a_store_that_stands_still(patient: Stage, gateway: Gateway, mode: str) -> None:
    with gateway.frozen():
        playing = await patient.begin(mode, deed="save_large", arguments=[9])
    job = await playing.end()
    assert job.status is Status.COMPLETED
    (artifact,) = job.artifacts
    assert content_of(patient.files, artifact_key(artifact.key)) == LARGE[: 9 * MIB]


@every_mode
async def test_a_cancel_ends_a_save_that_waits_for_its_store(patient: Stage, gateway: Gateway, mode: str) -> None:
    with gateway.away():
        playing = await patient.begin(mode, deed="save_large", arguments=[9])
        job = await playing.cancel()
    assert (job.status, job.artifacts) == (Status.CANCELLED, ())
    assert patient.files.objects.room("artifacts").entries() == []


async def test_an_input_that_is_no_longer_in_the_store_is_unknown(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    reference = await stage.upload(tmp_path / "x")
    stage.files.drop_upload(reference.partition(":")[2])
    job = await stage.play("loop", deed="read", arguments=[reference])
    assert job.error
    assert (job.status, job.error["code"]) == (Status.FAILED, "unknown_input")


async def test_an_input_of_a_store_that_stays_away_fails_the_attempt(
    stage: Stage, tmp_path: Path, gateway: Gateway
) -> None:
    (tmp_path / "x").write_text("x")
    reference = await stage.upload(tmp_path / "x")
    with gateway.away():
        job = await stage.play("loop", {"max_attempts": 1}, deed="read", arguments=[reference])
    assert job.error
    assert (job.error["code"], job.error["type"]) == ("handler_error", "ConnectionError")
