"""The client as a page uses it to follow a job, and what it has heard so far."""

from playwright.sync_api import Page

from tests.conftest import eventually
from tests.static.service import Service

FOLLOW = """async ([module, token, job, after]) => {
    const { Tidings } = await import(module);
    window.tidings ??= new Tidings({ token: token || window.freshToken });
    const heard = window.heard = { events: [], states: [], over: false };
    const onConnection = (state) => heard.states.push(state);
    (async () => {
        try {
            const events = tidings.follow(job, { after, onConnection });
            for await (const { seq, type } of events) heard.events.push([seq, type]);
        } catch (error) {
            heard.error = error.code;
        }
        heard.over = true;
    })();
}"""


class Follower:
    """One page's. Without a token each is asked of the page's `freshToken`."""

    def __init__(self, page: Page, service: Service, job_id: str, token: str = "", *, after: int | None = None) -> None:
        self.page = page
        self._service = service
        self._job_id = job_id
        page.evaluate(FOLLOW, [f"{service.url}/static/tidings.js", token, job_id, after])

    @property
    def events(self) -> list[tuple[int, str]]:
        return [(seq, type) for seq, type in self.page.evaluate("heard.events")]

    @property
    def lines(self) -> list[int]:
        return [seq for seq, type in self.events if type == "log"]

    @property
    def states(self) -> list[str]:
        states: list[str] = self.page.evaluate("heard.states")
        return states

    @property
    def error(self) -> str | None:
        error: str | None = self.page.evaluate("heard.error")
        return error

    def hears(self, lines: int) -> None:
        eventually(lambda: len(self.lines) >= lines)

    def cancel(self) -> None:
        """From the page."""
        self.page.evaluate("job => tidings.cancel(job)", self._job_id)

    def has_all(self, key: str = "") -> None:
        """It came to the end, and of what was logged since its snapshot it was told everything, once, in order."""
        self.ends()
        (first, kind), *_ = self.events
        assert kind == "snapshot"
        assert self.lines == [seq for seq in self._service.lines(self._job_id, key) if seq > first]

    def ends(self) -> None:
        eventually(lambda: self.page.evaluate("heard.over"), 40)
