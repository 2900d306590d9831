"""What of our environment a process that is not ours may know: it holds our secrets.

Asked by what starts such processes: the bundled Valkey (`embedded.py`), programs of handlers (`workers/run/program.py`)
and the processes that handlers run in (`workers/run/spares.py`).
"""

import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

USUAL: Final = re.compile(
    r"(LD_LIBRARY_)?PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|SSL_CERT_\w+|(CUDA|NVIDIA|OMP)_\w+"
)
"""Where things are, how words are written, and which cards and cores to compute on. All else may be a secret."""

OURS: Final = "TIDINGS_"


def clean(more: Iterable[str] = ()) -> dict[str, str]:
    """The usual variables and those called as in `more`, where `*` stands for anything; never one of our settings."""
    wanted = tuple(more)
    return {name: value for name, value in os.environ.items() if USUAL.fullmatch(name) or _among(name, wanted)}


def _among(name: str, wanted: Iterable[str]) -> bool:
    return not name.startswith(OURS) and any(fnmatchcase(name, pattern) for pattern in wanted)
