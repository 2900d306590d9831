"""The service that pages tell their readers to start, by the very command: `make run`. For `tests/docs/reader.py`."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from shutil import which
from typing import Final

import httpx

from tests.conftest import eventually
from tests.docs.blocks import ROOT
from tests.faults.house import free_port

VENV: Final = Path(sys.prefix)
MAKE: Final = f"""#!/bin/sh
exec '{which("make")}' -f '{ROOT}/Makefile' -o '{VENV}/.installed' VENV='{VENV}' "$@"
"""
"""Wherever it is called it is ours, and everything is installed."""
PIP: Final = f"""#!/bin/sh -e
shift
for package; do grep -qi "^$package==" '{ROOT}/constraints.txt'; done
"""
NPM: Final = """#!/bin/sh -e
shift
for package; do test -d "node_modules/${package%@*}"; done
"""
"""What pages install was installed beforehand: no test asks a registry."""


class Service:
    """One, started where its reader is; its data lie elsewhere."""

    def __init__(self, folder: Path, tools: Path, where: Path, env: Mapping[str, str]) -> None:
        folder.mkdir()
        self.port = str(free_port())
        self.data_dir = folder / "data"
        self._log = folder / "log"
        ours = {"TIDINGS_PORT": self.port, "TIDINGS_DATA_DIR": str(self.data_dir), "TIDINGS_WEBHOOK_CONCURRENCY": "0"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [tools / "make", "run"],
                cwd=where,
                env={**env, **ours},
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # make hands it on
        self._process.wait(30)

    def ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False).is_success and self._works()
        except httpx.TransportError:
            return False

    def _works(self) -> bool:
        """The worker comes a moment after web; where a key is asked for, one cannot look."""
        kinds = httpx.get(f"http://127.0.0.1:{self.port}/api/kinds", trust_env=False)
        return kinds.status_code == 401 or bool(kinds.json()["kinds"])


class Services:
    """One for each sort of settings, started when a page first asks for it; all end together."""

    def __init__(self, folder: Path) -> None:
        self.tools = folder / "tools"
        self.tools.mkdir()
        for name, script in (("make", MAKE), ("pip", PIP), ("npm", NPM)):
            (self.tools / name).write_text(script)
            (self.tools / name).chmod(0o755)
        self._folder = folder
        self._running: dict[tuple[tuple[str, str], ...], Service] = {}
        self._ends = ExitStack()

    def of(self, settings: Mapping[str, str], where: Path, env: Mapping[str, str]) -> Service:
        """The service with these settings; `where` its modules are."""
        key = tuple(sorted(settings.items()))
        if key not in self._running:
            service = Service(self._folder / str(len(self._running)), self.tools, where, {**env, **settings})
            self._running[key] = self._ends.enter_context(service)
            eventually(service.ready, 60)
        return self._running[key]

    def __enter__(self) -> "Services":
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()
