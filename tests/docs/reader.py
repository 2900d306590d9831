"""Somebody who follows a page to the letter: pastes each block, in order, in one shell and one folder, with a home that
is empty. For the tests of `tests/docs/`.
"""

import os
import re
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from tests.conftest import eventually
from tests.docs.blocks import Block, blocks
from tests.docs.given import GIVEN, nothing
from tests.docs.service import VENV, Services

TIDINGS: Final = "8000"
BLOCK_SECONDS: Final = 60
CURL: Final = "fail-with-body\nsilent\nshow-error\n"
"""Of curl, so that a refusal fails the page."""

TESTS: Final = "python -m pytest -q -W error -p no:cacheprovider -p no:asyncio -p no:schemathesis"
RUN: Final = {
    "bash": "bash -eu",
    "json": "python3 -m json.tool",
    "js": "node --input-type=module -",
    "python": "python3 -W error -",
}


class Reader:
    """Of one page. `ports` says where the page's servers listen in truth, by the port it names."""

    def __init__(self, page: str, folder: Path, services: Services, ports: Mapping[str, str]) -> None:
        self._page = page
        self._folder = folder / "page"
        self._home = folder / "home"
        self._services = services
        self._ports = dict(ports)
        self._servers: list[subprocess.Popen[bytes]] = []
        self._folder.mkdir()
        self._home.mkdir()
        (self._home / ".curlrc").write_text(CURL)
        (self._folder / ".venv").symlink_to(VENV)
        # Who begins has no `tidings` on the path; who reads on has been told to put it there.
        known = [] if page == "README.md" else [f"{VENV}/bin"]
        path = [str(services.tools), *known, os.environ["PATH"]]
        self._env = {"HOME": str(self._home), "PATH": os.pathsep.join(path), "LANG": "C.UTF-8"}
        given = GIVEN.get(page, nothing)(self._folder)
        starts = (block.settings for block in blocks(page) if block.port == TIDINGS)
        self._use(next(starts, {}))
        self._env |= {name: self._here(value) for name, value in given.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.terminate()
            server.wait(20)

    def follow(self) -> None:
        """The whole page. Tests that it shows are run last, as they may stand above what they need."""
        for block in blocks(self._page):
            if block.file:
                path = self._folder / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._here(block.text))
            elif block.port == TIDINGS:
                self._use(block.settings)
            elif block.port:
                self._serve(block)
            else:
                self._run(block)
        if any(self._folder.glob("test_*.py")):
            self._call(f"{self._page}'s tests", TESTS)

    def _use(self, settings: Mapping[str, str]) -> None:
        """The service with these settings is the one at hand."""
        known = {name: self._here(value) for name, value in settings.items()}
        service = self._services.of(known, self._folder, self._env)
        self._ports[TIDINGS] = service.port
        self._env |= {"TIDINGS_PORT": service.port, "TIDINGS_DATA_DIR": str(service.data_dir)}

    def _serve(self, block: Block) -> None:
        assert block.port
        script = self._shell(f"exec {self._here(block.text)}")  # so that the shell's end is its own
        said = self._home / f"{block.port}.log"
        with said.open("wb") as log:
            server = subprocess.Popen(script, cwd=self._folder, env=self._env, stdout=log, stderr=log)
        self._servers.append(server)

        def listens() -> bool:
            assert server.poll() is None, f"{block.place}: {said.read_text()}"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", int(self._here(block.port or "")))) == 0

        eventually(listens)

    def _run(self, block: Block) -> None:
        text = self._here(block.text)
        if block.language == "sh":
            said = self._call(block.place, text)
        else:
            assert block.language in RUN, f"{block.place}: where does this belong? Its first line may name a file."
            said = self._call(block.place, RUN[block.language], text)
        if block.output is not None:
            pattern = ".*".join(map(re.escape, self._here(block.output).rstrip().split("…")))
            assert re.fullmatch(pattern, said.rstrip(), re.DOTALL), f"{block.place} says:\n{said}"

    def _call(self, place: str, command: str, text: str = "") -> str:
        ran = subprocess.run(
            self._shell(command),
            cwd=self._folder,
            env=self._env,
            input=text,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BLOCK_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, f"{place} ended with {ran.returncode}:\n{ran.stdout}"
        return ran.stdout

    def _shell(self, command: str) -> list[str]:
        """With the variables that commands before it have set; those after it have its own."""
        state = self._home / "variables"
        begin = f". {state}\n" if state.exists() else ""
        keep = f"export -p | grep -v TIDINGS_PORT >{state}"  # the service may be another one by then
        return ["sh", "-euc", f"set -a\n{begin}{command}\n{keep}"]

    def _here(self, text: str) -> str:
        """With the ports as they are."""
        return re.sub(r"\b\d{4}\b", lambda port: self._ports.get(port[0], port[0]), text)
