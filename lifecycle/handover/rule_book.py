"""Puts a plan's own rules into buckets, beside everybody else's, and takes them away again.

What others have there is read again right before each write and carried along. When it is not what was last
written down, nothing is put: somebody is at work on the same rules. No store takes a condition on rules, so
they are read once more afterwards, and what is not as it was put is told.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from lifecycle.errors import PlanRefused
from lifecycle.handover.bucket_rules import (
    OwnRules,
    drift,
    drift_from_others,
    is_in_force,
    merged,
    rules_json,
    rules_of,
    without_own,
)
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import BucketRules, KeepsRules
from pipelines.domain.text import to_json

Wish = Literal["look", "put", "remove"]


@dataclass(frozen=True, slots=True)
class BucketReport:
    """The rules of one bucket."""

    bucket: str
    others: int
    own_there: tuple[str, ...]
    """Ids of the plan's rules that are in force."""
    drift: tuple[str, ...]
    """What somebody changed since the rules were last written down."""


@dataclass(frozen=True, slots=True)
class RulesReport:
    """The rules of all buckets that a plan has tagged objects in."""

    plan_id: str
    did: Wish
    buckets: tuple[BucketReport, ...]

    @property
    def has_drift(self) -> bool:
        """Somebody changed rules."""
        return any(bucket.drift for bucket in self.buckets)


@dataclass(frozen=True)
class RuleBook:
    """The rules of the buckets that a plan has tagged objects in, or is about to."""

    directory: PlanDirectory
    own: OwnRules
    cloud: KeepsRules
    folder: Literal["handover", "rules"] = "handover"
    """Where in the plan's directory is written down what was there."""
    seen: Mapping[str, BucketRules] = field(default_factory=dict)
    """What was there when the plan was made, by bucket."""

    def look(self, now: datetime) -> tuple[RulesReport, Path]:
        """Compare with what was last written down, and write down what is there now; return where, too."""
        found = self._read()
        report = self._report("look", found)
        known = {"at": now, "buckets": {bucket: rules_json(rules) for bucket, rules in found.items()}}
        for bucket, rules in found.items():
            self.directory.write(
                f"{self.folder}/lifecycle-{quote(bucket, safe='')}.json", self._whole(bucket, rules)
            )
        return report, self.directory.add(self.folder, to_json(known), "rules-")

    def put(self, buckets: Iterable[str] = ()) -> RulesReport:
        """Put the plan's rules beside the others, in all its buckets or in some.

        Raises:
            PlanRefused: somebody changed the others' rules since they were written down, and nothing was
                changed; or changes them at this very moment.
            LimitPassed: a bucket does not take that many rules.
        """
        found, known = self._read(buckets), self._known()
        for report in self._report("put", found).buckets:
            self._refuse_drift(report, is_known=report.bucket in known)
        wanted = {bucket: self._merged(bucket, rules) for bucket, rules in found.items()}
        for bucket, rules in wanted.items():
            if not self._is_there(bucket, found[bucket]):
                self.cloud.put_rules(bucket, rules)
        after = self._read(buckets)
        for bucket, rules in after.items():
            self._refuse_race(bucket, wanted[bucket], rules)
        return self._report("put", after)

    def remove(self) -> RulesReport:
        """Take the plan's rules away; what others have there now stays."""
        for bucket, rules in self._read().items():
            others = without_own(rules, self.own.plan_id)
            if others != rules:
                self.cloud.put_rules(bucket, others)
        return self._report("remove", self._read())

    def in_force(self) -> Mapping[str, bool]:
        """Tell of each bucket whether all that the plan needs is there."""
        return {bucket: self._is_there(bucket, rules) for bucket, rules in self._read().items()}

    def has_own(self) -> bool:
        """Tell whether any bucket has a rule of the plan, as it was put or edited since."""
        return any(without_own(rules, self.own.plan_id) != rules for rules in self._read().values())

    def _refuse_drift(self, report: BucketReport, *, is_known: bool) -> None:
        if report.drift or not is_known:
            raise PlanRefused(
                f"somebody changed the rules since they were looked at: {'; '.join(report.drift)}"
                if is_known
                else "the bucket's rules were not looked at yet",
                where=f"s3://{report.bucket}",
                fix=f"Nothing was changed. Look with 'moraine-lifecycle rules {self.own.plan_id}', which "
                "writes down what is there now; then try again.",
            )

    def _refuse_race(self, bucket: str, wanted: BucketRules, after: BucketRules) -> None:
        changed = drift(wanted, after, self.own.plan_id)
        if changed or not self._is_there(bucket, after):
            raise PlanRefused(
                "somebody changes the rules at this very moment: "
                f"{'; '.join(changed) or 'the rule that was just put is gone'}",
                where=f"s3://{bucket}",
                fix="Nothing was tagged. Find out who else writes rules there; then look with "
                f"'moraine-lifecycle rules {self.own.plan_id}' and try again.",
            )

    def _is_there(self, bucket: str, found: BucketRules) -> bool:
        return all(is_in_force(found, rule) for rule in self.own.by_bucket[bucket])

    def _read(self, buckets: Iterable[str] = ()) -> dict[str, BucketRules]:
        wanted = set(buckets) or self.own.by_bucket.keys()
        return {bucket: self.cloud.rules(bucket) for bucket in sorted(self.own.by_bucket.keys() & wanted)}

    def _report(self, did: Wish, found: Mapping[str, BucketRules]) -> RulesReport:
        known = self._known()
        plan_id = self.own.plan_id
        reports = []
        for bucket, rules in found.items():
            others = without_own(rules, plan_id).rules
            own = tuple(str(rule["ID"]) for rule in rules.rules if rule not in others)
            changed = self._drift(known.get(bucket, rules), rules)
            reports.append(BucketReport(bucket, len(others), own, changed))
        return RulesReport(plan_id, did, tuple(reports))

    def _drift(self, then: BucketRules, now: BucketRules) -> tuple[str, ...]:
        if self.folder == "rules":
            # Several plans of a night tag in the same bucket, each with a rule of its own.
            return drift_from_others(then, now)
        return drift(then, now, self.own.plan_id)

    def _known(self) -> Mapping[str, BucketRules]:
        """Return what was last written down."""
        written = sorted((self.directory.path / self.folder).glob("rules-*.json"))
        if not written:
            return self.seen
        document: Mapping[str, Any] = json.loads(written[-1].read_text(encoding="utf-8"))
        return {bucket: rules_of(rules) for bucket, rules in document["buckets"].items()}

    def _merged(self, bucket: str, found: BucketRules) -> BucketRules:
        return merged(found, self.own.by_bucket[bucket], self.own.plan_id)

    def _whole(self, bucket: str, found: BucketRules) -> str:
        """Return the request that would put all rules, as S3's own client takes it."""
        rules = self._merged(bucket, found)
        smallest = (
            {"TransitionDefaultMinimumObjectSize": rules.smallest_moved} if rules.smallest_moved else {}
        )
        return to_json({"Bucket": bucket, "LifecycleConfiguration": {"Rules": rules.rules}, **smallest})
