"""Does this endpoint really enforce preconditions on this bucket? Measured with objects of our own.

Stores that do not know a condition ignore it and answer as if all were well. So each change is tried with a
wrong token first: it must be refused and leave the object as it was. Then with the right one: it must work.
Tags know no condition: of them it is tried whether they come and go without others being lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.model import BucketCapability, Scheme
from lifecycle.providers import (
    CANARY_PREFIX,
    BucketSettings,
    ClassChange,
    KeepsRules,
    ObjectState,
    Provider,
    Removal,
    Target,
)

_WRONG: Mapping[Scheme, str] = {"s3": "0123456789abcdef0123456789abcdef", "gs": "1"}
"""Tokens that a store can read, and that no canary has."""
_COLDER: Mapping[Scheme, str] = {"s3": "STANDARD_IA", "gs": "NEARLINE"}
_BODY = b"Moraine tries here whether conditions are enforced; this object may be deleted.\n"
_DENIED = ("AccessDenied", "(403")
_TAGS = (("moraine-canary", "one"), ("moraine-canary-other", "two"))


def measure(provider: Provider, bucket: str, token: str) -> BucketCapability:
    """Return what a bucket enforces; `token` keeps canaries of parallel workers apart.

    Where everything that is written has to stay for a time, nothing is tried and nothing is relied on.

    Raises:
        Transient: the store does not answer.
        ActionRefused: the credentials may not write there.
    """
    settings = provider.settings(bucket)
    unknown = _nothing_enforced(provider.scheme, bucket, settings)
    if settings.keeps_new:
        return unknown
    trial = _Trial(provider, bucket, f"{CANARY_PREFIX}{token}")
    try:
        return replace(
            unknown,
            # Where classes are not ours to choose, a copy would say nothing.
            copy_source=not settings.autoclass and trial.refuses_copy(source=trial.wrong),
            copy_destination=not settings.autoclass and trial.refuses_copy(destination=trial.wrong),
            copy_in_parts=not settings.autoclass
            and trial.refuses_copy(source=trial.wrong, in_parts=True)
            and trial.refuses_copy(destination=trial.wrong, in_parts=True),
            delete=trial.refuses_delete(),
            delete_batch=trial.refuses_in_batch(),
            takes_tags=trial.takes_tags(empties=settings.is_aws),
        )
    finally:
        trial.clear()


def _nothing_enforced(scheme: Scheme, bucket: str, settings: BucketSettings) -> BucketCapability:
    return BucketCapability(
        bucket=bucket,
        scheme=scheme,
        versioning=settings.versioning,
        copy_source=False,
        copy_destination=False,
        copy_in_parts=False,
        delete=False,
        object_lock=settings.object_lock,
        soft_delete_days=settings.soft_delete_days,
        autoclass=settings.autoclass,
        is_aws=settings.is_aws,
    )


@dataclass(frozen=True, slots=True)
class _Trial:
    """Tries one change after the other with canaries; each begins with a fresh one."""

    provider: Provider
    bucket: str
    key: str

    @property
    def wrong(self) -> str:
        return _WRONG[self.provider.scheme]

    @property
    def _other_key(self) -> str:
        return f"{self.key}-other"

    def refuses_copy(self, *, source: str = "", destination: str = "", in_parts: bool = False) -> bool:
        before = self._put(self.key)
        colder = _COLDER[self.provider.scheme]
        right = ClassChange(colder, before.token, before.token, in_parts)
        wrong = replace(right, source=source or right.source, destination=destination or right.destination)
        return (
            _outcome(lambda: self._copy(before, wrong)) == "unmet"
            and self._is_as(before)
            and _outcome(lambda: self._copy(before, right)) == "worked"
            and self.provider.head(self.bucket, self.key).storage_class == colder
        )

    def refuses_delete(self) -> bool:
        before = self._put(self.key)
        return (
            _outcome(lambda: self.provider.delete(self.bucket, self.key, self.wrong)) == "unmet"
            and self._is_as(before)
            and _outcome(lambda: self.provider.delete(self.bucket, self.key, before.token)) == "worked"
            and not self._is_as(before)
        )

    def refuses_in_batch(self) -> bool:
        """Tell whether of two objects in one request the one with the wrong token stays, the other goes."""
        stays, goes = self._put(self.key), self._put(self._other_key)
        targets = (Target(self.key, self.wrong), Target(self._other_key, goes.token))
        answers: list[Removal] = []
        worked = _outcome(lambda: answers.extend(self.provider.delete_batch(self.bucket, targets)))
        results = [answer.result for answer in answers]
        return (
            worked == "worked"
            and results == ["changed", "done"]
            and self._is_as(stays)
            and not self._is_as(goes)
        )

    def takes_tags(self, *, empties: bool) -> bool:
        """Tell whether tags come beside others and off again, and rules can be read; no rule is written.

        `empties`: to take the last one off is another request, which may not be allowed.
        """
        cloud = self.provider
        if not isinstance(cloud, KeepsRules) or cloud.scheme != "s3":
            return False
        try:
            cloud.rules(self.bucket)
            state = self._put(self.key)
            for name, text in _TAGS:
                cloud.tag(self.bucket, state, name, text)
            both = cloud.tags(self.bucket, self.key)
            cloud.untag(self.bucket, state, *_TAGS[0])
            left = cloud.tags(self.bucket, self.key)
            if empties:
                cloud.untag(self.bucket, state, *_TAGS[1])
        except (ActionRefused, Gone):
            # Whoever may not do so can still copy.
            return False
        return (dict(both), dict(left)) == (dict(_TAGS), dict(_TAGS[1:]))

    def clear(self) -> None:
        for key in (self.key, self._other_key):
            self.provider.erase_canary(self.bucket, key)

    def _put(self, key: str) -> ObjectState:
        return self.provider.put_canary(self.bucket, key, _BODY)

    def _copy(self, state: ObjectState, change: ClassChange) -> str:
        return self.provider.change_class(self.bucket, state, change)

    def _is_as(self, before: ObjectState) -> bool:
        try:
            now = self.provider.head(self.bucket, before.key)
        except Gone:
            return False
        return (now.token, now.storage_class) == (before.token, before.storage_class)


def _outcome(change: Callable[[], object]) -> Literal["worked", "unmet", "refused"]:
    try:
        change()
    except ConditionFailed:
        return "unmet"
    except Gone:
        return "refused"
    except ActionRefused as error:
        # A store may answer that it does not know a condition: then it cannot be relied on.
        if any(word in error.what for word in _DENIED):
            raise
        return "refused"
    return "worked"
