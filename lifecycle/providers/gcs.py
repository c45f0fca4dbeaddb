"""The write side of Cloud Storage.

A delete names no generation, only the condition that it is the one: with a generation in its address it
would be for good, past versions and soft delete. Holds and retentions are never lifted or overridden.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.model import Scheme
from lifecycle.providers import gcs_batch
from lifecycle.providers.gcs_answers import answered, refused, state_of
from lifecycle.providers.gcs_copies import Rewrite
from lifecycle.providers.protocol import (
    CANARY_PREFIX,
    BucketSettings,
    ClassChange,
    ObjectState,
    Removal,
    Target,
    UploadState,
)
from lifecycle.providers.removals import in_order
from pipelines.domain.configuration import Endpoint
from pipelines.stores.gcs import PATIENCE_SECONDS, gcs_client
from pipelines.stores.gcs_errors import explained

if TYPE_CHECKING:
    from google.cloud import storage

_LISTED = "items(name,generation,size,etag,timeCreated,timeDeleted,softDeleteTime,storageClass),nextPageToken"
_SECONDS_PER_DAY = 86400
_CONNECTIONS = 32
_NO_NAMES = frozenset({".", ".."})
"""No object is called so, and in an address they would mean the bucket."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a bucket."""

    settings: BucketSettings
    has_acls: bool

    @property
    def leaves_behind(self) -> bool:
        return self.settings.versioning == "on" or self.settings.soft_delete_days > 0


