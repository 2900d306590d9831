"""What a handler returned, as JSON. Made where the handler ran, so that a large one does not hold up the loop."""

from typing import Any

from pydantic_core import to_json

from workers.outcomes import Failed
from workers.run.entries import Bounds


def result_text(value: Any, bounds: Bounds) -> str:
    """Raises Failed for what is not JSON, or too much of it."""
    try:
        text = to_json(value, inf_nan_mode="strings")
    except ValueError as error:
        raise Failed(f"The result is not JSON: {error}") from error
    if len(text) > bounds.result_bytes:
        told = f"The result is {len(text)} bytes of JSON, the most is {bounds.result_bytes}: save it as an artifact."
        raise Failed(told, code="result_too_large")
    return text.decode()
