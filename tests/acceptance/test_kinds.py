"""The kinds that come with it, on real data, from a terminal and by HTTP, with files on a disk and in S3."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import lightgbm
import pytest

from tests.acceptance.service import Service, by_polling, submit
from workers.handlers import ffmpeg


@pytest.fixture
async def web(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.url, timeout=60, trust_env=False, follow_redirects=True) as client:
        yield client


def tidings(service: Service, *arguments: str) -> str:
    """What the command line prints, once it has ended well."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=os.environ | {"TIDINGS_URL": service.url},
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def latest(service: Service, kind: str) -> tuple[dict[str, Any], bytes]:
    """The last job of that kind, and its result."""
    with httpx.Client(base_url=service.url, trust_env=False, follow_redirects=True) as web:
        job: dict[str, Any] = web.get("/api/jobs", params={"kind": kind, "limit": 1}).json()["jobs"][0]
        return job, web.get(job["result_url"]).content


def rows(sql: str) -> list[Any]:
    found = duckdb.sql(sql)
    assert found
    return found.fetchall()


async def test_a_report_asked_for_by_http_brings_its_rows(
    service: Service, web: httpx.AsyncClient, sales: Path, tmp_path: Path
) -> None:
    uploaded = (await web.put("/api/uploads/sales.parquet", content=sales.read_bytes())).json()
    sql = "SELECT region, sum(cents) AS total FROM sales GROUP BY region ORDER BY region"
    job = await submit(web, "report", sql=sql, inputs={"sales": uploaded["input"]})
    end = (await by_polling(web, job))[-1]
    assert end["status"] == "completed", end["error"]
    produced = tmp_path / "report.parquet"
    produced.write_bytes((await web.get(end["result_url"])).content)
    assert rows(f"FROM '{produced}'") == rows(sql.replace("FROM sales", f"FROM '{sales}'"))
    page = next(artifact for artifact in end["artifacts"] if artifact["name"] == "report.html")
    assert "<svg" in (await web.get(page["url"])).text


def test_a_training_from_the_terminal_brings_a_model(service: Service, sales: Path) -> None:
    tidings(service, "submit", "train", f"data={sales}", "target=cents", "rounds=20", "--follow")
    job, model = latest(service, "train")
    assert job["status"] == "completed"
    assert job["result"]["rounds"] == 20
    assert lightgbm.Booster(model_str=model.decode()).num_trees() == 20


def test_a_sound_from_the_terminal_comes_back_in_another_format(service: Service, tmp_path: Path) -> None:
    source, produced = tmp_path / "tone.wav", tmp_path / "tone.mp3"
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    subprocess.run([ffmpeg.executable(), "-v", "error", *tone, source], check=True)
    tidings(service, "submit", "transcode", f"input={source}", "format=mp3", "--follow")
    _, content = latest(service, "transcode")
    produced.write_bytes(content)
    probe = subprocess.run([ffmpeg.executable(), "-i", produced], check=False, capture_output=True, text=True)
    assert "Audio: mp3" in probe.stderr
