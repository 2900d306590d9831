"""Asks whether weaknesses are known of what `constraints.txt` pins: `make audit`.

Three ends: nothing is known (0), something is (1, and a line for each), or nobody could be asked. The last is said
aloud and is no failure, so that whoever has no network can go on; with `--strict` it is one (2).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv")
MANNER = ("--disable-pip", "--no-deps", "--progress-spinner", "off", "--timeout", "15", "--format", "json")


def main(arguments: Sequence[str] = ()) -> int:
    """The exit code. What is no option of ours is passed on to pip-audit."""
    strict = "--strict" in arguments
    others = [argument for argument in arguments if argument != "--strict"]
    report, complaint = ask(ROOT / "constraints.txt", others)
    if report is None:
        print(f"NOT AUDITED: nobody could be asked about known weaknesses.\n  {complaint}", file=sys.stderr)
        return 2 if strict else 0
    lines = list(found(report))
    print(*lines, sep="\n", end="\n" if lines else "")
    print(f"{len(report)} pinned distributions, {len(lines)} known weaknesses.")
    return 1 if lines else 0


def ask(constraints: Path, options: Sequence[str] = ()) -> tuple[list[dict[str, Any]] | None, str]:
    """What pip-audit says of each distribution; None where it could not, and why."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "audit.json"
        command = [*COMMAND, *MANNER, "--requirement", str(constraints), "--output", str(answer), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not answer.exists():
            return None, (done.stderr.strip().splitlines() or ["pip-audit said nothing."])[-1]
        report: list[dict[str, Any]] = json.loads(answer.read_text())["dependencies"]
        return report, ""


def found(report: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each weakness."""
    for one in report:
        for weakness in one.get("vulns", ()):
            mended = ", ".join(weakness["fix_versions"]) or "no release yet"
            names = ", ".join([weakness["id"], *weakness.get("aliases", ())])
            yield f"{one['name']} {one['version']}: {names}; mended by {mended}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
