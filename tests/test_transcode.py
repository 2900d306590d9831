import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.jobs import Job, Status
from tests.conftest import is_gone
from tests.stage import Stage
from workers.handlers.ffmpeg import FORMATS, SAFELY, Media, executable, last_words

SECONDS = 2


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of picture, odd in both its sizes, and sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    make(path, "-f", "lavfi", "-i", f"testsrc=duration={SECONDS}:size=161x121:rate=10", *tone(), "-pix_fmt", "yuv444p")
    return path


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quick to make, slow to convert."""
    path = tmp_path_factory.mktemp("clip") / "long.mkv"
    make(path, "-f", "lavfi", "-i", "testsrc=duration=40:size=640x360:rate=25", "-preset", "ultrafast")
    return path


def tone() -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=duration={SECONDS}")


def make(path: Path, *arguments: str) -> None:
    subprocess.run([executable(), "-loglevel", "error", *arguments, str(path)], check=True, stdin=subprocess.DEVNULL)


def look(path: Path) -> tuple[Media, str]:
    """What ffmpeg finds in a file."""
    argv = [executable(), "-hide_banner", "-i", str(path)]
    told = subprocess.run(argv, check=False, capture_output=True, text=True).stderr
    media = Media()
    for line in told.splitlines():
        media.read(line)
    return media, told


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path)


async def transcoded(stage: Stage, clip: Path, **params: Any) -> tuple[Job, Media, str]:
    job = await stage.play("transcode", {"max_attempts": 1}, input=await stage.upload(clip), **params)
    assert job.status is Status.COMPLETED, job.error
    (artifact,) = job.artifacts
    return job, *look(stage.files.artifact(artifact.key))


@pytest.mark.parametrize("format", sorted(FORMATS.keys() - {"hls"}))
async def test_every_format_comes_out_playable(stage: Stage, clip: Path, format: str) -> None:
    job, media, _ = await transcoded(stage, clip, format=format)
    made, main = FORMATS[format], job.main_artifact
    assert main
    assert (main.name, main.content_type) == (f"{clip.stem}.{format}", made.content_type)
    assert (media.has_video, media.has_audio) == (bool(made.codecs), bool(made.audio))
    assert (job.result["format"], job.result["size"]) == (format, main.size)
    assert job.result["duration_seconds"] == pytest.approx(SECONDS, abs=0.2)
    assert job.progress
    assert job.progress["percent"] == 100


@pytest.mark.parametrize(
    ("format", "codec", "found"),
    [
        ("mp4", "h264", "h264"),
        ("mp4", "hevc", "hvc1"),
        ("mkv", "av1", "av1"),
        ("webm", "vp8", "vp8"),
        ("webm", "vp9", "vp9"),
    ],
)
async def test_the_codec_can_be_chosen(stage: Stage, clip: Path, format: str, codec: str, found: str) -> None:
    _, _, told = await transcoded(stage, clip, format=format, codec=codec, duration_seconds=0.5)
    assert found in told


async def test_a_part_in_another_height_and_at_other_bitrates(stage: Stage, clip: Path) -> None:
    part = {"start_seconds": 0.5, "duration_seconds": 1}
    job, media, told = await transcoded(stage, clip, **part, height=65, video_bitrate=90_000, audio_bitrate="32k")
    assert job.result["duration_seconds"] == pytest.approx(1, abs=0.2)
    assert media.duration_seconds == pytest.approx(1, abs=0.2)
    assert "86x64" in told


async def test_sound_alone_becomes_a_video_format_without_picture(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "tone.wav", *tone())
    _, media, _ = await transcoded(stage, tmp_path / "tone.wav", format="mp4")
    assert (media.has_video, media.has_audio) == (False, True)


async def test_a_name_with_percent_signs_is_only_a_name(stage: Stage, clip: Path) -> None:
    job = await stage.play("transcode", input=await stage.upload(clip, "100%d of it.png"), format="wav")
    assert job.status is Status.COMPLETED


async def test_progress_rises_with_what_is_done(stage: Stage, long_clip: Path) -> None:
    run = await stage.claimed("transcode", input=await stage.upload(long_clip), format="webm")
    task = asyncio.create_task(stage.runner.run(run))
    seen: list[float] = []
    async with asyncio.timeout(60):
        while len(seen) < 3:
            progress = (await stage.job(run.job_id)).progress
            if progress and progress["percent"] not in seen:
                seen.append(progress["percent"])
                assert 0 <= progress["percent"] < 100
            await asyncio.sleep(0.01)
    assert seen == sorted(seen)
    await stage.jobs.cancel(run.job_id, "me")
    stage.runner.cancel(run.job_id)
    await task
    job = await stage.job(run.job_id)
    assert job.status is Status.CANCELLED
    assert not job.artifacts
    assert not (stage.data_dir / "scratch" / run.job_id).exists()


@pytest.mark.parametrize("content", [b"", b"no video at all" * 1000])
async def test_what_is_no_media_fails_in_ffmpegs_own_words(stage: Stage, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "junk").write_bytes(content)
    job = await stage.play("transcode", input=await stage.upload(tmp_path / "junk"))
    assert job.error
    assert (job.status, job.error["code"]) == (Status.FAILED, "unreadable_input")
    assert "Invalid data found when processing input" in job.error["message"]
    assert str(tmp_path) not in job.error["message"]


async def test_a_truncated_video_fails_in_ffmpegs_own_words(stage: Stage, tmp_path: Path, clip: Path) -> None:
    (tmp_path / "half.mp4").write_bytes(clip.read_bytes()[:3000])
    job = await stage.play("transcode", input=await stage.upload(tmp_path / "half.mp4"))
    assert job.error
    assert "moov atom not found" in job.error["message"]


async def test_a_playlist_cannot_make_it_read_other_files(stage: Stage, tmp_path: Path, clip: Path) -> None:
    for name, text in [
        ("list.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{clip}\n#EXT-X-ENDLIST\n"),
        ("list", f"ffconcat version 1.0\nfile {clip}\n"),
    ]:
        (tmp_path / name).write_text(text)
        job = await stage.play("transcode", input=await stage.upload(tmp_path / name))
        assert job.error
        assert job.error["code"] == "unreadable_input"


def test_nothing_is_read_over_the_network() -> None:
    protocols = SAFELY[SAFELY.index("-protocol_whitelist") + 1]
    assert protocols == "file,pipe"


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"format": "mp3", "height": 240}, "mp3 has no picture"),
        ({"format": "webm", "codec": "h264"}, "webm takes the codecs vp9, vp8, av1, not h264"),
        ({"format": "flac", "audio_bitrate": "128k"}, "flac has no audio_bitrate"),
        ({"format": "gif", "audio_bitrate": "128k"}, "gif has no audio_bitrate"),
        ({"format": "mp3", "thumbnails": 1}, "mp3 has no picture"),
        ({"format": "wav", "heights": [240]}, "wav has no picture"),
        ({"format": "gif", "loudness": -16}, "gif has no sound"),
        ({"format": "hls", "height": 240}, "leave out height and video_bitrate"),
        ({"format": "hls", "video_bitrate": "1M"}, "leave out height and video_bitrate"),
        ({"format": "hls", "codec": "vp9"}, "hls takes the codecs h264, not vp9"),
        ({"format": "webm", "heights": [240, 480]}, "say height, not heights"),
        ({"format": "hls", "heights": []}, "heights"),
        ({"loudness": 0}, "loudness"),
        ({"thumbnails": 101}, "thumbnails"),
        ({"start_seconds": 60}, "The input ends after 2 seconds"),
        ({"height": 1}, "height"),
        ({"format": "exe"}, "format"),
        ({"video_bitrate": "lots"}, "video_bitrate"),
        ({"duration_seconds": 0}, "duration_seconds"),
    ],
)
async def test_what_makes_no_sense_is_rejected(stage: Stage, clip: Path, params: dict[str, Any], told: str) -> None:
    job = await stage.play("transcode", input=await stage.upload(clip), **params)
    assert job.error
    assert (job.status, job.error["code"]) == (Status.FAILED, "rejected")
    assert told in job.error["message"]


async def test_what_the_input_does_not_have_cannot_be_made_of_it(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "tone.wav", *tone())
    make(tmp_path / "mute.mp4", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5")
    wishes: list[tuple[str, dict[str, Any], str]] = [
        ("tone.wav", {"format": "gif"}, "no picture"),
        ("tone.wav", {"format": "hls"}, "no picture"),
        ("tone.wav", {"format": "mp4", "thumbnails": 3}, "no picture"),
        ("mute.mp4", {"format": "wav"}, "no sound"),
        ("mute.mp4", {"format": "mp4", "loudness": -16}, "no sound"),
    ]
    for name, params, told in wishes:
        job = await stage.play("transcode", input=await stage.upload(tmp_path / name), **params)
        assert job.error
        assert (job.status, job.error["code"]) == (Status.FAILED, "rejected")
        assert told in job.error["message"]


def test_a_cover_picture_is_no_video() -> None:
    media = Media()
    for line in [
        "  Duration: 01:02:03.50, start: 0.000000, bitrate: 100 kb/s",
        "  Stream #0:0: Audio: mp3, 44100 Hz, stereo",
        "  Stream #0:1: Video: mjpeg, yuvj420p, 600x600 (attached pic)",
        "  Duration: N/A",
    ]:
        media.read(line)
    assert (media.duration_seconds, media.has_video, media.has_audio) == (3723.5, False, True)
    assert media.sample_rate == 44_100


def test_last_words_tell_neither_addresses_nor_paths() -> None:
    lines = ["[in#0 @ 0x55e1] moov atom not found", "Error opening input file /data/x.", "/data/x: Invalid data", ""]
    assert last_words(lines, "/data/x") == "moov atom not found / the input: Invalid data"
    assert last_words([], "/data/x") == "ffmpeg failed without a word"


async def test_its_process_is_gone_when_the_job_is_cancelled(stage: Stage, long_clip: Path) -> None:
    run = await stage.claimed("transcode", input=await stage.upload(long_clip), format="webm")
    task = asyncio.create_task(stage.runner.run(run))
    await stage.event(run.job_id, "progress")
    pids = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if run.job_id in text(path)]
    assert pids
    await stage.jobs.cancel(run.job_id, "me")
    stage.runner.cancel(run.job_id)
    await task
    assert all(map(is_gone, pids))


def text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
