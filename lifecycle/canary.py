"""Does this endpoint really enforce preconditions on this bucket? Measured with objects of our own.

Stores that do not know a condition ignore it and answer as if all were well. So each change is tried with a
wrong ETag first: it must be refused and leave the object as it was. Then with the right one: it must work.
"""

from collections.abc import Callable

from lifecycle.errors import ActionRefused, ConditionFailed
from lifecycle.model import BucketCapability
from lifecycle.providers import CANARY_PREFIX, ClassChange, ObjectState, Provider

_WRONG = "0123456789abcdef0123456789abcdef"
_BODY = b"Moraine tries here whether conditions are enforced; this object may be deleted.\n"
_COLDER = "STANDARD_IA"


def measure(provider: Provider, bucket: str, token: str) -> BucketCapability:
    """Return what a bucket enforces; `token` keeps canaries of parallel workers apart.

    Raises:
        Transient: the store does not answer.
        ActionRefused: the credentials may not write there.
    """
    key = f"{CANARY_PREFIX}{token}"
    try:
        return BucketCapability(
            bucket=bucket,
            scheme=provider.scheme,
            versioning=provider.settings(bucket).versioning,
            copy_source=_enforces(provider, bucket, key, lambda state: _copies(state, source=_WRONG)),
            copy_destination=_enforces(
                provider, bucket, key, lambda state: _copies(state, destination=_WRONG)
            ),
            copy_in_parts=_enforces(provider, bucket, key, lambda s: _copies(s, source=_WRONG, in_parts=True))
            and _enforces(provider, bucket, key, lambda s: _copies(s, destination=_WRONG, in_parts=True)),
            delete=_enforces_delete(provider, bucket, key),
        )
    finally:
        provider.erase_canary(bucket, key)


def _enforces(provider: Provider, bucket: str, key: str, wrong: Callable[[ObjectState], ClassChange]) -> bool:
    before = provider.put_canary(bucket, key, _BODY)
    change = wrong(before)
    if not _is_refused(lambda: provider.change_class(bucket, before, change)):
        return False
    if provider.head(bucket, key).storage_class != before.storage_class:
        return False
    return not _is_refused(
        lambda: provider.change_class(bucket, before, _copies(before, in_parts=change.in_parts))
    )


def _enforces_delete(provider: Provider, bucket: str, key: str) -> bool:
    before = provider.put_canary(bucket, key, _BODY)
    if not _is_refused(lambda: provider.delete(bucket, key, _WRONG)):
        return False
    provider.head(bucket, key)
    return not _is_refused(lambda: provider.delete(bucket, key, before.token))


def _copies(
    state: ObjectState, *, source: str = "", destination: str = "", in_parts: bool = False
) -> ClassChange:
    return ClassChange(_COLDER, source or state.token, destination or state.token, in_parts)


def _is_refused(change: Callable[[], object]) -> bool:
    try:
        change()
    except ConditionFailed:
        return True
    except ActionRefused as error:
        # A store may answer that it does not know a condition: then it cannot be relied on.
        if "AccessDenied" in error.what:
            raise
        return False
    return False
