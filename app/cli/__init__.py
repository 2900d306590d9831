"""The `tidings` command: what it can do, what it reads, and how it says what happened."""

from app.cli.commands import app, main

__all__ = ["app", "main"]
