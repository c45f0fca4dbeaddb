"""Settings of buckets."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.fakes.gcs.clock import stamp
from tests.fakes.gcs.messages import Answer, ApiError, Json, Request, invalid, json_answer
from tests.fakes.gcs.resources import bucket_resource
from tests.fakes.gcs.rules import Conditions
from tests.fakes.gcs.state import Bucket, State, new_bucket

_READ_ONLY = frozenset(
    {"kind", "id", "name", "selfLink", "projectNumber", "metageneration", "etag", "timeCreated", "updated"}
)


class Buckets:
    """What answers below `/b`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def insert(self, request: Request) -> Answer:
        """Make a bucket."""
        bucket = new_bucket(self._state, request.json)
        change(bucket, request.json, self._state.clock.now)
        bucket.metageneration = 1
        return json_answer(bucket_resource(bucket, request.base_url))

    def list(self, request: Request) -> Answer:
        """Return all buckets on one page."""
        names = sorted(
            name for name in self._state.buckets if name.startswith(request.query.get("prefix", ""))
        )
        items = [bucket_resource(self._state.buckets[name], request.base_url) for name in names]
        return json_answer({"kind": "storage#buckets", "items": items})

    def get(self, request: Request, name: str) -> Answer:
        """Return a bucket's settings."""
        bucket = self._state.bucket(name)
        Conditions.of(request).check(bucket, is_read=True)
        return json_answer(bucket_resource(bucket, request.base_url))

    def patch(self, request: Request, name: str) -> Answer:
        """Change some settings."""
        bucket = self._state.bucket(name)
        Conditions.of(request).check(bucket)
        change(bucket, request.json, self._state.clock.now)
        return json_answer(bucket_resource(bucket, request.base_url))

    def update(self, request: Request, name: str) -> Answer:
        """Replace all settings."""
        bucket = self._state.bucket(name)
        Conditions.of(request).check(bucket)
        absent = dict.fromkeys(bucket.fields.keys() - request.json.keys() - {"storageClass", "location"})
        change(bucket, {**absent, **request.json}, self._state.clock.now)
        return json_answer(bucket_resource(bucket, request.base_url))

    def delete(self, request: Request, name: str) -> Answer:
        """Delete an empty bucket."""
        bucket = self._state.bucket(name)
        Conditions.of(request).check(bucket)
        if any(not known.is_soft_deleted for known in bucket.generations()):
            raise ApiError(409, "conflict", "The bucket you tried to delete is not empty.")
        del self._state.buckets[name]
        return Answer(204)

    def lock(self, request: Request, name: str) -> Answer:
        """Lock the retention policy."""
        bucket = self._state.bucket(name)
        if request.number("ifMetagenerationMatch") is None:
            raise ApiError(400, "required", "Required parameter: ifMetagenerationMatch")
        Conditions.of(request).check(bucket)
        if not bucket.retention:
            raise invalid("The bucket has no retention policy.")
        bucket.fields["retentionPolicy"]["isLocked"] = True
        bucket.metageneration += 1
        return json_answer(bucket_resource(bucket, request.base_url))


def change(bucket: Bucket, patch: Mapping[str, Any], now: datetime) -> None:
    """Merge settings: null removes, labels are merged one by one, the rest is replaced.

    Raises:
        ApiError: 403, a locked retention policy would be shortened; 400, a setting is impossible.
    """
    changes = {name: value for name, value in patch.items() if name not in _READ_ONLY}
    if "retentionPolicy" in changes:
        changes["retentionPolicy"] = _retention(bucket, changes["retentionPolicy"], now)
    if changes.get("softDeletePolicy"):
        changes["softDeletePolicy"] = _soft_delete(changes["softDeletePolicy"], now)
    if "labels" in changes:
        changes["labels"] = _merged(bucket.fields.get("labels") or {}, changes["labels"] or {})
    bucket.fields = _merged(bucket.fields, changes)
    bucket.metageneration += 1
    bucket.updated_at = now


def _merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    return {name: value for name, value in {**before, **changes}.items() if value is not None}


def _retention(bucket: Bucket, wanted: Mapping[str, Any] | None, now: datetime) -> Json | None:
    before = bucket.fields.get("retentionPolicy") or {}
    seconds = int((wanted or {}).get("retentionPeriod") or 0)
    if before.get("isLocked") and seconds < int(before["retentionPeriod"]):
        raise ApiError(403, "forbidden", "Cannot reduce the duration of a locked Retention Policy.")
    if not seconds:
        return None
    return {**before, "retentionPeriod": str(seconds), "effectiveTime": stamp(now)}


def _soft_delete(wanted: Mapping[str, Any], now: datetime) -> Json:
    seconds = int(wanted.get("retentionDurationSeconds") or 0)
    if seconds and not 7 * 86400 <= seconds <= 90 * 86400:
        raise invalid("Soft delete retention must be 0, or 7 to 90 days.")
    return {"retentionDurationSeconds": str(seconds), "effectiveTime": stamp(now)}
