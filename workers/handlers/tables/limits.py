"""What one run may take of the machine: the settings of its kind, `TIDINGS_<KIND>_…`, which its process is given."""

import os
from dataclasses import dataclass
from typing import Final, Self

MEMORY_BYTES: Final = 2 << 30
TEMP_BYTES: Final = 20 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes; no `threads` means as many as there are cores."""

    memory: int = MEMORY_BYTES
    temp_space: int = TEMP_BYTES
    threads: int = 0

    @classmethod
    def of(cls, kind: str) -> Self:
        """As set for this kind; the worker has checked that they are numbers."""
        prefix = f"TIDINGS_{kind.upper()}_"
        return cls(
            int(os.environ.get(f"{prefix}MEMORY", MEMORY_BYTES)),
            int(os.environ.get(f"{prefix}TEMP_SPACE", TEMP_BYTES)),
            int(os.environ.get(f"{prefix}THREADS", "0")),
        )

    @property
    def cores(self) -> int:
        """How many threads that is."""
        return self.threads or os.cpu_count() or 1
