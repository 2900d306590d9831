"""A run's private folder: made when first asked for, gone when the run is. It lies beside the artifacts."""

import shutil
from pathlib import Path

from app.store import Run
from workers.run.awaiting import in_thread


class Scratch:
    """`<data dir>/scratch/<job id>/<attempt>-<the rest of the run token>`."""

    def __init__(self, data_dir: Path, run: Run) -> None:
        self._job_folder = data_dir.resolve() / "scratch" / run.job_id
        self.folder = self._job_folder / f"{run.attempt}-{run.token.removeprefix(run.job_id)[1:]}"

    @property
    def path(self) -> Path:
        """The folder, made if need be."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.folder

    async def remove(self, *, last: bool) -> None:
        """Delete it; the last run of its job deletes what killed workers left of earlier ones, too.

        Any other may have been followed by the next already, which has a folder beside it.
        """
        doomed = self._job_folder if last else self.folder
        if doomed.exists():
            await in_thread(shutil.rmtree, doomed, ignore_errors=True)
