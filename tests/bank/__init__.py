"""A small bank: a real HTTP server with a durable ledger, unreliable on demand. For tests and `make demo`.

It charges nobody twice under one key, and what `GET /charges/{id}` says is true. All else may go wrong (`traits.py`).
"""
