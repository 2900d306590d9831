"""Tidings: submit a long job, get 202 at once, and be told how it goes."""

__version__ = "0.1.0"
