"""HLS: a master playlist whose relative names lead to playlists, and these to byte ranges, beside it."""

import asyncio
import re
import subprocess
from pathlib import Path
from urllib.parse import urljoin

import pytest
from redis.asyncio import Redis

from app.jobs import Status
from app.main import create_app
from app.settings import Settings
from tests.gateway import Gateway
from tests.stage import Stage
from tests.test_transcode import make
from tests.web.conftest import served
from workers.handlers import hls
from workers.handlers.ffmpeg import executable

SECONDS = 9


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hls") / "240p.mp4"
    picture = ("-f", "lavfi", "-i", f"testsrc=duration={SECONDS}:size=854x480:rate=10")
    make(path, *picture, "-f", "lavfi", "-i", f"sine=duration={SECONDS}")
    return path


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path)


async def test_all_its_files_are_artifacts_and_the_master_playlist_is_the_result(stage: Stage, clip: Path) -> None:
    job = await stage.play("transcode", input=await stage.upload(clip), format="hls", heights=[121, 240])
    assert job.status is Status.COMPLETED, job.error
    types = {artifact.name: artifact.content_type for artifact in job.artifacts}
    playlist = "application/vnd.apple.mpegurl"
    media = {"120p.ts": "video/mp2t", "120p.m3u8": playlist, "240p.ts": "video/mp2t", "240p.m3u8": playlist}
    assert types == media | {"master.m3u8": playlist}
    assert job.main_artifact
    assert job.main_artifact.name == "master.m3u8"


@pytest.mark.parametrize("in_s3", [False, True], ids=["disk", "s3"])
async def test_it_plays_from_where_the_service_has_it(
    redis: Redis, clip: Path, redis_url: str, tmp_path: Path, gateway: Gateway, in_s3: bool
) -> None:
    """Every rendition to its end, by ffmpeg over HTTP."""
    where = gateway.settings() if in_s3 else {}
    stage = Stage(redis, tmp_path, **where)
    job = await stage.play("transcode", input=await stage.upload(clip), format="hls", heights=[120, 240])
    assert job.main_artifact, job.error
    async with served(create_app(Settings(redis_url=redis_url, data_dir=stage.data_dir, **where))) as url:
        master = f"{url}/api/jobs/{job.job_id}/artifacts/{job.main_artifact.name}"
        told = await asyncio.to_thread(played, master)
    assert len(re.findall("Video: h264", told)) == len(re.findall("Audio: aac", told)) == 2
    assert "214x120" in told
    assert "428x240" in told
    assert re.search(r"time=00:00:0[89]\.", told)
    assert "rror" not in told


def played(url: str) -> str:
    """What ffmpeg tells while it decodes all there is."""
    argv = [executable(), "-hide_banner", "-i", url, "-map", "0", "-c:v", "rawvideo", "-f", "null", "-"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stderr


async def test_names_are_relative_and_segments_start_with_a_picture_of_their_own(stage: Stage, clip: Path) -> None:
    job = await stage.play("transcode", input=await stage.upload(clip), format="hls", heights=[240])
    texts = {artifact.name: stage.files.artifact(artifact.key) for artifact in job.artifacts}
    master = texts["master.m3u8"].read_text()
    assert re.search(r"BANDWIDTH=\d+.*RESOLUTION=428x240.*CODECS=\"avc1\.\w+,mp4a\.40\.2\"\n240p\.m3u8", master)
    base = f"http://x/api/jobs/{job.job_id}/artifacts/master.m3u8"
    assert urljoin(base, "240p.m3u8") == f"http://x/api/jobs/{job.job_id}/artifacts/240p.m3u8"
    rendition = texts["240p.m3u8"].read_text()
    assert rendition.endswith("#EXT-X-ENDLIST\n")
    assert set(re.findall(r"^[^#].*$", rendition, re.MULTILINE)) == {"240p.ts"}
    assert [float(each) for each in re.findall(r"#EXTINF:([\d.]+)", rendition)] == pytest.approx([4, 4, 1], abs=0.2)
    ranges = [tuple(map(int, each)) for each in re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)", rendition)]
    assert sum(ranges[-1]) <= texts["240p.ts"].stat().st_size


async def test_a_mute_video_has_renditions_too(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "mute.mp4", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5")
    job = await stage.play("transcode", input=await stage.upload(tmp_path / "mute.mp4"), format="hls")
    assert [artifact.name for artifact in job.artifacts] == ["64p.ts", "64p.m3u8", "master.m3u8"]


@pytest.mark.parametrize(
    ("asked", "source", "made"),
    [
        (None, 480, [240, 480]),
        (None, 2160, [240, 480, 720, 1080]),
        (None, 121, [120]),
        ([480, 241, 240], 100, [240, 480]),
    ],
)
def test_usual_heights_are_those_the_source_has(asked: list[int] | None, source: int, made: list[int]) -> None:
    assert hls.heights(asked, source) == made


def complaints(path: Path) -> str:
    """What ffmpeg has to say against showing the first frame of a file."""
    argv = [executable(), "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "null", "-"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stderr


async def test_a_players_first_frame_can_come_from_any_segment(stage: Stage, clip: Path, tmp_path: Path) -> None:
    job = await stage.play("transcode", input=await stage.upload(clip), format="hls", heights=[120])
    content = {artifact.name: stage.files.artifact(artifact.key) for artifact in job.artifacts}
    rendition, whole = content["120p.m3u8"].read_text(), content["120p.ts"].read_bytes()
    for number, (size, start) in enumerate(re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)", rendition)):
        segment = tmp_path / f"{number}.ts"
        segment.write_bytes(whole[int(start) : int(start) + int(size)])
        assert complaints(segment) == ""
