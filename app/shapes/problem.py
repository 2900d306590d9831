"""The body of every refusal, as `app.errors.Refusal.problem` makes it."""

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from app.shapes.shape import Link, shape


@shape
class Misfit(TypedDict):
    """One thing that does not fit."""

    pointer: str
    """Where, as a JSON Pointer into the body (RFC 6901)."""
    message: str


@with_config(ConfigDict(extra="allow", use_attribute_docstrings=True))
class Problem(TypedDict):
    """Problem details (RFC 9457). Some codes have further members."""

    type: Link
    """Leads to what the code means."""
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    """What is wrong with this very request."""
    instance: str
    """The path asked for."""
    code: str
    """Stable; what programs go by."""
    retry_after: NotRequired[Annotated[int, Field(ge=0)]]
    """As in the header, seconds."""
    errors: NotRequired[list[Misfit]]
