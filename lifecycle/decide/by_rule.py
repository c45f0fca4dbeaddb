"""What a lifecycle rule of a bucket moves once it is tagged, and from when on. Pure.

A rule keeps an object's ETag, time and version, takes objects of any size, and copies nothing. But it acts
within days, nobody can stop it at the last moment, and no tag has a condition: so it is the second choice.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from lifecycle.model import BucketCapability

DAYS: Mapping[str, int] = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
"""Rules move younger objects into no such class; into any other from the first day on."""
_REACHED_FROM: Mapping[str, frozenset[str]] = {
    "STANDARD_IA": frozenset({"STANDARD"}),
    "ONEZONE_IA": frozenset({"STANDARD", "STANDARD_IA"}),
    "GLACIER_IR": frozenset({"STANDARD", "STANDARD_IA"}),
    "GLACIER": frozenset({"STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"}),
    "DEEP_ARCHIVE": frozenset({"STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER"}),
}
"""A copy goes from any class to any; a rule only downwards, and not every step."""


def days_until_moved(to: str) -> int:
    """Return how old an object has to be before a rule moves it into a class: never less than a day."""
    return DAYS.get(to, 1)


def unmoved_by_rule(classes: Iterable[str], to: str, age: timedelta, capability: BucketCapability) -> str:
    """Return why no rule of the bucket would move objects of these classes; nothing if one would.

    `age` is that of the youngest.
    """
    if not capability.takes_tags:
        return "it takes no tags that a rule of the bucket could go by, or its rules cannot be read"
    if capability.versioning != "off" and not capability.is_aws:
        return "where versions are kept, rules of this store never move what is tagged after its upload"
    unreached = sorted(set(classes) - _REACHED_FROM.get(to, frozenset()))
    if unreached:
        return f"no rule moves objects from {' or '.join(unreached)} to {to}"
    if age < timedelta(days=days_until_moved(to)):
        return f"rules move nothing to {to} before it is {days_until_moved(to)} days old"
    return ""
