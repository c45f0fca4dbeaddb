"""What lifecycle rules move, as S3 reads them: by prefix, size and tags, and by age. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lifecycle.providers.protocol import BucketRules, ObjectState


def class_by_rules(rules: BucketRules, state: ObjectState, tags: Mapping[str, str], now: datetime) -> str:
    """Return the class that the rules of its bucket move an object to by now; nothing where it stays."""
    age = now - state.last_modified_at
    due = (
        step["StorageClass"]
        for rule in rules.rules
        if rule["Status"] == "Enabled" and _is_about(rule, state, tags)
        for step in rule.get("Transitions", ())
        if age >= timedelta(days=step["Days"])
    )
    return next((to for to in due if to != state.storage_class), "")


def _is_about(rule: Mapping[str, Any], state: ObjectState, tags: Mapping[str, str]) -> bool:
    filter_ = rule.get("Filter", {})
    said = filter_.get("And", filter_)
    wanted = said.get("Tags", [said["Tag"]] if "Tag" in said else [])
    return (
        state.key.startswith(said.get("Prefix", ""))
        and state.size_bytes > said.get("ObjectSizeGreaterThan", -1)
        and all(tags.get(tag["Key"]) == tag["Value"] for tag in wanted)
    )
