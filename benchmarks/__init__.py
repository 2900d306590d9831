"""`make bench`: what the README and docs claim of speed and memory, measured on real processes."""
