"""A site of another origin that embeds us, with a strict CSP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from playwright.sync_api import BrowserContext, Page

CSP: Final = (
    "default-src 'none'; script-src {url} 'unsafe-eval'; connect-src {url} {socket}; require-trusted-types-for 'script'"
)
"""`unsafe-eval` is for what the tests themselves have a page do."""

NOISE: Final = ("Failed to load resource", "WebSocket connection")


class Site:
    """Its web server; `origin` is where, `html` the page it has, `policy` its CSP."""

    html = ""
    policy = ""

    def __init__(self, port: int) -> None:
        self.origin = f"http://localhost:{port}"


@contextmanager
def site() -> Iterator[Site]:
    """A site, served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", served.policy)
            self.end_headers()
            self.wfile.write(served.html.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Site(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()


class Shop:
    """The site in a browser. A script error or a breach of the CSP is a complaint."""

    def __init__(self, context: BrowserContext, site: Site, url: str) -> None:
        self.context = context
        self.complaints: list[str] = []
        self._site = site
        self._script = f'<script type="module" src="{url}/static/tidings.js"></script>'
        site.policy = CSP.format(url=url, socket=url.replace("http", "ws"))

    def page(self, body: str = "", script: str | None = None) -> Page:
        """A page with that in it, and our script."""
        script = self._script if script is None else script
        self._site.html = f"<!doctype html><title>Shop</title>{script}<body>{body}"
        page = self.context.new_page()
        page.on("console", lambda message: self._complain(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.goto(self._site.origin)
        return page

    def _complain(self, text: str) -> None:
        if not text.startswith(NOISE):
            self.complaints.append(text)
