"""Preconditions, holds and retention: when the service refuses."""

from dataclasses import dataclass
from datetime import datetime

from tests.fakes.gcs.clock import parse_stamp, stamp
from tests.fakes.gcs.messages import ApiError, Request
from tests.fakes.gcs.state import Bucket, Generation

_NO_MATCH = "At least one of the pre-conditions you specified did not hold."


@dataclass(frozen=True, slots=True)
class Conditions:
    """The four preconditions on one object."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    @classmethod
    def of(cls, request: Request, subject: str = "") -> "Conditions":
        """Return those of a request; `subject` is `Source` for the source of a copy."""
        return cls(
            request.number(f"if{subject}GenerationMatch"),
            request.number(f"if{subject}GenerationNotMatch"),
            request.number(f"if{subject}MetagenerationMatch"),
            request.number(f"if{subject}MetagenerationNotMatch"),
        )

    def check(self, known: Generation | Bucket | None, *, is_read: bool = False) -> None:
        """Pass, or refuse.

        Raises:
            ApiError: 412; 304 for a read of what has not changed.
        """
        generation = known.generation if isinstance(known, Generation) else 0
        metageneration = 0 if known is None else known.metageneration
        if self.generation not in (None, generation) or self.metageneration not in (None, metageneration):
            raise ApiError(412, "conditionNotMet", _NO_MATCH)
        asks_for_other = self.not_generation is not None or self.not_metageneration is not None
        is_same = self.not_generation == generation or self.not_metageneration == metageneration
        if is_same or (asks_for_other and known is None):
            status, reason = (304, "notModified") if is_read else (412, "conditionNotMet")
            raise ApiError(status, reason, _NO_MATCH)


def check_is_free(bucket: Bucket, known: Generation | None, now: datetime) -> None:
    """Refuse to delete or overwrite what is held or retained, in versioned buckets too.

    Raises:
        ApiError: 403.
    """
    if known is None:
        return
    where = f"Object '{bucket.name}/{known.name}'"
    for name, words in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if known.fields.get(name):
            raise ApiError(
                403,
                "objectUnderActiveHold",
                f"{where} is under active {words} hold and cannot be deleted, overwritten or archived "
                "until hold is removed.",
            )
    until = retained_until(bucket, known)
    if until is not None and until > now:
        raise ApiError(
            403,
            "retentionPolicyNotMet",
            f"{where} is subject to bucket's retention policy or object retention and cannot be deleted or "
            f"overwritten until {stamp(until)}",
        )


def retained_until(bucket: Bucket, known: Generation) -> datetime | None:
    """Return when retention ends; None without one, or while an event-based hold stops its clock."""
    ends = []
    if bucket.retention and not known.fields.get("eventBasedHold"):
        ends.append((known.hold_released_at or known.created_at) + bucket.retention)
    own = known.fields.get("retention") or {}
    if own.get("retainUntilTime"):
        ends.append(parse_stamp(str(own["retainUntilTime"])))
    return max(ends, default=None)
