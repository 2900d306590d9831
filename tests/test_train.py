import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import lightgbm
import numpy as np
import pytest
from redis.asyncio import Redis

from app.jobs import Job, Status
from app.settings import Settings
from tests.conftest import handler_processes
from tests.stage import Stage
from workers.handlers.tables.checkpoint import EVERY_SECONDS
from workers.handlers.tables.course import MOST_TOLD, Course, is_told
from workers.handlers.tables.limits import MEMORY_BYTES, TEMP_BYTES

TOWNS = ("Ulm", "Bonn", "Kiel")


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path / "data")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a home costs: three a square metre, Ulm is dear."""
    chance = random.Random(1)
    path = tmp_path_factory.mktemp("homes") / "homes.csv"
    rows = []
    for _ in range(600):
        area, town, year = chance.randint(20, 200), chance.choice(TOWNS), chance.randint(10, 26)
        price = 3 * area + (100 if town == "Ulm" else 0) + chance.random() * 20
        rows.append(f'{area},{town},20{year}-05-01,{price:.2f},{price > 400},"{{""a"": {area}}}"')
    path.write_text("\n".join(["area,the town: 1,built,price,dear,note", *rows]) + "\n")
    return path


async def taught(stage: Stage, data: Path, **params: Any) -> Job:
    return await stage.play("train", {"max_attempts": 1}, data=await stage.upload(data), **params)


async def learnt(stage: Stage, data: Path, **params: Any) -> tuple[Job, dict[str, Path]]:
    """The job, and its artifacts by name."""
    job = await taught(stage, data, **params)
    assert job.status is Status.COMPLETED, job.error
    return job, {artifact.name: stage.files.artifact(artifact.key) for artifact in job.artifacts}


def told(job: Job) -> tuple[str, str]:
    """Code and message of a job that has failed for good."""
    assert job.status is Status.FAILED
    assert job.error
    return job.error["code"], job.error["message"]


async def metrics(stage: Stage, job: Job, name: str) -> list[tuple[int, float]]:
    """Step and value of its metric events of that name, in order."""
    events = [event.parsed() for event in await stage.log(job.job_id) if event.type == "metric"]
    return [(event["step"], event["value"]) for event in events if event["name"] == name]


async def test_a_number_is_learnt_from_numbers_words_and_days(stage: Stage, homes: Path) -> None:
    job, files = await learnt(stage, homes, target="price", rounds=60)
    assert set(files) == {"course.json", "model.txt", "features.json", "report.html"}
    assert job.main_artifact
    assert job.main_artifact.name == "model.txt"
    assert (job.result["rounds"], job.result["features"]) == (60, 5)
    assert job.result["metrics"]["valid.l2"] < 1000  # of values around 400 with a deviation of 160
    for name in ("train.l2", "valid.l2"):
        steps = await metrics(stage, job, name)
        assert [step for step, _ in steps] == list(range(1, 61))
        assert steps[-1][1] == job.result["metrics"][name] < steps[0][1]
    page = files["report.html"].read_text()
    assert page.count('class="line') == 2
    assert "<script" not in page


async def test_the_model_tells_what_it_was_taught(stage: Stage, homes: Path) -> None:
    _, files = await learnt(stage, homes, target="price", rounds=60)
    features = json.loads(files["features.json"].read_text())["features"]
    assert [feature["name"] for feature in features] == ["area", "the town: 1", "built", "dear", "note"]
    towns = features[1]["categories"]
    assert set(towns) == set(TOWNS)
    model = lightgbm.Booster(model_file=str(files["model.txt"]))
    assert model.feature_name() == [feature["model_name"] for feature in features]
    day = 1_600_000_000
    dear, cheap = (model.predict(np.array([[100, towns.index(town), day, 0, 0]]))[0] for town in ("Ulm", "Kiel"))
    assert dear > cheap


@pytest.mark.parametrize(
    ("target", "objective", "classes"),
    [("dear", "binary", ["false", "true"]), ("the town: 1", "multiclass", sorted(TOWNS)), ("area", "poisson", [])],
)
async def test_classes_and_counts_are_learnt_too(
    stage: Stage, homes: Path, target: str, objective: str, classes: list[str]
) -> None:
    job, files = await learnt(stage, homes, target=target, objective=objective, rounds=10)
    assert json.loads(files["features.json"].read_text())["classes"] == classes
    assert all(value >= 0 or objective == "poisson" for value in job.result["metrics"].values())


async def test_it_stops_early_and_keeps_the_best_round(stage: Stage, homes: Path) -> None:
    params = {"target": "price", "rounds": 5000, "early_stopping_rounds": 5, "parameters": {"learning_rate": 0.3}}
    job, files = await learnt(stage, homes, **params)
    assert job.result["rounds"] == job.result["best_round"] + 5 < 5000
    assert lightgbm.Booster(model_file=str(files["model.txt"])).num_trees() == job.result["best_round"]
    values = [value for _, value in await metrics(stage, job, "valid.l2")]
    assert min(values) == job.result["metrics"]["valid.l2"]


async def test_without_validation_the_training_is_what_is_measured(stage: Stage, homes: Path) -> None:
    job, _ = await learnt(stage, homes, target="price", rounds=5, validation_share=0)
    assert list(job.result["metrics"]) == ["train.l2"]


async def test_parquet_serves_and_what_cannot_be_learnt_from_is_left_out(
    stage: Stage, homes: Path, tmp_path: Path
) -> None:
    made = tmp_path / "homes.parquet"
    nulls = "CASE WHEN area > 100 THEN price END AS price, CASE WHEN area > 150 THEN area END AS area"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {nulls}, [area] AS list, NULL::VARCHAR AS v FROM '{homes}') TO '{made}'")
    job, _ = await learnt(stage, made, target="price", rounds=5)
    first, second = await stage.lines(job.job_id)
    assert "2 features" in first
    assert not first.startswith("600 rows")
    assert second == "left out: list"


async def test_a_second_attempt_goes_on_from_the_checkpoint_of_a_killed_one(
    stage: Stage, homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_TRAIN_CHECKPOINT_SECONDS", "0.001")
    params: dict[str, Any] = {"target": "price", "rounds": 3000, "parameters": {"learning_rate": 0.01, "num_leaves": 4}}
    run = await stage.claimed("train", data=await stage.upload(homes), **params)
    task = asyncio.create_task(stage.runner.run(run))
    async with asyncio.timeout(100):
        while not any(artifact.name == "model.txt" for artifact in (await stage.job(run.job_id)).artifacts):
            await asyncio.sleep(0.01)
    *_, pid = handler_processes()  # before it those that guard it
    os.kill(pid, signal.SIGKILL)
    await task
    job = await stage.job(run.job_id)
    assert job.status is Status.PENDING
    kept = lightgbm.Booster(model_file=str(artifact(stage, job, "model.txt"))).current_iteration()
    assert 0 < kept < 3000
    curve = json.loads(artifact(stage, job, "course.json").read_text())["curves"]["valid.l2"]
    mark = len(await stage.log(run.job_id))

    async with asyncio.timeout(100):
        while not (claims := await stage.jobs.claim("w", ["default"], 1, lease_ms=600_000, kinds={"train": 0})).runs:
            await asyncio.sleep(0.05)
    await stage.runner.run(claims.runs[0])
    job = await stage.job(run.job_id)
    assert (job.status, job.attempt, job.result["rounds"]) == (Status.COMPLETED, 2, 3000)
    assert f"going on from the checkpoint at round {kept}" in await stage.lines(run.job_id)
    steps = [e.parsed()["step"] for e in (await stage.log(run.job_id))[mark:] if e.type == "metric"]
    assert kept < min(steps) <= kept + 3
    course = json.loads(artifact(stage, job, "course.json").read_text())["curves"]["valid.l2"]
    assert len(course) == 3000
    assert course[:kept] == curve[:kept]
    assert course[kept] == pytest.approx(course[kept - 1], rel=0.05)
    assert lightgbm.Booster(model_file=str(artifact(stage, job, "model.txt"))).current_iteration() == 3000


def artifact(stage: Stage, job: Job, name: str) -> Path:
    (key,) = (artifact.key for artifact in job.artifacts if artifact.name == name)
    return stage.files.artifact(key)


async def test_a_cancel_stops_it_between_rounds(stage: Stage, homes: Path) -> None:
    run = await stage.claimed("train", data=await stage.upload(homes), target="price", rounds=100_000)
    task = asyncio.create_task(stage.runner.run(run))
    await stage.event(run.job_id, "metric")
    progress = (await stage.job(run.job_id)).progress
    assert progress
    await stage.jobs.cancel(run.job_id, "me")
    stage.runner.cancel(run.job_id)
    async with asyncio.timeout(20):
        await task
    assert (await stage.job(run.job_id)).status is Status.CANCELLED


ROWS = "a,b,c\n" + "".join(f"{n},{n % 7},w{n % 3}\n" for n in range(100))


@pytest.mark.parametrize(
    ("content", "params", "code", "words"),
    [
        (ROWS, {"target": "z"}, "unknown_column", "it has a, b, c"),
        (ROWS, {"target": "c"}, "unfit_target", "ask for the objective binary or multiclass"),
        (ROWS, {"target": "b", "objective": "binary"}, "unfit_target", "has 7 values, binary takes 2"),
        ("a,b\n" + "1,2\n" * 60, {"target": "b", "objective": "multiclass"}, "unfit_target", "has 1 values"),
        (
            "a,b\n" + "".join(f"{n},{n}\n" for n in range(200)),
            {"target": "b", "objective": "multiclass"},
            "unfit_target",
            "more than 100",
        ),
        ("a,b\n" + "1,-2\n" * 60, {"target": "b", "objective": "poisson"}, "unfit_target", "below zero"),
        ("a,b\n" + "1,2\n" * 60 + "1,inf\n", {"target": "b"}, "unfit_target", "no finite number"),
        ("a,b\n1,2\n", {"target": "b"}, "unfit_table", "50 rows with a 'b' to learn from, here are 1"),
        ("b\n" + "1\n" * 60, {"target": "b"}, "unfit_table", "2 to 10000 columns, this has 1"),
        ("", {"target": "b"}, "unreadable_input", "It is empty"),
        ("PAR1 and so on", {"target": "b"}, "unreadable_input", "No magic bytes"),
        (ROWS, {"target": "a", "objective": "cox"}, "rejected", "objective"),
        (ROWS, {"target": "a", "parameters": {"output_model": "/tmp/x"}}, "rejected", "output_model"),
        (ROWS, {"target": "a", "parameters": {"num_threads": 64}}, "rejected", "num_threads"),
        (ROWS, {"target": "a", "parameters": {"learning_rate": 0}}, "rejected", "learning_rate"),
        (ROWS, {"target": "a", "rounds": 0}, "rejected", "rounds"),
        (ROWS, {"target": "a", "validation_share": 0, "early_stopping_rounds": 5}, "rejected", "validation_share"),
    ],
)
async def test_what_cannot_be_learnt_is_told(
    stage: Stage, tmp_path: Path, content: str, params: dict[str, Any], code: str, words: str
) -> None:
    (tmp_path / "table").write_text(content)
    job = await taught(stage, tmp_path / "table", **params)
    assert told(job)[0] == code
    assert words in told(job)[1]
    assert not job.artifacts


async def test_a_table_larger_than_its_memory_is_refused_before_it_is_read(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_TRAIN_MEMORY", str(64 << 20))
    large = tmp_path / "large.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT i AS a, i AS b, i AS c FROM range(2_000_000) r(i)) TO '{large}'")
    code, message = told(await taught(stage, large, target="a"))
    assert code == "out_of_memory"
    assert "TIDINGS_TRAIN_MEMORY" in message


def test_the_settings_have_the_handlers_own_defaults() -> None:
    settings = Settings()
    assert (settings.train_memory, settings.train_temp_space) == (MEMORY_BYTES, TEMP_BYTES)
    assert settings.train_checkpoint_seconds == EVERY_SECONDS


def test_the_validation_judges_and_the_first_of_the_best_rounds_counts() -> None:
    course = Course()
    for value in (3.0, 1.0, 1.0, 2.0):
        course.add("train.auc", 9 - value, True)
        course.add("valid.l2", value, False)
    assert (course.rounds, course.best_round, course.judged) == (4, 2, "valid.l2")
    assert (course.is_over(2), course.is_over(3), course.is_over(None)) == (True, False, False)
    course.cut(1)
    assert (course.rounds, course.best_round, course.at(1)) == (1, 1, {"train.auc": 6.0, "valid.l2": 3.0})


@pytest.mark.parametrize("rounds", [1, 7, 1000, 1001, 99_999, 100_000])
def test_of_many_rounds_a_bounded_number_is_told_the_first_and_the_last_among_them(rounds: int) -> None:
    steps = [step for step in range(1, rounds + 1) if is_told(step, rounds)]
    assert len(steps) <= MOST_TOLD + 2
    assert (steps[0], steps[-1]) == (1, rounds)
    assert len(steps) >= min(rounds, MOST_TOLD // 2)


def test_the_worker_itself_stays_light() -> None:
    script = "import sys; from workers.registry import Registry; Registry.load([]); print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "workers.handlers.train" in loaded
    assert not loaded & {"duckdb", "lightgbm", "numpy", "scipy", "xlsxwriter"}
