"""`run_handler` is to a test what a worker is to a job. Its handlers are those of `tests/acts.py`."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import acts, callback_kinds
from tests.stage import MODES
from workers import Cancelled, Context, Failed, Input, Retry, Wait, job
from workers.testing import ProcessDied, Told, run_handler

every_mode = pytest.mark.parametrize("handler", [getattr(acts, mode) for mode in MODES], ids=MODES)

Handler = Callable[..., Any]


@every_mode
def test_it_gives_the_result_and_all_that_was_told(handler: Handler) -> None:
    ran = run_handler(handler, deed="tell")
    assert ran.result == "done"
    assert [event.type for event in ran.events] == ["progress", "log", "metric", "log", "progress"]
    assert [data["percent"] for data in ran.told("progress")] == [20, 100]
    assert (ran.lines, ran.told("metric")) == (["one", "three"], [{"value": 2}])


@every_mode
def test_artifacts_stay_as_long_as_what_tells_of_them(handler: Handler) -> None:
    ran = run_handler(handler, deed="save")
    contents = {name: path.read_text() for name, path in ran.artifacts.items()}
    assert contents == {"first.txt": "by path", "second.bin": "by bytes"}
    assert [data["name"] for data in ran.told("artifact")] == ["first.txt", "second.bin"]
    path = ran.artifacts["first.txt"]
    del ran
    gc.collect()
    assert not path.exists()


@every_mode
@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ("value", ValueError),
        ("again", Retry),
        ("wait", Wait),
        ("failed", Failed),
        ("cancelled", Cancelled),
    ],
)
def test_it_raises_what_the_handler_raises(handler: Handler, outcome: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        run_handler(handler, deed="fail", arguments=[outcome])


@every_mode
def test_the_context_says_what_it_is_told_to_say(handler: Handler) -> None:
    ran = run_handler(handler, deed="facts", job_id="b" * 26, attempt=2, run_token="x.7", callback={"paid": True})
    params = {"deed": "facts", "arguments": None}
    url = "http://testserver/api/callbacks/test"
    assert ran.result == ["b" * 26, 2, "x.7", params, url, {"paid": True}]


@every_mode
def test_a_job_can_be_cancelled_at_an_event(handler: Handler) -> None:
    seen: list[Told] = []

    def under_way(event: Told) -> bool:
        seen.append(event)
        return event.type == ("begun" if handler is acts.loop else "progress")

    with pytest.raises(Cancelled):
        run_handler(handler, deed="spin", cancel_when=under_way)
    assert seen[-1].data["line"] == "cleaned up"


@job("long", timeout=0.1)
def long(ctx: Context) -> None:
    while True:
        ctx.progress(1)


def test_a_kind_has_its_timeout() -> None:
    with pytest.raises(TimeoutError, match=r"longer than 0\.1 seconds"):
        run_handler(long)


@job("several")
def several(ctx: Context, one: Input, more: list[Input], named: dict[str, Input]) -> list[Any]:
    return [[path.name, path.read_text()] for path in map(ctx.open_input, [one, *more, *named.values()])]


def test_paths_are_inputs_wherever_they_are(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abcd"]
    for file in files:
        file.write_text(file.name * 2)
    a, b, c, d = files
    ran = run_handler(several, one=a, more=[b, c], named={"x": d})
    assert ran.result == [["a", "aa"], ["b", "bb"], ["c", "cc"], ["d", "dd"]]
    with pytest.raises(Failed, match="no such input"):
        run_handler(several, one="upload:none", more=[], named={})
    with pytest.raises(Failed, match="no such input"):
        run_handler(several, one="artifact:none/x", more=[], named={})


def test_a_process_that_dies_is_told_from_one_that_raises() -> None:
    with pytest.raises(ProcessDied, match="code 7"):
        run_handler(acts.process, deed="leave", arguments=[7])
    with pytest.raises(MemoryError):
        run_handler(acts.confined, deed="eat", arguments=[1 << 30])


def test_params_are_checked() -> None:
    with pytest.raises(ValueError, match="deed: Field required"):
        run_handler(acts.thread)


@pytest.mark.parametrize("handler", [callback_kinds.wait_loop, callback_kinds.wait_thread, callback_kinds.wait_process])
def test_a_kind_looks_for_an_answer_where_it_is_told_to(handler: Handler, tmp_path: Path) -> None:
    (tmp_path / "found").write_text("paid")
    ran = run_handler(handler, found=str(tmp_path / "found"), reconcile=True)
    assert ran.result == {"found": "paid", "before": None}
    assert run_handler(handler, reconcile=True).result is None
    with pytest.raises(TypeError, match="loop has no reconcile"):
        run_handler(acts.loop, deed="tell", reconcile=True)


def test_only_what_is_marked_is_a_handler() -> None:
    with pytest.raises(TypeError, match="not marked by @job"):
        run_handler(len)
