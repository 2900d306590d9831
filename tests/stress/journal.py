"""What the processes of a run have logged: errors nobody expected, and why clients were hung up on."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

GRACE_OVER: Final = "timeout graceful shutdown exceeded"
"""uvicorn's words for requests that are cancelled when a web process has to end; each also leaves a traceback."""
EXPECTED: Final = {"run.abandoned"}
"""What a worker does at its end with runs whose last words Redis, away, does not take."""


def complaints(folder: Path) -> list[str]:
    """Errors, by process."""
    return [line for log in sorted(folder.glob("*.log")) for line in _complaints(log)]


def hang_ups(folder: Path) -> dict[str, int]:
    """By their reason."""
    entries = (entry for log in folder.glob("web-*.log") for entry in _entries(log))
    return dict(Counter(entry["reason"] for entry in entries if entry.get("action") == "writer.closed"))


def _complaints(log: Path) -> Iterator[str]:
    for entry in _entries(log):
        trace = str(entry.get("exception", ""))
        if entry.get("action") in EXPECTED or GRACE_OVER in f"{entry.get('event')} {trace}":
            continue
        if entry.get("level") == "error":
            last = trace.strip().rpartition("\n")[2]
            yield f"{log.name} {entry.get('timestamp')}: {str(entry['event']).strip()} {last[:200]}"
        elif "unreadable" in entry:
            yield f"{log.name}: {entry['unreadable'][:200]}"


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    """Every line; one that is no JSON, such as of a traceback that nobody caught, as `unreadable`."""
    for line in log.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {"unreadable": line}
        yield entry if isinstance(entry, dict) else {"unreadable": line}
