"""Processes of ours that never outlive us: the bundled Valkey, and what `tidings up` starts and keeps alive."""
