"""Rules of a bucket that act on what a plan tagged: its own beside everybody's, which are never touched.

S3 takes all rules of a bucket at once or none. So the others are read, carried along, and compared with what
was read before: when somebody changed them meanwhile, that is told first. Pure.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifecycle.apply.tagging import ARCHIVE_TAG
from lifecycle.decide.by_rule import days_until_moved
from lifecycle.decide.checkpoints import LARGEST_COPY_BYTES
from lifecycle.errors import LimitPassed
from lifecycle.providers import BucketRules
from pipelines.domain.text import to_json

DELETE_TAG = "moraine-delete"
_OURS = (f"{DELETE_TAG}-", f"{ARCHIVE_TAG}-")
MOST_RULES = 1000
"""S3 takes no more in one bucket."""
_PLAIN = re.compile(r"[!-~ ]*")
"""What every store reads out of a rule's prefix as it was written in."""


@dataclass(frozen=True, slots=True)
class OwnRules:
    """The rules that a plan needs, by the name of their bucket."""

    plan_id: str
    by_bucket: Mapping[str, Sequence[Mapping[str, Any]]]


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
        "Transitions": [{"Days": days_until_moved(to), "StorageClass": to}],
    }


def move_rule(plan_id: str, to: str, first_key: str, last_key: str) -> Mapping[str, Any]:
    """Return the rule that moves what apply tagged, below what all keys from the first to the last share.

    So a tag that travels with a copy to another place moves nothing there.
    """
    tag = {"Key": ARCHIVE_TAG, "Value": plan_id}
    prefix = shared_prefix(first_key, last_key)
    return {
        "ID": f"{ARCHIVE_TAG}-{plan_id}",
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": prefix, "Tags": [tag]}} if prefix else {"Tag": tag},
        "Transitions": [{"Days": days_until_moved(to), "StorageClass": to}],
    }


def shared_prefix(first_key: str, last_key: str) -> str:
    """Return how both keys begin, by whole folders, as far as every store reads it as it was written."""
    length = next(
        (
            number
            for number, (one, other) in enumerate(zip(first_key, last_key, strict=False))
            if one != other
        ),
        min(len(first_key), len(last_key)),
    )
    plain = _PLAIN.match(first_key[:length])
    folders = plain[0].rpartition("/")[0] if plain else ""
    return f"{folders}/" if folders.strip() == folders and folders else ""


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


def drift_from_others(then: BucketRules, now: BucketRules) -> tuple[str, ...]:
    """Tell what people changed since; rules of any plan come and go, and act on nothing but its own tags."""
    return tuple(_changes(_of_people(then), _of_people(now)))


def is_in_force(rules: BucketRules, own: Mapping[str, Any]) -> bool:
    """Tell whether a rule of a plan is there and does what it says, however the store spells it."""
    return any(_meaning(rule) == _meaning(own) for rule in rules.rules if rule.get("ID") == own["ID"])


def rules_json(rules: BucketRules) -> Mapping[str, Any]:
    """Return rules as plain JSON has them."""
    plain: Mapping[str, Any] = json.loads(to_json(rules))
    return plain


def rules_of(document: Mapping[str, Any]) -> BucketRules:
    """Return what `rules_json` gave."""
    return BucketRules(tuple(document["rules"]), document["smallest_moved"])


def _of_people(rules: BucketRules) -> BucketRules:
    theirs = (rule for rule in rules.rules if not str(rule.get("ID", "")).startswith(_OURS))
    return BucketRules(tuple(theirs), rules.smallest_moved)


def _meaning(rule: Mapping[str, Any]) -> str:
    filter_ = rule.get("Filter") or {}
    said = filter_.get("And") or filter_
    tags = [*said.get("Tags", ()), *([said["Tag"]] if "Tag" in said else ())]
    about = [
        said.get("Prefix") or rule.get("Prefix") or "",
        sorted((tag["Key"], tag["Value"]) for tag in tags),
        said.get("ObjectSizeGreaterThan"),
    ]
    does = [rule.get(name) for name in ("Status", "Transitions", "Expiration")]
    return json.dumps(json.loads(to_json([about, does])), sort_keys=True)


def _changes(then: BucketRules, now: BucketRules) -> Iterator[str]:
    before, after = _named(then), _named(now)
    yield from (f"rule {name} is gone" for name in sorted(before.keys() - after.keys()))
    yield from (f"rule {name} is new" for name in sorted(after.keys() - before.keys()))
    both = sorted(before.keys() & after.keys())
    yield from (f"rule {name} is another one now" for name in both if before[name] != after[name])
    # A bucket without rules says nothing of it.
    if then.smallest_moved and now.smallest_moved and then.smallest_moved != now.smallest_moved:
        yield "the smallest size that rules move is another one now"


def _named(rules: BucketRules) -> Mapping[str, str]:
    """Return rules as comparable text, by their id; one without an id by itself."""
    texts = [(rule, json.dumps(rule, sort_keys=True)) for rule in rules_json(rules)["rules"]]
    return {rule.get("ID") or text: text for rule, text in texts}
