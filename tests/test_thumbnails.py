"""Thumbnails: small JPEGs, each from the middle of its part of the video."""

import subprocess
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.jobs import Status
from tests.stage import Stage
from tests.test_transcode import look, make, tone
from workers.handlers.ffmpeg import executable

DARK_TO_BRIGHT = "color=black:duration=4:size=640x360:rate=10,geq=lum='T*60':cb=128:cr=128"


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path / "data")


def brightness(path: Path) -> int:
    """Of the whole picture, 0 to 255."""
    argv = [executable(), "-v", "error", "-i", str(path), "-vf", "scale=1:1,format=gray", "-f", "rawvideo", "-"]
    return subprocess.run(argv, check=True, capture_output=True).stdout[0]


async def test_they_are_evenly_spaced_and_small(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "clip.mp4", "-f", "lavfi", "-i", DARK_TO_BRIGHT)
    reference = await stage.upload(tmp_path / "clip.mp4")
    job = await stage.play(
        "transcode", input=reference, format="mkv", thumbnails=4, start_seconds=1, duration_seconds=2
    )
    assert job.status is Status.COMPLETED, job.error
    assert job.result["thumbnails"] == 4
    *pictures, video = job.artifacts
    assert [picture.name for picture in pictures] == [f"thumbnail-{number}.jpg" for number in range(1, 5)]
    assert {picture.content_type for picture in pictures} == {"image/jpeg"}
    assert video is job.main_artifact
    files = [stage.files.artifact(picture.key) for picture in pictures]
    assert "320x180" in look(files[0])[1]
    bright = [brightness(file) for file in files]
    assert bright == pytest.approx([60 * second for second in (1.25, 1.75, 2.25, 2.75)], abs=18)
    assert job.progress
    assert job.progress["percent"] == 100


async def test_small_ones_stay_small_and_names_sort(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "clip.mp4", "-f", "lavfi", "-i", "testsrc=duration=2:size=65x49:rate=10", "-pix_fmt", "yuv444p")
    job = await stage.play("transcode", input=await stage.upload(tmp_path / "clip.mp4"), thumbnails=10)
    names = [artifact.name for artifact in job.artifacts[:-1]]
    assert names == sorted(names)
    assert "65x50" in look(stage.files.artifact(job.artifacts[0].key))[1]


async def test_where_the_picture_has_ended_there_is_none(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "clip.mkv", "-f", "lavfi", "-i", "testsrc=duration=0.8:size=64x64:rate=10", *tone())
    job = await stage.play("transcode", input=await stage.upload(tmp_path / "clip.mkv"), thumbnails=3)
    assert job.status is Status.COMPLETED, job.error
    assert job.result["thumbnails"] == len(job.artifacts) - 1 == 1
