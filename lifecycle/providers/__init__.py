"""The write side of a cloud behind one Protocol: in memory, and S3 with the stores that speak like it."""

from collections.abc import Mapping

from lifecycle.model import Scheme
from lifecycle.providers.memory import MemoryProvider
from lifecycle.providers.protocol import (
    BATCH,
    CANARY_PREFIX,
    BucketSettings,
    ClassChange,
    ObjectState,
    Provider,
    Removal,
    Target,
    UploadState,
)
from lifecycle.providers.s3 import S3Provider

Clouds = Mapping[Scheme, Provider]
"""A provider for each scheme of a bucket's URI."""

__all__ = [
    "BATCH",
    "CANARY_PREFIX",
    "BucketSettings",
    "ClassChange",
    "Clouds",
    "MemoryProvider",
    "ObjectState",
    "Provider",
    "Removal",
    "S3Provider",
    "Target",
    "UploadState",
]
