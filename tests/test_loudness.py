"""Loudness normalisation, measured afterwards by another filter of ffmpeg's."""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.jobs import Job, Status
from tests.stage import Stage
from tests.test_transcode import look, make
from workers.handlers.ffmpeg import executable
from workers.handlers.loudness import Loudness

QUIET = "sine=frequency=440:duration=6:sample_rate=44100,volume=-15dB,tremolo=f=0.5:d=0.6"
SPIKY = "sine=frequency=440:duration=6:sample_rate=44100,volume='if(lt(mod(t,2),0.02),7,0.05)':eval=frame"


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path / "data")


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    make(tmp_path / "quiet.wav", "-f", "lavfi", "-i", QUIET)
    return tmp_path / "quiet.wav"


def measured(path: Path) -> tuple[float, float]:
    """LUFS and dBTP."""
    argv = [executable(), "-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stderr.rpartition("Summary")[2]
    loudness, peak = (re.search(rf"{name}:\s+(\S+)", told) for name in ("I", "Peak"))
    assert loudness
    assert peak
    return float(loudness[1]), float(peak[1])


async def normalised(stage: Stage, source: Path, **params: Any) -> tuple[Job, Path]:
    job = await stage.play("transcode", {"max_attempts": 1}, input=await stage.upload(source), **params)
    assert job.status is Status.COMPLETED, job.error
    assert job.main_artifact
    return job, stage.files.artifact(job.main_artifact.key)


@pytest.mark.parametrize(("format", "target"), [("wav", -20.0), ("mp3", -23.0), ("opus", -18.0), ("mp4", -23.0)])
async def test_it_comes_out_as_loud_as_asked_for(stage: Stage, quiet: Path, format: str, target: float) -> None:
    job, made = await normalised(stage, quiet, format=format, loudness=target)
    before, _ = measured(quiet)
    after, _ = measured(made)
    assert after == pytest.approx(target, abs=1)
    assert job.result["loudness_before"] == pytest.approx(before, abs=0.5)
    assert abs(before - target) > 3, "nothing to do"


async def test_all_of_it_is_turned_up_by_one_amount(stage: Stage, quiet: Path) -> None:
    """What is louder stays louder by as much, and the rate is the input's."""
    job, made = await normalised(stage, quiet, format="wav", loudness=-20)
    gain = -20 - job.result["loudness_before"]
    assert rms(made, 0.9) - rms(quiet, 0.9) == pytest.approx(gain, abs=0.2)
    assert rms(made, 1.9) - rms(quiet, 1.9) == pytest.approx(gain, abs=0.2)
    assert abs(rms(quiet, 0.9) - rms(quiet, 1.9)) > 3, "nothing to tell apart"
    assert look(made)[0].sample_rate == 44_100


def rms(path: Path, second: float) -> float:
    """dB, of a tenth of a second."""
    part = ("-ss", str(second), "-t", "0.1", "-i", str(path))
    argv = [executable(), "-hide_banner", *part, "-af", "volumedetect", "-f", "null", "-"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stderr
    found = re.search(r"mean_volume: (\S+) dB", told)
    assert found
    return float(found[1])


async def test_peaks_are_never_cut(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "spiky.wav", "-f", "lavfi", "-i", SPIKY)
    job, made = await normalised(stage, tmp_path / "spiky.wav", format="wav", loudness=-10)
    assert measured(tmp_path / "spiky.wav")[1] - 10 - job.result["loudness_before"] > 3, "no peak would be cut"
    media, _ = look(made)
    assert measured(made)[1] < 0
    assert media.sample_rate == 44_100


async def test_silence_stays_silence(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "silence.wav", "-f", "lavfi", "-i", "anullsrc=duration=2")
    job, made = await normalised(stage, tmp_path / "silence.wav", format="flac", loudness=-16)
    assert job.result["loudness_before"] is None
    assert look(made)[0].duration_seconds == pytest.approx(2, abs=0.1)


async def test_only_the_part_that_is_wanted_is_measured(stage: Stage, tmp_path: Path) -> None:
    loud_then_quiet = "sine=duration=10,volume='if(lt(t,5),1,0.05)':eval=frame"
    make(tmp_path / "both.wav", "-f", "lavfi", "-i", loud_then_quiet)
    _, made = await normalised(stage, tmp_path / "both.wav", format="wav", loudness=-23, start_seconds=6)
    assert measured(made)[0] == pytest.approx(-23, abs=1)


async def test_the_bar_covers_both_passes_and_never_goes_back(stage: Stage, tmp_path: Path) -> None:
    make(tmp_path / "long.wav", "-f", "lavfi", "-i", "anoisesrc=duration=120:amplitude=0.1")
    run = await stage.claimed("transcode", input=await stage.upload(tmp_path / "long.wav"), format="opus", loudness=-16)
    task = asyncio.create_task(stage.runner.run(run))
    seen: list[tuple[float, str]] = []
    while not task.done():
        progress = (await stage.job(run.job_id)).progress
        if progress and "message" in progress:
            seen.append((progress["percent"], progress["message"].partition(",")[0]))
        await asyncio.sleep(0.01)
    assert [percent for percent, _ in seen] == sorted(percent for percent, _ in seen)
    assert all(percent <= 20 for percent, doing in seen if doing == "measuring loudness")
    assert all(percent >= 20 for percent, doing in seen if doing == "encoding")
    assert {doing for _, doing in seen} >= {"measuring loudness", "encoding"}


def test_what_the_filter_prints_is_found_among_other_lines() -> None:
    told = ["{", "[Parsed_loudnorm_0 @ 0x1] ", "{", '"input_i" : "-27.6",', '"input_tp" : "-4.47",']
    told += ['"input_lra" : "18.10",', '"input_thresh" : "-39.20"', "}", "size=N/A"]
    found = Loudness.read(told)
    assert found == Loudness(-27.6, -4.47, 18.1, -39.2)
    assert "LRA=18.1:measured_I=-27.6" in found.to(-16, 48_000)[1]
