"""What the shapes share: the mark that makes a TypedDict one, and the types of single members."""

from typing import Annotated, Final, TypeAlias

from pydantic import ConfigDict, Field, with_config

shape: Final = with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))
"""Decorates a TypedDict: it has these members and no others, and the docstring under each says what it is."""

Moment: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC, milliseconds."""

JobId: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9]{26}$", examples=["k7q2m4x5r6t7v8w9a2b3c4d5e6"])]
"""As `app.jobs.is_job_id` has it."""

Seq: TypeAlias = Annotated[int, Field(ge=0)]

Link: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
"""Path-absolute, or absolute where a public URL is set."""
