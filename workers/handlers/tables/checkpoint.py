"""Where a training stands, as artifacts of its own job: any worker finds them there, after whatever crash.

`course.json` is saved first, so there is none of a model without it. The model's name is that of the final one, which
replaces it.
"""

import os
import time
from typing import Final

from pydantic_core import from_json, to_json

from workers import Context, Failed
from workers.handlers.tables.course import Course

MODEL: Final = "model.txt"
COURSE: Final = "course.json"

EVERY_SECONDS: Final = 15.0
SHARE: Final = 0.1


class Checkpoint:
    """A crash costs at most the rounds of 15 seconds, or of a tenth of the time so far; so saving costs little."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._every = float(os.environ.get("TIDINGS_TRAIN_CHECKPOINT_SECONDS", EVERY_SECONDS))
        self._began = self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        now = time.monotonic()
        return now - self._saved >= max(self._every, SHARE * (now - self._began))

    def save(self, model: str, course: Course) -> None:
        """What is there so far."""
        self._ctx.save(COURSE, to_json(course), "application/json")
        self._ctx.save(MODEL, model.encode(), "text/plain; charset=utf-8", main=True)
        self._saved = time.monotonic()

    def find(self) -> tuple[str, Course] | None:
        """Of an earlier attempt: the model and its course; None where there is none."""
        try:
            course = Course(**from_json(self._read(COURSE)))
            return self._read(MODEL), course
        except (Failed, ValueError, TypeError):  # the latter two: of another version of ours
            return None

    def _read(self, name: str) -> str:
        return self._ctx.open_input(f"artifact:{self._ctx.job_id}/{name}").read_text()
