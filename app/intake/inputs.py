"""Whether a submission's inputs exist and are its owner's. What is foreign looks exactly like what is not there."""

from collections.abc import Mapping

from app.errors import UnknownInput
from app.jobs import is_job_id
from app.locations import Locations
from app.store import JobStore, UploadStore


class Inputs:
    """`upload:<id>`, `artifact:<job id>/<name>` and `location:<root>/<path>`."""

    def __init__(self, jobs: JobStore, uploads: UploadStore, locations: Locations) -> None:
        self._locations = locations
        self._jobs = jobs
        self._uploads = uploads

    async def hold(
        self, inputs: Mapping[str, str], owner: str, span_ms: int, *, from_ms: int = 0, single: str = ""
    ) -> None:
        """Check all of them, each given with a pointer to it, then keep the uploads for so long after that moment.

        A token to submit once names what it has uploaded, and locations. Raises UnknownInput.
        """
        uploads = {text: await self._check(text, owner, single, place) for text, place in inputs.items()}
        for text, upload_id in uploads.items():
            if upload_id and not await self._uploads.keep(upload_id, span_ms, from_ms=from_ms):
                raise _unknown(text, inputs[text])

    async def _check(self, text: str, owner: str, single: str, place: str) -> str | None:
        """The id, where it is an upload's."""
        match text.partition(":"):
            case ("upload", _, upload_id) if await self._has_upload(upload_id, owner, single):
                return upload_id
            case ("artifact", _, reference) if not single and await self._has_artifact(reference, owner):
                return None
            case ("location", _, reference) if self._locations.knows(reference):
                return None
            case _:
                raise _unknown(text, place)

    async def _has_upload(self, upload_id: str, owner: str, single: str) -> bool:
        upload = await self._uploads.find(upload_id) if is_job_id(upload_id) else None
        return upload is not None and upload.is_of(owner, single)

    async def _has_artifact(self, reference: str, owner: str) -> bool:
        job_id, _, name = reference.partition("/")
        view = await self._jobs.read(job_id) if is_job_id(job_id) else None
        if view is None or view.job.owner != owner:
            return False
        return not view.job.expired and any(artifact.name == name for artifact in view.job.artifacts)


def _unknown(text: str, place: str) -> UnknownInput:
    shown = text[:100]
    detail = f"{shown!r} names no upload or artifact of yours, and no location."
    return UnknownInput(detail, input=shown, errors=[{"pointer": place, "message": detail}])
