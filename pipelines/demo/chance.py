"""Chance that is the same on every machine and in every year: numbers made from names by hashing."""

import hashlib
import uuid

_SEED = "acme"


def digest(*names: object) -> str:
    """Return 32 hexadecimal digits that belong to these names."""
    return hashlib.sha256("\x1f".join([_SEED, *map(str, names)]).encode()).hexdigest()[:32]


def fraction(*names: object) -> float:
    """Return a number from 0 up to 1 that belongs to these names."""
    return int(digest(*names)[:12], 16) / 16**12


def between(low: int, high: int, *names: object) -> int:
    """Return a whole number from `low` to `high` that belongs to these names."""
    return low + int(fraction(*names) * (high - low + 1))


def identifier(*names: object) -> str:
    """Return a UUID that belongs to these names."""
    return str(uuid.UUID(hex=digest(*names), version=4))
