"""`python -m benchmarks [report|webhooks|page]`: prints machine, versions, date, command, and figures as JSON."""

import json
import os
import platform
import resource
import sys
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import uvloop

from benchmarks import fanout, latency, memory, report, throughput, webhooks
from benchmarks.rig import Rig, rig

AT_MOST = {
    "post_202_p50_ms": 3.0,
    "post_processing_p50_ms": 6.0,
    "post_processing_p99_ms": 25.0,
    "fanout_us_per_delivery_median": 1.5,
    "idle_stream_kb": 12.0,
    "submission_cpu_us": 400,
    "poll_304_cpu_us": 250,
    "finished_job_bytes": 3_000,
    "report_overhead_percent": 10,
    "webhook_beside_black_hole_max_ms": 1_000,
    "page_first_rows_ms": 1_000,
}
AT_LEAST = {
    "submissions_per_second_median": 2_500,
    "poll_304s_per_second_median": 4_000,
    "webhooks_per_second_median": 500,
    "page_frames_per_second": 30,
}


def main() -> None:
    _raise_file_limit()
    print(f"command   python -m benchmarks {' '.join(sys.argv[1:])}   {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"machine   {platform.platform()}, {os.cpu_count()} cores, {_processor()}")
    packages = ("uvicorn", "starlette", "uvloop", "redis", "hiredis", "arq", "sse-starlette", "websockets", "duckdb")
    print("versions  python", platform.python_version(), *(f"{name} {version(name)}" for name in packages))
    if sys.argv[1:] == ["report"]:
        figures = report.measure()
    elif sys.argv[1:] == ["page"]:
        figures = import_module("benchmarks.page").measure()  # what it needs is installed for the tests alone
    elif sys.argv[1:] == ["webhooks"]:
        figures = uvloop.run(webhooks.measure())
    else:
        with rig() as running:
            figures = uvloop.run(_measure(running))
    for name, figure in figures.items():
        print(f"{name:32} {figure:>9}{_verdict(name, figure)}")
    print(json.dumps(figures))


async def _measure(running: Rig) -> dict[str, float]:
    figures = await latency.measure(running) | await fanout.measure(running)
    return figures | await throughput.measure(running) | await memory.measure()


def _verdict(name: str, figure: float) -> str:
    """Whether the figure's budget was kept, where it has one."""
    if name in AT_MOST:
        return _told(f"at most {AT_MOST[name]:g}", figure <= AT_MOST[name])
    if name in AT_LEAST:
        return _told(f"at least {AT_LEAST[name]:g}", figure >= AT_LEAST[name])
    return ""


def _told(budget: str, kept: bool) -> str:
    return f"   (budget {budget}: {'kept' if kept else 'MISSED'})"


def _raise_file_limit() -> None:
    """Our own sockets and, inherited, those of the web process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown processor")


if __name__ == "__main__":
    main()
