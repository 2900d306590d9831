"""Several jobs followed from one page, which shares its connection with no other."""

from playwright.sync_api import Page

from tests.conftest import eventually
from tests.static.service import Service

SETUP = """async ([module, token]) => {
    const { Tidings } = await import(module);
    const tidings = new Tidings({ token: () => token });
    window.told = [];
    window.follow = async (job, after) => {
        const events = [];
        told.push(events);
        for await (const { seq, type } of tidings.follow(job, { after })) events.push([seq, type]);
        events.push([null, "over"]);
    };
}"""


class Several:
    """Their followers, by the order in which they came."""

    def __init__(self, page: Page, service: Service) -> None:
        self._page = page
        page.evaluate(SETUP, [f"{service.url}/static/tidings.js", service.key])

    def follow(self, *job_ids: str, after: int | None = None) -> None:
        """At once."""
        script = "([jobs, after]) => { for (const job of jobs) follow(job, after); }"
        self._page.evaluate(script, [job_ids, after])

    def types(self, n: int) -> list[str]:
        return [type for _, type in self._told(n)]

    def lines(self, n: int) -> list[int]:
        return [seq for seq, type in self._told(n) if type == "log"]

    def ends(self, n: int) -> str:
        """By which event."""
        eventually(lambda: self.types(n)[-1:] == ["over"])
        return self.types(n)[-2]

    def _told(self, n: int) -> list[tuple[int, str]]:
        told: list[tuple[int, str]] = self._page.evaluate("n => told[n]", n)
        return told
