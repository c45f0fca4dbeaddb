"""The write side of a cloud behind one Protocol: in memory, and S3 with the stores that speak like it."""

from lifecycle.providers.memory import MemoryProvider
from lifecycle.providers.protocol import CANARY_PREFIX, ClassChange, ObjectState, Provider
from lifecycle.providers.s3 import S3Provider

__all__ = ["CANARY_PREFIX", "ClassChange", "MemoryProvider", "ObjectState", "Provider", "S3Provider"]
