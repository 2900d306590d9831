"""Loaded by schemathesis itself (`test_fuzz.py`): how a body looks whose media type it does not know."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
