import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog
from pydantic_core import from_json

from app.logs import QUIET, configure


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


Written = Callable[[], str]


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Written:
    return lambda: capsys.readouterr().err


def test_our_lines_and_those_of_libraries_have_one_form(stderr: Written) -> None:
    configure("info")
    structlog.get_logger("app.x").info("submitted", action="job.submitted", job_id="a")
    logging.getLogger("uvicorn.error").warning("bad %s", "request")
    ours, theirs = map(from_json, stderr().splitlines())
    assert ours["timestamp"].endswith("Z")
    assert ours | {"timestamp": ""} == {
        **{"event": "submitted", "action": "job.submitted", "job_id": "a"},
        **{"level": "info", "logger": "app.x", "timestamp": ""},
    }
    assert theirs | {"timestamp": ""} == {
        **{"event": "bad request", "level": "warning", "logger": "uvicorn.error", "timestamp": ""}
    }


def test_a_terminal_gets_lines_to_read(stderr: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure("info")
    structlog.get_logger().info("submitted", action="job.submitted")
    line = stderr()
    assert "submitted" in line
    assert "{" not in line


@pytest.mark.parametrize("on_terminal", [False, True])
def test_control_characters_in_a_value_never_reach_a_terminal(
    on_terminal: bool, stderr: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    configure("info")
    structlog.get_logger().info("failed", action="a.b", path="/\x00\x1b[2J")
    line = stderr()
    assert not [part for part in ("\x00", "\x1b[2J") if part in line]


def test_nothing_below_the_level_is_logged_and_libraries_only_warn(stderr: Written) -> None:
    configure("info")
    structlog.get_logger().debug("no", action="a.b")
    for name in QUIET:
        logging.getLogger(name).info("no")
    assert stderr() == ""


@pytest.mark.parametrize("on_terminal", [False, True])
def test_secrets_in_urls_never_reach_a_line(
    on_terminal: bool, stderr: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    configure("info")
    log = structlog.get_logger()
    log.info("GET /x?access_token=s3cret&after=1", action="a.b", nested={"url": ["/y?access_token=s3cret"]})
    logging.getLogger("x").info("to %s", "redis://user:s3cret@host:6379/0")
    try:
        raise RuntimeError("/z?access_token=s3cret")
    except RuntimeError:
        log.exception("failed", action="a.b")
    lines = stderr()
    assert "s3cret" not in lines
    assert "access_token=***&after=1" in lines
    assert "redis://***@host:6379/0" in lines


def test_a_traceback_is_part_of_its_line_and_shows_no_values(stderr: Written) -> None:
    configure("info")
    try:
        local = "a value"
        raise RuntimeError(len(local))
    except RuntimeError:
        structlog.get_logger().exception("failed", action="a.b")
    (line,) = stderr().splitlines()
    assert "RuntimeError: 7" in from_json(line)["exception"]


def test_configuring_again_replaces_and_does_not_double(stderr: Written) -> None:
    configure("info")
    configure("WARNING")
    structlog.get_logger().warning("once", action="a.b")
    structlog.get_logger().info("no", action="a.b")
    assert len(stderr().splitlines()) == 1


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        configure("loud")
