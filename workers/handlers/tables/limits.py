"""What one run may take of the machine: the settings of its kind, `TIDINGS_<KIND>_…`, which its process is given."""

import os
from dataclasses import dataclass
from typing import Final, Self

MEMORY_BYTES: Final = 2 << 30
TEMP_BYTES: Final = 20 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes; no `threads` means as many as there are cores."""

    kind: str = "report"
    memory: int = MEMORY_BYTES
    temp_space: int = TEMP_BYTES
    threads: int = 0

    @classmethod
    def of(cls, kind: str) -> Self:
        """As set for this kind; the worker has checked that they are numbers."""
        return cls(
            kind,
            int(os.environ.get(_variable(kind, "MEMORY"), MEMORY_BYTES)),
            int(os.environ.get(_variable(kind, "TEMP_SPACE"), TEMP_BYTES)),
            int(os.environ.get(_variable(kind, "THREADS"), "0")),
        )

    def setting(self, name: str) -> str:
        """The variable that sets it, to be told."""
        return _variable(self.kind, name)

    @property
    def cores(self) -> int:
        """How many threads that is."""
        return self.threads or os.cpu_count() or 1


def _variable(kind: str, name: str) -> str:
    return f"TIDINGS_{kind.upper()}_{name}"
