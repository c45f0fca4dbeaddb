"""What Cloud Storage answers, in the words of the lifecycle: states of objects, and refusals told apart."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.providers.protocol import ObjectState
from pipelines.stores.gcs_errors import explained

CARRIED = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "contexts",
    "customTime",
    "metadata",
)
"""What of an object its owner wrote; a rewrite that names a class carries nothing over by itself."""
METAGENERATION, KMS_KEY, CUSTOMER_KEY = "metageneration", "kmsKeyName", "customerEncryption"
_NOT_AN_ANSWER = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
)
_FIX = (
    "Allow storage.objects.get, .list, .create, .delete and .restore there, and storage.buckets.get; "
    "an object that is held or retained has to stay."
)


@contextmanager
def answered(bucket: str, key: str) -> Iterator[None]:
    """Turn the answers that a change has to tell apart into exceptions; the others as everywhere.

    Raises:
        ConditionFailed, Gone, ActionRefused: what the store says.
        Transient, Terminal: see `pipelines.stores.gcs_errors.explained`.
    """
    # Late for the same reason as the client itself: see pipelines.stores.gcs.
    from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed  # noqa: PLC0415

    where = f"gs://{bucket}/{key}"
    with explained(where):
        try:
            yield
        except PreconditionFailed as error:
            raise ConditionFailed(where) from error
        except NotFound as error:
            if "bucket does not exist" in str(error):
                raise
            raise Gone(where) from error
        except GoogleAPICallError as error:
            status = int(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
            if status in _NOT_AN_ANSWER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            raise refused(where, f"{status}, {_reason(error)}") from error


def refused(where: str, why: str) -> ActionRefused:
    """Return what to say of a change that the store will not do."""
    return ActionRefused(f"the store refused the change ({why})", where=where, fix=_FIX)


def state_of(resource: Mapping[str, Any], now: datetime | None = None) -> ObjectState:
    """Return the state that an object's resource tells; without a clock, a retention never ends."""
    named = (METAGENERATION, KMS_KEY, CUSTOMER_KEY, *CARRIED)
    return ObjectState(
        resource["name"],
        resource.get("etag", ""),
        int(resource["size"]),
        moment_of(resource["timeCreated"]),
        resource["storageClass"],
        str(resource["generation"]),
        _hold(resource, now),
        {name: resource[name] for name in named if name in resource},
        scheme="gs",
        is_current="timeDeleted" not in resource and "softDeleteTime" not in resource,
        is_soft_deleted="softDeleteTime" in resource,
    )


def moment_of(stamp: str) -> datetime:
    """Return a time of the service, as S3 would say it: whole seconds of UTC."""
    return datetime.fromisoformat(stamp).astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _hold(resource: Mapping[str, Any], now: datetime | None) -> str:
    for name, words in (("temporaryHold", "temporary hold"), ("eventBasedHold", "event-based hold")):
        if resource.get(name):
            return words
    own = (resource.get("retention") or {}).get("retainUntilTime")
    for until in (resource.get("retentionExpirationTime"), own):
        # Whole seconds are cut off: the last one still counts.
        if until and (now is None or moment_of(until) >= now.replace(microsecond=0)):
            return f"retention until {until}"
    return ""


def _reason(error: Any) -> str:  # noqa: ANN401  (the client has no types)
    try:
        # An upload that is refused comes without the client's own reading of the reason.
        return str(error.response.json()["error"]["errors"][0]["reason"])
    except (AttributeError, ValueError, LookupError, TypeError):
        return "no reason"
