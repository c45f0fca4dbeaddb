"""Decisions: the only code that can change a bucket."""
