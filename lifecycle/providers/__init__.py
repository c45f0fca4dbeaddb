"""The write side of a cloud behind one Protocol: memory, Cloud Storage, S3 and what speaks like it."""

from collections.abc import Mapping

from lifecycle.model import Scheme
from lifecycle.providers.gcs import GcsProvider
from lifecycle.providers.memory import MemoryProvider
from lifecycle.providers.protocol import (
    BATCH,
    CANARY_PREFIX,
    MOST_TAGS,
    BucketRules,
    BucketSettings,
    ClassChange,
    KeepsRules,
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
    "MOST_TAGS",
    "BucketRules",
    "BucketSettings",
    "ClassChange",
    "Clouds",
    "GcsProvider",
    "KeepsRules",
    "MemoryProvider",
    "ObjectState",
    "Provider",
    "Removal",
    "S3Provider",
    "Target",
    "UploadState",
]
