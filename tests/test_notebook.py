"""A bar in a notebook. A stand-in for IPython tells what a kernel would be asked to draw."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from app.client import Client
from app.display import Lines, NotebookBar, display
from app.display.notebook import MOST_LINES
from tests.small_server import EVENTS, JOB_ID, event, job, json, serving, stream


class Kernel:
    """Keeps what it is asked to draw, as a front end would be sent it."""

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self.display = SimpleNamespace(display=self._display)

    def get_ipython(self) -> Any:
        return SimpleNamespace(kernel=self)

    def _display(self, what: NotebookBar, *, display_id: bool) -> Any:
        assert display_id
        self.drawn.append(what._repr_html_())
        return SimpleNamespace(update=lambda what: self.drawn.append(what._repr_html_()))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    return kernel


def test_outside_of_a_notebook_nobody_looks_for_ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert isinstance(display(), Lines)
    assert "IPython" not in sys.modules


def test_in_a_notebook_a_job_is_watched_by_a_bar_in_its_cell(kernel: Kernel) -> None:
    with serving() as server, Client(server.url) as client:
        server.will(EVENTS, stream(event(1, "progress", percent=42, message="half way"), event(2, "completed")))
        server.will(f"/api/jobs/{JOB_ID}", json(job("completed", result=7)))
        assert client.watch(JOB_ID)["result"] == 7
    assert any('value="42"' in html and "half way" in html for html in kernel.drawn)
    assert 'value="100"' in kernel.drawn[-1]
    assert "completed" in kernel.drawn[-1]


def test_what_a_handler_says_is_text_and_only_the_latest_lines_stay(kernel: Kernel) -> None:
    with display() as bar:
        bar.show(event(1, "progress", percent=1, message="<script>"))
        for n in range(MOST_LINES + 1):
            bar.show(event(2 + n, "log", level="info", line=f"<b>{n}."))
    assert "<script>" not in kernel.drawn[-1]
    assert "&lt;script&gt;" in kernel.drawn[-1]
    assert "&lt;b&gt;0." not in kernel.drawn[-1]
    assert f"&lt;b&gt;{MOST_LINES}." in kernel.drawn[-1]
    assert repr(bar) == "pending  1 %  <script>"


def test_elsewhere_a_watched_job_is_told_in_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as server, Client(server.url) as client:
        server.will(EVENTS, stream(event(1, "processing", attempt=1, worker="w"), event(2, "failed", error={})))
        server.will(f"/api/jobs/{JOB_ID}", json(job("failed")))
        assert client.watch(JOB_ID)["status"] == "failed"
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[1] for line in err.splitlines()] == ["processing", "failed"]
