"""What the jobs of the fault tests leave in files: that they have begun, in which processes, and how attempts ended."""

from pathlib import Path
from typing import Any, Final

from tests.faults.house import House, until

WITNESSES: Final = ("witness", "witness_thread", "witness_process")
"""One kind for each place where a handler runs."""


class Notes:
    """Of one witness."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.notes"
        self._gate = folder / f"{name}.gate"

    @property
    def params(self) -> dict[str, Any]:
        """Of the job."""
        return {"notes": str(self.file), "gate": str(self._gate)}

    def let(self, attempt: int) -> None:
        """That attempt may return."""
        self._gate.with_name(f"{self._gate.name}.{attempt}").touch()

    def of(self, attempt: int) -> list[str]:
        """What happened to it: `begun`, then how it ended."""
        return [what for number, _, what in self._lines if int(number) == attempt]

    @property
    def all(self) -> list[str]:
        """What happened, of all attempts."""
        return [what for _, _, what in self._lines]

    @property
    def pids(self) -> list[int]:
        """Of the processes in which it happened."""
        return [int(pid) for _, pid, _ in self._lines]

    @property
    def _lines(self) -> list[list[str]]:
        return [line.split() for line in self.file.read_text().splitlines()] if self.file.exists() else []


async def begun(house: House, traces: dict[str, Path]) -> None:
    """Until each job has left its file; one that ends without fails the test."""

    async def all_there() -> bool:
        for job_id, file in traces.items():
            assert file.exists() or not (await house.job(job_id)).ended, await house.log(job_id)
        return all(file.exists() for file in traces.values())

    await until(all_there)


def pids(*files: Path) -> list[int]:
    """Of the processes of families."""
    return [int(pid) for file in files for pid in file.read_text().split()]
