"""A grouped aggregate over 100 million rows: through the kind `report`, and by the plain `duckdb` package beside it.

`python -m benchmarks report`. The two take turns in one run, on one file, with the same threads and memory; each is a
process of its own. The time of the kind is a client's, from its POST to the job's end.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import httpx

from benchmarks.rig import Rig, rig

ROWS = 100_000_000
ROUNDS = 5
SAMPLE_SECONDS = 0.02
MEMORY_BYTES = 2 << 30
"""The kind's default."""

TABLE = f"""
    SELECT DATE '2026-01-01' + (i // 300_000)::INTEGER AS day, 'region ' || hash(i) % 50 AS region,
           (hash(i * 3) % 1000)::USMALLINT AS product, (1 + hash(i * 7) % 1024)::USMALLINT AS cents
    FROM range({ROWS}) t(i)"""
"""The same rows wherever it runs; region and product scattered, days in order as they would come."""

QUERY = """
    SELECT region, month(day) AS month, count(*) AS sales, sum(cents) / 100 AS total, avg(cents) AS average,
           count(DISTINCT product) AS products, max(cents) AS most
    FROM sales GROUP BY region, month ORDER BY region, month"""

PLAIN = """
import sys, duckdb
table, target, memory, query = sys.argv[1:]
connection = duckdb.connect(config={"memory_limit": memory + "B"})
connection.execute("SET enable_progress_bar = false")
connection.execute(f"CREATE VIEW sales AS FROM read_parquet('{table}')")
connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)").fetchall()
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds, those of CPU, and the most memory of its processes together."""

    seconds: float
    cpu_seconds: float
    bytes: int


def measure() -> dict[str, float]:
    """Medians of both, and what the kind costs more, in percent."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as directory, rig() as running:
        table = Path(directory) / "sales.parquet"
        _make(table)
        input = _upload(running, table)
        pairs = []
        for n in range(ROUNDS + 1):
            pair = _plain(table, Path(directory) / "plain.parquet"), _through_the_kind(running, input, tell=n == 0)
            if n:  # the first ones fill the file cache
                pairs.append(pair)
                told = (f"{m.seconds:.2f} s, {m.cpu_seconds:.2f} s of CPU, {m.bytes / 1e6:.0f} MB;" for m in pair)
                print("round    ", n, "plain and kind:", *told)
    plain, kind = zip(*pairs, strict=True)
    ratio = median(by_kind.seconds / by_plain.seconds for by_plain, by_kind in pairs)
    cpu_ratio = median(by_kind.cpu_seconds / by_plain.cpu_seconds for by_plain, by_kind in pairs)
    return {
        "report_plain_seconds": round(median(one.seconds for one in plain), 2),
        "report_kind_seconds": round(median(one.seconds for one in kind), 2),
        "report_overhead_percent": round(100 * (ratio - 1), 1),
        "report_plain_cpu_seconds": round(median(one.cpu_seconds for one in plain), 2),
        "report_kind_cpu_seconds": round(median(one.cpu_seconds for one in kind), 2),
        "report_overhead_cpu_percent": round(100 * (cpu_ratio - 1), 1),
        "report_plain_peak_mb": round(median(one.bytes for one in plain) / 1e6),
        "report_kind_peak_mb": round(median(one.bytes for one in kind) / 1e6),
    }


def _make(table: Path) -> None:
    began = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"COPY ({TABLE}) TO '{table}' (FORMAT parquet, COMPRESSION zstd)")
    size = table.stat().st_size / 1e6
    print(f"data      {ROWS:,} rows, {size:.0f} MB of Parquet, made in {time.perf_counter() - began:.0f} s")


def _upload(rig: Rig, table: Path) -> str:
    with table.open("rb") as file:
        answer = httpx.put(f"{_url(rig)}/api/uploads/{table.name}", content=file, timeout=600)
    input: str = answer.raise_for_status().json()["input"]
    return input


def _plain(table: Path, target: Path) -> Measured:
    argv = [sys.executable, "-c", PLAIN, str(table), str(target), str(MEMORY_BYTES), QUERY]
    with _watched(PLAIN.strip().splitlines()[0]) as watched:
        began = time.perf_counter()
        subprocess.run(argv, check=True)
        seconds = time.perf_counter() - began
    return Measured(seconds, watched.cpu_seconds, watched.bytes)


def _through_the_kind(rig: Rig, input: str, *, tell: bool) -> Measured:
    params = {"sql": QUERY, "inputs": {"sales": input}}
    with _watched("workers.run.child") as watched:
        began = time.perf_counter()
        job = httpx.post(f"{_url(rig)}/api/jobs", json={"kind": "report", "params": params}).raise_for_status().json()
        progress = _follow(rig, job["job_id"])
        seconds = time.perf_counter() - began
    if tell:
        tenth = progress[:: max(len(progress) // 10, 1)]
        print("progress ", len(progress), "events, of ten each:", *(f"{told['percent']:.0f}%" for told in tenth))
    return Measured(seconds, watched.cpu_seconds, watched.bytes)


def _follow(rig: Rig, job_id: str) -> list[dict[str, Any]]:
    """What it told of its progress."""
    told: list[dict[str, Any]] = []
    with httpx.stream("GET", f"{_url(rig)}/api/jobs/{job_id}/events?after=0", timeout=600) as stream:
        for line in stream.iter_lines():
            event: dict[str, Any] = json.loads(line[6:]) if line.startswith("data: ") else {"type": ""}
            match event["type"]:
                case "progress":
                    told.append(event["data"])
                case "failed" | "cancelled":
                    raise RuntimeError(event["data"])
                case "completed":
                    break
    return told


class _Watch:
    """Of the processes whose command line holds the mark: their CPU so far, and the most memory they had together."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._cpu: dict[Path, float] = {}
        self.bytes = 0

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu.values())

    def sample(self) -> None:
        together = 0
        for process in _marked(self._mark):
            with suppress(OSError):  # it has ended
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                self._cpu[process] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                together += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        self.bytes = max(self.bytes, together)


@contextmanager
def _watched(mark: str) -> Iterator[_Watch]:
    """Sampled as long as this lasts."""
    watch, over = _Watch(mark), threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            watch.sample()

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def _marked(mark: str) -> list[Path]:
    """Those below us."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (process / "cmdline").read_bytes() and os.getpid() in _ancestors(process):
                found.append(process)
    return found


def _ancestors(process: Path) -> Iterator[int]:
    parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    while parent > 1:
        yield parent
        parent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])


def _url(rig: Rig) -> str:
    return f"http://127.0.0.1:{rig.port}"
