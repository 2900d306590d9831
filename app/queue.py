"""What of a job lies in arq's own keys: the call `run(job_id)` as JSON bytes. Written by the store, read by the worker.

arq's default is pickle, which would let whoever can write to Redis run code in the workers; both sides pass this pair.
"""

from typing import Any, Final

from arq.jobs import serialize_job
from pydantic_core import from_json, to_json

FUNCTION: Final = "run"
"""The one arq function there is."""


def encode(call: dict[str, Any]) -> bytes:
    """arq's serializer, of jobs and of why it could not make sense of one: that is an exception, kept as its text."""
    return to_json(call, fallback=str)


def decode(payload: bytes) -> dict[str, Any]:
    """arq's job deserializer. Raises ValueError for what is not a JSON object; nothing in it is ever executed."""
    call = from_json(payload)
    if not isinstance(call, dict):
        raise ValueError("not a JSON object")
    return call


_BEFORE, _BEHIND = serialize_job(FUNCTION, ("|",), {}, None, 0, serializer=encode).split(b"|")


def payload(job_id: str) -> bytes:
    """The arq job that runs this job; but for the id they are all alike."""
    return _BEFORE + job_id.encode() + _BEHIND
