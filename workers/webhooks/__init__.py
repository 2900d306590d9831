"""Webhooks on their way out: a loop beside the job worker's sends what the store has queued."""
