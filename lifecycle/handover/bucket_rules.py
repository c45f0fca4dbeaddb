"""Rules of a bucket that act on what a plan tagged: its own beside everybody's, which are never touched.

S3 takes all rules of a bucket at once or none. So the others are read, carried along, and compared with what
was read before: when somebody changed them meanwhile, that is told first. Pure.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lifecycle.decide.checkpoints import LARGEST_COPY_BYTES
from lifecycle.errors import LimitPassed
from lifecycle.providers import BucketRules
from pipelines.domain.text import to_json

DELETE_TAG = "moraine-delete"
ARCHIVE_TAG = "moraine-archive"
MOST_RULES = 1000
"""S3 takes no more in one bucket."""
_DAYS: Mapping[str, int] = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
"""Rules move younger objects into no such class."""


def delete_rule(plan_id: str) -> Mapping[str, Any]:
    """Return the rule that expires what a plan tagged for it; where versions are kept, they stay."""
    return {
        "ID": f"{DELETE_TAG}-{plan_id}",
        "Status": "Enabled",
        "Filter": {"Tag": {"Key": DELETE_TAG, "Value": plan_id}},
        "Expiration": {"Days": 1},
    }


def archive_rule(plan_id: str, to: str) -> Mapping[str, Any]:
    """Return the rule that moves what a plan tagged for it: objects too large for one copy."""
    return {
        "ID": f"{ARCHIVE_TAG}-{plan_id}",
        "Status": "Enabled",
        "Filter": {
            "And": {
                "Tags": [{"Key": ARCHIVE_TAG, "Value": plan_id}],
                "ObjectSizeGreaterThan": LARGEST_COPY_BYTES,
            }
        },
        "Transitions": [{"Days": _DAYS.get(to, 1), "StorageClass": to}],
    }


def without_own(found: BucketRules, plan_id: str) -> BucketRules:
    """Return the rules of a bucket but for those of a plan."""
    own = (f"{DELETE_TAG}-{plan_id}", f"{ARCHIVE_TAG}-{plan_id}")
    others = tuple(rule for rule in found.rules if rule.get("ID") not in own)
    return BucketRules(others, found.smallest_moved)


def merged(found: BucketRules, own: Iterable[Mapping[str, Any]], plan_id: str) -> BucketRules:
    """Return the others' rules and those of a plan.

    Raises:
        LimitPassed: a bucket does not take that many.
    """
    others = without_own(found, plan_id)
    rules = (*others.rules, *own)
    if len(rules) > MOST_RULES:
        raise LimitPassed(
            f"the bucket would have {len(rules):,} lifecycle rules, and S3 takes {MOST_RULES:,}",
            where=f"plan {plan_id}",
            fix="Remove rules there that are no longer needed.",
        )
    return BucketRules(rules, others.smallest_moved)


def drift(then: BucketRules, now: BucketRules, plan_id: str) -> tuple[str, ...]:
    """Tell what somebody changed among the others' rules since; nothing when they are the same."""
    return tuple(_changes(without_own(then, plan_id), without_own(now, plan_id)))


def rules_json(rules: BucketRules) -> Mapping[str, Any]:
    """Return rules as plain JSON has them."""
    plain: Mapping[str, Any] = json.loads(to_json(rules))
    return plain


def rules_of(document: Mapping[str, Any]) -> BucketRules:
    """Return what `rules_json` gave."""
    return BucketRules(tuple(document["rules"]), document["smallest_moved"])


def _changes(then: BucketRules, now: BucketRules) -> Iterator[str]:
    before, after = _named(then), _named(now)
    yield from (f"rule {name} is gone" for name in sorted(before.keys() - after.keys()))
    yield from (f"rule {name} is new" for name in sorted(after.keys() - before.keys()))
    both = sorted(before.keys() & after.keys())
    yield from (f"rule {name} is another one now" for name in both if before[name] != after[name])
    if then.smallest_moved != now.smallest_moved:
        yield "the smallest size that rules move is another one now"


def _named(rules: BucketRules) -> Mapping[str, str]:
    """Return rules as comparable text, by their id; one without an id by itself."""
    texts = [(rule, json.dumps(rule, sort_keys=True)) for rule in rules_json(rules)["rules"]]
    return {rule.get("ID") or text: text for rule, text in texts}
