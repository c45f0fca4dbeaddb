"""Metadata, media, deletes, restores."""

import re
from collections.abc import Mapping
from typing import Any

from tests.fakes.gcs.clock import parse_stamp
from tests.fakes.gcs.messages import Answer, ApiError, Json, Request, invalid, json_answer
from tests.fakes.gcs.resources import object_resource
from tests.fakes.gcs.rules import Conditions, check_is_free
from tests.fakes.gcs.state import WRITABLE, Bucket, Generation, State

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_MERGED = frozenset({"metadata", "contexts"})
"""Settings whose entries are changed one by one."""


class Objects:
    """What answers below `/b/<bucket>/o/<object>`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, request: Request, bucket_name: str, name: str) -> Answer:
        """Return metadata, or the bytes for `alt=media`."""
        if request.query.get("alt") == "media":
            return self.media(request, bucket_name, name)
        bucket = self._state.bucket(bucket_name)
        known = self._asked_for(request, bucket, name)
        Conditions.of(request).check(known, is_read=True)
        document = object_resource(bucket, known, request.base_url)
        if request.query.get("projection") != "full":
            document.pop("acl", None)
        return json_answer(document)

    def media(self, request: Request, bucket_name: str, name: str) -> Answer:
        """Return the bytes, or a range of them."""
        bucket = self._state.bucket(bucket_name)
        known = self._state.find(bucket, name, request.number("generation"))
        Conditions.of(request).check(known, is_read=True)
        if known.content.declared_size is not None:
            raise ApiError(500, "internalError", f"{name} has a size only; its bytes were never there")
        return _media(known, request.headers.get("range"))

    def patch(self, request: Request, bucket_name: str, name: str) -> Answer:
        """Change some metadata."""
        return self._change(request, bucket_name, name, request.json)

    def update(self, request: Request, bucket_name: str, name: str) -> Answer:
        """Replace all metadata; holds stay unless they are named."""
        replaced = [key for key in WRITABLE if not key.endswith("Hold") and key != "customTime"]
        return self._change(request, bucket_name, name, {**dict.fromkeys(replaced), **request.json})

    def delete(self, request: Request, bucket_name: str, name: str) -> Answer:
        """Delete the live object as the bucket is set, or one generation for good."""
        bucket = self._state.bucket(bucket_name)
        generation = request.number("generation")
        known = self._state.find(bucket, name, generation)
        Conditions.of(request).check(known)
        check_is_free(bucket, known, self._state.clock.now)
        self._state.remove(bucket, known, for_good=generation is not None)
        return Answer(204)

    def restore(self, request: Request, bucket_name: str, name: str) -> Answer:
        """Copy a soft-deleted generation into a new live one; the soft-deleted one stays until its end."""
        bucket = self._state.bucket(bucket_name)
        generation = request.number("generation")
        if generation is None:
            raise ApiError(400, "required", "Required parameter: generation")
        source = self._state.find_soft_deleted(bucket, name, generation)
        live = bucket.live(name)
        Conditions.of(request).check(live)
        check_is_free(bucket, live, self._state.clock.now)
        made = self._state.add(
            bucket, name, source.content, {**source.fields, "storageClass": source.storage_class}
        )
        made.component_count = source.component_count
        return json_answer(object_resource(bucket, made, request.base_url))

    def _asked_for(self, request: Request, bucket: Bucket, name: str) -> Generation:
        generation = request.number("generation")
        if not request.flag("softDeleted"):
            return self._state.find(bucket, name, generation)
        if generation is None:
            raise ApiError(400, "required", "Required parameter: generation")
        return self._state.find_soft_deleted(bucket, name, generation)

    def _change(self, request: Request, bucket_name: str, name: str, patch: Mapping[str, Any]) -> Answer:
        bucket = self._state.bucket(bucket_name)
        known = self._state.find(bucket, name, request.number("generation"))
        Conditions.of(request).check(known)
        if patch.get("storageClass", known.storage_class) != known.storage_class:
            raise invalid("The storage class of an object is changed by rewriting it.")
        fields = _changed(known, patch, may_shorten=request.flag("overrideUnlockedRetention"))
        if known.fields.get("eventBasedHold") and not fields.get("eventBasedHold"):
            known.hold_released_at = self._state.clock.now
        known.fields = fields
        known.metageneration += 1
        known.updated_at = self._state.clock.now
        return json_answer(object_resource(bucket, known, request.base_url))


def _changed(known: Generation, patch: Mapping[str, Any], *, may_shorten: bool) -> Json:
    fields = dict(known.fields)
    for key in WRITABLE:
        if key in patch:
            fields[key] = _merged(fields.get(key), patch[key]) if key in _MERGED else patch[key]
    _check_custom_time(known.fields.get("customTime"), fields.get("customTime"))
    _check_retention(known.fields.get("retention"), fields.get("retention"), may_shorten=may_shorten)
    return {key: value for key, value in fields.items() if value is not None}


def _merged(before: Any, change: Any) -> Any:  # noqa: ANN401  (JSON)
    if not isinstance(before, dict) or not isinstance(change, dict):
        return change
    merged = {**before, **{key: _merged(before.get(key), value) for key, value in change.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def _check_custom_time(before: str | None, after: str | None) -> None:
    if before and (not after or parse_stamp(after) < parse_stamp(before)):
        raise invalid("Custom time cannot be removed or set to an earlier time.")


def _check_retention(before: Json | None, after: Json | None, *, may_shorten: bool) -> None:
    if not before:
        return
    earlier = parse_stamp(before["retainUntilTime"])
    if after and after["mode"] == before["mode"] and parse_stamp(after["retainUntilTime"]) >= earlier:
        return
    if before["mode"] == "Locked" or not may_shorten:
        raise ApiError(403, "forbidden", "The object's retention cannot be reduced or removed.")


def _media(known: Generation, wanted: str | None) -> Answer:
    data = known.content.data
    headers = {
        "content-type": str(known.fields.get("contentType", "application/octet-stream")),
        "x-goog-generation": str(known.generation),
        "x-goog-metageneration": str(known.metageneration),
        "x-goog-storage-class": known.storage_class,
        "x-goog-stored-content-length": str(len(data)),
        "x-goog-stored-content-encoding": str(known.fields.get("contentEncoding", "identity")),
        "x-goog-hash": f"crc32c={known.content.crc32c},md5={known.content.md5}",
    }
    if "contentEncoding" in known.fields:
        headers["content-encoding"] = str(known.fields["contentEncoding"])
    bounds = _bounds(wanted, len(data))
    if bounds is None:
        return Answer(200, data, headers)
    first, end = bounds
    if first >= end:
        raise ApiError(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
    headers["content-range"] = f"bytes {first}-{end - 1}/{len(data)}"
    return Answer(206, data[first:end], headers)


def _bounds(wanted: str | None, size: int) -> tuple[int, int] | None:
    found = _RANGE.fullmatch(wanted or "")
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size
