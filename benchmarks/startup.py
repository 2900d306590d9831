"""How long a claimed job takes to the first line of its handler, for each place where a handler runs.

`python -m benchmarks.startup` measures this alone; with TIDINGS_SPARE_PROCESS_SECONDS=0 no process is kept ready.
"""

import asyncio
import json
from datetime import datetime
from http.client import HTTPConnection
from statistics import median
from typing import Any, Final

from benchmarks.client import Poster
from benchmarks.rig import Rig, rig

KINDS: Final = ("bench_loop", "bench_thread", "bench_process", "bench_heavy")
RUNS: Final = 15
PAUSE_SECONDS: Final = 1.0
"""For the next process to get ready."""


async def measure(rig: Rig) -> dict[str, float]:
    """Milliseconds between the log's `processing` and the handler's first log line, both on Redis's clock."""
    poster = await Poster.open(rig.port)
    figures: dict[str, float] = {}
    for kind in KINDS:
        taken = sorted([await _start(rig, poster, kind) for _ in range(RUNS)])
        figures |= {f"{kind}_start_p50_ms": median(taken), f"{kind}_start_max_ms": taken[-1]}
    poster.close()
    return figures


async def _start(rig: Rig, poster: Poster, kind: str) -> float:
    job = await poster.submit(json.dumps({"kind": kind}).encode())
    while not (begun := _moment(log := await asyncio.to_thread(_log, rig.port, job["job_id"]), "log")):
        await asyncio.sleep(0.05)
    await asyncio.sleep(PAUSE_SECONDS)
    return (begun - _moment(log, "processing")) * 1000


def _moment(log: list[dict[str, Any]], type_: str) -> float:
    """Of the first event of that type; 0 when there is none."""
    return next((datetime.fromisoformat(event["at"]).timestamp() for event in log if event["type"] == type_), 0.0)


def _log(port: int, job_id: str) -> list[dict[str, Any]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", f"/api/jobs/{job_id}/events", headers={"Accept": "application/json"})
    log: list[dict[str, Any]] = json.loads(connection.getresponse().read()).get("events", [])
    connection.close()
    return log


if __name__ == "__main__":
    with rig() as running:
        for name, figure in asyncio.run(measure(running)).items():
            print(f"{name:32} {figure:>9.0f}")
