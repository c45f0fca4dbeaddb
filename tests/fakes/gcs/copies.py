"""Rewrite in one or many calls, copy, compose."""

import itertools
from dataclasses import dataclass

from tests.fakes.gcs.messages import Answer, Json, Request, invalid, json_answer
from tests.fakes.gcs.resources import object_resource
from tests.fakes.gcs.rules import Conditions, check_is_free
from tests.fakes.gcs.state import WRITABLE, Bucket, Content, Generation, State

BYTES_PER_CALL = 1024 * 1024
"""The service's own smallest step, so that tests meet rewrites of many calls with small objects."""
_MOST_COMPONENTS = 32
_NOT_COPIED = frozenset({"acl", "kmsKeyName", "temporaryHold", "eventBasedHold", "retention"})


@dataclass
class _Rewrite:
    """A rewrite on its way; its source is fixed by the first call."""

    names: tuple[str, str, str, str]
    generation: int
    done: int = 0


class Copies:
    """What makes an object of others."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.bytes_per_call = BYTES_PER_CALL
        self._rewrites: dict[str, _Rewrite] = {}
        self._numbers = itertools.count(1)

    def rewrite(self, request: Request, *names: str) -> Answer:
        """Copy, a step at a time when bytes have to move: to another class or another place."""
        source_bucket, target_bucket = self._state.bucket(names[0]), self._state.bucket(names[2])
        token = request.query.get("rewriteToken", "")
        pinned = self._pinned(token, names)
        generation = pinned.generation if pinned else request.number("sourceGeneration")
        source = self._checked(request, source_bucket, target_bucket, names, generation)
        pinned = pinned or _Rewrite((names[0], names[1], names[2], names[3]), source.generation)
        resource = _resource(request, source)
        size = source.content.size
        is_moved = (
            target_bucket.storage_class(resource.get("storageClass")) != source.storage_class
            or source_bucket.fields["location"] != target_bucket.fields["location"]
        )
        step = request.number("maxBytesRewrittenPerCall") or self.bytes_per_call
        pinned.done = min(pinned.done + step, size) if is_moved else size
        if pinned.done < size:
            token = token or f"rewrite-{next(self._numbers)}"
            self._rewrites[token] = pinned
            return json_answer({**_progress(pinned, size), "done": False, "rewriteToken": token})
        self._rewrites.pop(token, None)
        made = self._state.add(target_bucket, names[3], source.content, resource)
        made.component_count = None if is_moved else source.component_count
        done = object_resource(target_bucket, made, request.base_url)
        return json_answer({**_progress(pinned, size), "done": True, "resource": done})

    def copy(self, request: Request, *names: str) -> Answer:
        """Copy in one call."""
        source_bucket, target_bucket = self._state.bucket(names[0]), self._state.bucket(names[2])
        generation = request.number("sourceGeneration")
        source = self._checked(request, source_bucket, target_bucket, names, generation)
        made = self._state.add(target_bucket, names[3], source.content, _resource(request, source))
        made.component_count = source.component_count
        return json_answer(object_resource(target_bucket, made, request.base_url))

    def compose(self, request: Request, bucket_name: str, name: str) -> Answer:
        """Concatenate objects of one bucket."""
        bucket = self._state.bucket(bucket_name)
        wanted = request.json.get("sourceObjects") or []
        if not 1 <= len(wanted) <= _MOST_COMPONENTS:
            raise invalid("The number of source components must be between 1 and 32.")
        sources = [self._component(bucket, entry) for entry in wanted]
        live = bucket.live(name)
        Conditions.of(request).check(live)
        check_is_free(bucket, live, self._state.clock.now)
        content = Content(b"".join(source.content.data for source in sources))
        made = self._state.add(bucket, name, content, request.json.get("destination") or {})
        made.component_count = sum(source.component_count or 1 for source in sources)
        return json_answer(object_resource(bucket, made, request.base_url))

    def _pinned(self, token: str, names: tuple[str, ...]) -> _Rewrite | None:
        if not token:
            return None
        found = self._rewrites.get(token)
        if found is None or found.names != names:
            raise invalid("Invalid rewrite token.")
        return found

    def _checked(
        self,
        request: Request,
        source_bucket: Bucket,
        target_bucket: Bucket,
        names: tuple[str, ...],
        generation: int | None,
    ) -> Generation:
        source = self._state.find(source_bucket, names[1], generation)
        Conditions.of(request, "Source").check(source)
        live = target_bucket.live(names[3])
        Conditions.of(request).check(live)
        check_is_free(target_bucket, live, self._state.clock.now)
        return source

    def _component(self, bucket: Bucket, entry: Json) -> Generation:
        generation = entry.get("generation")
        source = self._state.find(bucket, entry["name"], int(generation) if generation else None)
        wanted = (entry.get("objectPreconditions") or {}).get("ifGenerationMatch")
        Conditions(generation=int(wanted) if wanted is not None else None).check(source)
        return source


def _progress(pinned: _Rewrite, size: int) -> Json:
    return {
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": str(pinned.done),
        "objectSize": str(size),
    }


def _resource(request: Request, source: Generation) -> Json:
    """Return the new object's metadata: the source's, or what the request says and nothing else.

    Who names a class alone therefore loses the content type and the metadata, as with the service.
    Who names no class gets that of the bucket.
    """
    said = {key: value for key, value in request.json.items() if key in {*WRITABLE, "storageClass"}}
    if any(value is not None for value in said.values()):
        return said
    return {key: value for key, value in source.fields.items() if key not in _NOT_COPIED}
