"""What the write side of a cloud can do. Each change names the state it expects; nothing overrides a lock."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from lifecycle.model import Versioning

CANARY_PREFIX = ".moraine-canary/"
"""The only place where a provider writes objects of its own, and the only one where it erases versions."""


@dataclass(frozen=True, slots=True)
class ObjectState:
    """An object as the store shows it now; a listing knows less than a HEAD."""

    key: str
    etag: str
    size_bytes: int
    last_modified_at: datetime
    storage_class: str
    version_id: str | None = None
    hold: str = ""
    """Why it may not be changed: a retention or a legal hold; empty when there is none."""
    carried: Mapping[str, Any] = field(default_factory=dict)
    """What a copy has to carry over by hand."""


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A copy of an object onto itself, in another storage class."""

    to: str
    source_etag: str
    """The object must have this ETag when it is read …"""
    destination_etag: str
    """… and when it is written."""
    in_parts: bool = False


class Provider(Protocol):
    """One cloud. Keys are exact bytes."""

    def versioning(self, bucket: str) -> Versioning:
        """Tell whether the bucket keeps old versions."""

    def head(self, bucket: str, key: str) -> ObjectState:
        """Return an object's state.

        Raises:
            Gone: there is no current object.
            ActionRefused: it may not be looked at.
            Transient: the store does not answer.
        """

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield the current objects whose key starts with `prefix`."""

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield all versions, old ones too, whose key starts with `prefix`."""

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        """Copy an object onto itself in another class; return its ETag afterwards.

        Raises:
            ConditionFailed, Gone: it is not what the change expects; nothing happened.
            ActionRefused: the store will not.
            Transient: the store does not answer; it may or may not have happened.
        """

    def delete(self, bucket: str, key: str, etag: str) -> None:
        """Delete the current object if it has this ETag; where versions are kept, that leaves them.

        Raises:
            ConditionFailed, Gone, ActionRefused, Transient: see `change_class`.
        """

    def put_canary(self, bucket: str, key: str, body: bytes) -> ObjectState:
        """Write an object of our own below `CANARY_PREFIX`."""

    def erase_canary(self, bucket: str, key: str) -> None:
        """Remove an object of our own below `CANARY_PREFIX`, with all its versions."""
