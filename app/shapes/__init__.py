"""The JSON objects a client is shown, on whatever transport. Types and words, no Redis and no HTTP.

mypy holds what makes them (`Job.shown` and its like) to these shapes, and the OpenAPI and AsyncAPI documents are made
of them, so what is written, what is promised and what is sent cannot drift apart.
"""