class GcsProvider:
    """Cloud Storage, or the endpoints of `moraine.yaml`.

    `clock` tells the time in UTC without a zone, by which a retention may be over; without one, none is.
    """

    scheme: Scheme = "gs"

    def __init__(
        self, endpoints: tuple[Endpoint, ...] = (), clock: Callable[[], datetime] | None = None
    ) -> None:
        self._endpoints, self._clock = endpoints, clock
        self._clients: dict[str, storage.Client] = {}
        self._buckets: dict[str, _Known] = {}
        self._making = threading.Lock()

    def settings(self, bucket: str) -> BucketSettings:
        """Return whether the bucket keeps versions or deleted objects, retains, or moves by itself."""
        with explained(f"gs://{bucket}"):
            found = self._client(bucket).get_bucket(bucket, retry=_retries())
        seconds = found.soft_delete_policy.retention_duration_seconds or 0
        retains = bool(found.retention_period)
        settings = BucketSettings(
            "on" if found.versioning_enabled else "off",
            object_lock=retains or bool(found.object_retention_mode),
            soft_delete_days=math.ceil(int(seconds) / _SECONDS_PER_DAY),
            autoclass=bool(found.autoclass_enabled),
            keeps_new=retains or bool(found.default_event_based_hold),
        )
        is_uniform = bool(found.iam_configuration.uniform_bucket_level_access_enabled)
        self._buckets[bucket] = _Known(settings, has_acls=not is_uniform)
        return settings

    def head(self, bucket: str, key: str) -> ObjectState:
        """Return the current generation's state."""
        return state_of(self._resource(bucket, key), self._now())

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield the current objects, in key order."""
        return self._listed(bucket, prefix)

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectState]:
        """Yield the current and noncurrent generations in key order, then the soft-deleted ones."""
        yield from self._listed(bucket, prefix, versions=True)
        if self._known(bucket).settings.soft_delete_days:
            yield from self._listed(bucket, prefix, soft_deleted=True)

    def uploads(self, bucket: str, prefix: str) -> Iterator[UploadState]:
        """Yield nothing: the service lists no uploads, and bills none."""
        del bucket, prefix
        return iter(())

    def tags(self, bucket: str, key: str) -> Mapping[str, str]:
        """Return an object's custom metadata."""
        return dict(self._resource(bucket, key).get("metadata") or {})

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        """Rewrite an object in another class; metadata, content headers, key and ACL stay."""
        known = self._known(bucket)
        if known.settings.autoclass:
            raise ActionRefused(
                "the bucket moves objects between classes by itself",
                where=f"gs://{bucket}/{state.key}",
                fix="Leave its objects where they are, or switch Autoclass off.",
            )
        with answered(bucket, state.key):
            rewrite = Rewrite(self._bucket(bucket), state, change.to, self._acl(bucket, state.key))
            return rewrite.make(_number(change.source), _number(change.destination), _retries())

    def delete(self, bucket: str, key: str, token: str) -> str:
        """Delete the current generation; return it where it stays behind."""
        leaves_behind = self._known(bucket).leaves_behind
        with answered(bucket, key):
            # A blob that comes from a listing would send its generation.
            self._blob(bucket, key).delete(if_generation_match=_number(token), retry=_retries())
        return token if leaves_behind else ""

    def delete_batch(self, bucket: str, targets: Sequence[Target]) -> Sequence[Removal]:
        """Delete many objects, a hundred in a request, each under its own generation."""
        leaves_behind = self._known(bucket).leaves_behind
        for target in targets:
            _check(bucket, target.key, target.token)
        found: list[Removal] = []
        for first in range(0, len(targets), gcs_batch.MOST_CALLS):
            chosen = targets[first : first + gcs_batch.MOST_CALLS]
            with answered(bucket, ""):
                batch = gcs_batch.Batch(bucket, chosen, leaves_behind=leaves_behind)
                found += batch.delete(self._client(bucket), _retries())
        return in_order(targets, found)

    def delete_version(self, bucket: str, key: str, version_id: str) -> None:
        """Remove one generation: for good, or until soft delete ends where it is on."""
        with answered(bucket, key):
            self._blob(bucket, key, _number(version_id)).delete(retry=_retries())

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Fail: there are no uploads here."""
        del upload_id
        raise Gone(f"gs://{bucket}/{key}")

    def restore(self, bucket: str, key: str, version_id: str) -> ObjectState:
        """Copy a noncurrent generation, or ask for a soft-deleted one, where nothing lives now."""
        generation = _number(version_id)
        try:
            resource = self._resource(bucket, key, generation=generation)
        except Gone:
            with answered(bucket, key):
                self._bucket(bucket).restore_blob(
                    key,
                    generation=generation,
                    if_generation_match=0,
                    copy_source_acl=self._known(bucket).has_acls or None,
                    retry=_retries(),
                )
            return self.head(bucket, key)
        self._bring_back(bucket, state_of(resource, self._now()))
        return self.head(bucket, key)

    def thaw(self, bucket: str, key: str, days: int) -> None:
        """Do nothing: every class can be read at once."""
        del days
        self._resource(bucket, key)

    def put_canary(self, bucket: str, key: str, body: bytes) -> ObjectState:
        """Write an object of our own."""
        _own(key)
        if self._known(bucket).settings.keeps_new:
            raise refused(f"gs://{bucket}/{key}", "what is written there cannot be removed")
        with answered(bucket, key):
            self._blob(bucket, key).upload_from_string(body, retry=_retries())
        return self.head(bucket, key)

    def erase_canary(self, bucket: str, key: str) -> None:
        """Remove an object of our own, with all its generations but held ones."""
        for version in self._listed(bucket, _own(key), versions=True):
            if version.key != key:
                continue
            try:
                self.delete_version(bucket, key, version.token)
            except (ActionRefused, Gone):
                continue

    def _bring_back(self, bucket: str, state: ObjectState) -> None:
        if state.is_current:
            raise ConditionFailed(state.key)
        with answered(bucket, state.key):
            generation = _number(state.token)
            acl = self._acl(bucket, state.key, generation)
            rewrite = Rewrite(self._bucket(bucket), state, state.storage_class, acl)
            rewrite.make(generation, 0, _retries(), generation=generation)

    def _listed(self, bucket: str, prefix: str, **kind: bool) -> Iterator[ObjectState]:
        with explained(f"gs://{bucket}/{prefix}"):
            found = self._client(bucket).list_blobs(
                bucket, prefix=prefix, fields=_LISTED, retry=_retries(), **kind
            )
            for blob in found:
                yield state_of(blob._properties)  # noqa: SLF001  (it does not say when it was soft-deleted)

    def _acl(self, bucket: str, key: str, generation: int | None = None) -> tuple[Mapping[str, str], ...]:
        if not self._known(bucket).has_acls:
            return ()
        grants = self._resource(bucket, key, generation=generation, projection="full").get("acl")
        if not grants:
            raise refused(f"gs://{bucket}/{key}", "its ACL may not be read, and would be lost")
        return tuple({"entity": grant["entity"], "role": grant["role"]} for grant in grants)

    def _resource(
        self, bucket: str, key: str, *, generation: int | None = None, projection: str = "noAcl"
    ) -> Mapping[str, Any]:
        with answered(bucket, key):
            blob = self._blob(bucket, key, generation)
            blob.reload(projection=projection, retry=_retries())
            resource: Mapping[str, Any] = blob._properties  # noqa: SLF001  (the whole of the answer)
            return resource

    def _blob(self, bucket: str, key: str, generation: int | None = None) -> Any:  # noqa: ANN401  (no types)
        _check(bucket, key)
        return self._bucket(bucket).blob(key, generation=generation)

    def _known(self, bucket: str) -> _Known:
        if bucket not in self._buckets:
            self.settings(bucket)
        return self._buckets[bucket]

    def _bucket(self, bucket: str) -> "storage.Bucket":
        return self._client(bucket).bucket(bucket)

    def _client(self, bucket: str) -> "storage.Client":
        with self._making:
            if bucket not in self._clients:
                self._clients[bucket] = _widened(gcs_client(bucket, self._endpoints))
            return self._clients[bucket]

    def _now(self) -> datetime | None:
        return self._clock() if self._clock else None


def _check(bucket: str, key: str, generation: str = "0") -> None:
    if key in _NO_NAMES or not generation.isdecimal():
        raise refused(f"gs://{bucket}/{key}", "no object is called so, or no generation is known")


def _number(token: str) -> int:
    try:
        return int(token)
    except ValueError:
        raise ConditionFailed(token) from None


def _own(key: str) -> str:
    if not key.startswith(CANARY_PREFIX):
        raise ActionRefused("not a canary", where=key, fix="Only canaries are written and erased.")
    return key


def _retries() -> Any:  # noqa: ANN401  (the client has no types)
    """Return the client's own choice of what is tried again; every change here has a condition."""
    from google.cloud.storage.retry import DEFAULT_RETRY  # noqa: PLC0415  (see pipelines.stores.gcs)

    return DEFAULT_RETRY.with_timeout(PATIENCE_SECONDS)


def _widened(client: "storage.Client") -> "storage.Client":
    """Let the threads of this process keep their connections; above ten, each would be opened anew."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415  (see pipelines.stores.gcs)

    session = client._http  # noqa: SLF001  (it offers no settings)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))
    # Else what the environment says of proxies and certificates is read anew for every request, a quarter of
    # its time.
    address = client._connection.API_BASE_URL  # noqa: SLF001
    said = session.merge_environment_settings(address, {}, None, None, None)
    session.proxies, session.verify, session.cert = said["proxies"], said["verify"], said["cert"]
    session.trust_env = False
    return client
