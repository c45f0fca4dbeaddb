"""Puts a handed-over plan's own rules into buckets, beside everybody else's, and takes them away again.

What others have there is read again right before each write and carried along. When it is not what was last
written down, nothing is put: somebody is at work on the same rules.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from lifecycle.errors import PlanRefused
from lifecycle.handover.bucket_rules import drift, merged, rules_json, rules_of, without_own
from lifecycle.handover.desk import HandOver
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
    """The rules of the buckets that a plan has tagged objects in."""

    directory: PlanDirectory
    handed: HandOver
    cloud: KeepsRules

    def look(self, now: datetime) -> tuple[RulesReport, Path]:
        """Compare with what was last written down, and write down what is there now; return where, too."""
        found = self._read()
        report = self._report("look", found)
        known = {"at": now, "buckets": {bucket: rules_json(rules) for bucket, rules in found.items()}}
        for bucket, rules in found.items():
            self.directory.write(
                f"handover/lifecycle-{quote(bucket, safe='')}.json", self._whole(bucket, rules)
            )
        return report, self.directory.add("handover", to_json(known), "rules-")

    def put(self) -> RulesReport:
        """Put the plan's rules beside the others.

        Raises:
            PlanRefused: somebody changed the others' rules since they were written down; nothing is changed.
            LimitPassed: a bucket does not take that many rules.
        """
        found, known = self._read(), self._known()
        for report in self._report("put", found).buckets:
            self._refuse_drift(report, is_known=report.bucket in known)
        for bucket, rules in {bucket: self._merged(bucket, rules) for bucket, rules in found.items()}.items():
            if rules != found[bucket]:
                self.cloud.put_rules(bucket, rules)
        return self._report("put", self._read())

    def remove(self) -> RulesReport:
        """Take the plan's rules away; what others have there now stays."""
        for bucket, rules in self._read().items():
            others = without_own(rules, self.handed.plan_id)
            if others != rules:
                self.cloud.put_rules(bucket, others)
        return self._report("remove", self._read())

    def _refuse_drift(self, report: BucketReport, *, is_known: bool) -> None:
        if report.drift or not is_known:
            raise PlanRefused(
                f"somebody changed the rules since they were looked at: {'; '.join(report.drift)}"
                if is_known
                else "the bucket's rules were not looked at yet",
                where=f"s3://{report.bucket}",
                fix=f"Nothing was changed. Look with 'moraine-lifecycle rules {self.handed.plan_id}', which "
                "writes down what is there now; then put again.",
            )

    def _read(self) -> dict[str, BucketRules]:
        return {bucket: self.cloud.rules(bucket) for bucket in self.handed.tagged_buckets}

    def _report(self, did: Wish, found: Mapping[str, BucketRules]) -> RulesReport:
        known = self._known()
        plan_id = self.handed.plan_id
        reports = []
        for bucket, rules in found.items():
            others = without_own(rules, plan_id).rules
            own = tuple(str(rule["ID"]) for rule in rules.rules if rule not in others)
            changed = drift(known.get(bucket, rules), rules, plan_id)
            reports.append(BucketReport(bucket, len(others), own, changed))
        return RulesReport(plan_id, did, tuple(reports))

    def _known(self) -> Mapping[str, BucketRules]:
        """Return what was last written down."""
        written = sorted(self.directory.handover.glob("rules-*.json"))
        if not written:
            return {}
        document: Mapping[str, Any] = json.loads(written[-1].read_text(encoding="utf-8"))
        return {bucket: rules_of(rules) for bucket, rules in document["buckets"].items()}

    def _merged(self, bucket: str, found: BucketRules) -> BucketRules:
        return merged(found, self.handed.own_rules(bucket), self.handed.plan_id)

    def _whole(self, bucket: str, found: BucketRules) -> str:
        """Return the request that would put all rules, as S3's own client takes it."""
        rules = self._merged(bucket, found)
        smallest = (
            {"TransitionDefaultMinimumObjectSize": rules.smallest_moved} if rules.smallest_moved else {}
        )
        return to_json({"Bucket": bucket, "LifecycleConfiguration": {"Rules": rules.rules}, **smallest})
