"""Verify: look at the buckets with own eyes, and compare."""
