"""What `workers/worker.py` takes for granted of arq, which promises none of it."""

import hashlib
import inspect

import pytest
from arq.version import VERSION
from arq.worker import Worker

from workers.worker import JobWorker

WHAT_TO_DO = """
arq's {name} is not what workers/worker.py was written for. Read the new source beside JobWorker: what run_job expects
of the claim (sem, job_counter, tasks, job_tasks), which Redis keys it reads and writes, and when it calls which finish
method. Change JobWorker where that matters, run the worker's tests, and only then pin here what arq has now.
"""

PARAMETERS = {
    "main": ["self"],
    "_poll_iteration": ["self"],
    "start_jobs": ["self", "job_ids"],
    "run_job": ["self", "job_id", "score"],
    "finish_job": [
        "self",
        "job_id",
        "finish",
        "result_data",
        "result_timeout_s",
        "keep_result_forever",
        "incr_score",
        "keep_in_progress",
    ],
    "finish_failed_job": ["self", "job_id", "result_data"],
    "_release_sem_dec_counter_on_complete": ["self"],
}

SOURCES = {
    "main": "45ca1591c9717466",
    "_poll_iteration": "f8d39d823a0a59f2",
    "start_jobs": "b45797cfa40bed7f",
    "run_job": "589a19059ff84ee7",
    "finish_job": "903f09c92830d3fd",
    "finish_failed_job": "3e16087f318a7acf",
    "_release_sem_dec_counter_on_complete": "0ed101482e942c33",
}
"""The beginnings of SHA-256."""

OVERRIDDEN = ("main", "_poll_iteration", "start_jobs", "finish_job", "finish_failed_job")
USED = ("run_job", "_release_sem_dec_counter_on_complete")


def digest_of(name: str) -> str:
    return hashlib.sha256(inspect.getsource(getattr(Worker, name)).encode()).hexdigest()[:16]


def test_arq_is_the_version_this_was_written_for() -> None:
    assert VERSION == "0.28.0"


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_method_takes_what_it_took(name: str) -> None:
    assert list(inspect.signature(getattr(Worker, name)).parameters) == PARAMETERS[name], WHAT_TO_DO.format(name=name)


@pytest.mark.parametrize("name", SOURCES)
def test_a_method_does_what_it_did(name: str) -> None:
    assert digest_of(name) == SOURCES[name], WHAT_TO_DO.format(name=name)


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_is_overridden_takes_what_arqs_takes(name: str) -> None:
    assert list(inspect.signature(getattr(JobWorker, name)).parameters) == PARAMETERS[name]


@pytest.mark.parametrize("name", USED)
def test_what_is_used_as_it_is_is_not_overridden(name: str) -> None:
    assert getattr(JobWorker, name) is getattr(Worker, name)
