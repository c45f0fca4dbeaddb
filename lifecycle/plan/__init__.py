"""Plan: decisions become ordered actions, totals and a fingerprint, in a directory of their own."""
