"""When a rule of the bucket moves what a copy cannot, and what it costs; else why not."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from lifecycle.decide.by_rule import days_until_moved, unmoved_by_rule
from lifecycle.handover.bucket_rules import is_in_force, move_rule, shared_prefix
from lifecycle.model import BucketCapability
from lifecycle.plan.document import make_plan
from lifecycle.policy import CLASSES
from lifecycle.providers import BucketRules
from tests.unit.lifecycle import test_plan as in_plan

SAFE: dict[str, Any] = {"copy_source": True, "copy_destination": True, "versioning": "on", "is_aws": True}
TAKES = BucketCapability("train", "off", *(False, False, False, False), takes_tags=True)
OLD = timedelta(days=60)


def test_what_a_rule_moves(subtests: pytest.Subtests) -> None:
    for classes, to, moves in (
        (["STANDARD"], "STANDARD_IA", True),
        (["STANDARD", "STANDARD_IA"], "GLACIER_IR", True),
        (["GLACIER_IR", "GLACIER"], "DEEP_ARCHIVE", True),
        (["ONEZONE_IA"], "GLACIER_IR", False),
        (["REDUCED_REDUNDANCY"], "STANDARD_IA", False),
        (["STANDARD", "ONEZONE_IA"], "GLACIER_IR", False),
    ):
        with subtests.test(classes=classes, to=to):
            assert (not unmoved_by_rule(classes, to, OLD, TAKES)) is moves


def test_every_class_of_s3_to_archive_to_can_be_reached() -> None:
    assert not [to for to in CLASSES["s3"] if unmoved_by_rule(["STANDARD"], to, OLD, TAKES)]


def test_rules_act_after_a_day_at_the_earliest_and_after_a_month_into_infrequent_access() -> None:
    assert {to: days_until_moved(to) for to in CLASSES["s3"]} == {
        "STANDARD_IA": 30,
        "ONEZONE_IA": 30,
        "GLACIER_IR": 1,
        "GLACIER": 1,
        "DEEP_ARCHIVE": 1,
    }
    assert "30 days old" in unmoved_by_rule(["STANDARD"], "STANDARD_IA", timedelta(days=29), TAKES)
    assert not unmoved_by_rule(["STANDARD"], "STANDARD_IA", timedelta(days=30), TAKES)


def test_what_all_keys_share_narrows_the_rule(subtests: pytest.Subtests) -> None:
    for first, last, prefix in (
        ("runs/chat/1/a", "runs/chat/2/b", "runs/chat/"),
        ("runs/chat/1/a", "runs/chat/1/a", "runs/chat/1/"),
        ("a", "b", ""),
        ("model.bin", "model.bin", ""),
        ("runs/Größe/1/a", "runs/Größe/1/b", "runs/"),
        ("a/line\nfeed/x", "a/line\nfeed/y", "a/"),
        (" a/x", " a/y", ""),
        ("/a/b", "/a/c", "/a/"),
    ):
        with subtests.test(first=first):
            assert shared_prefix(first, last) == prefix
            assert first.startswith(prefix)
            assert last.startswith(prefix)


def test_a_rule_is_known_however_a_store_spells_it_and_not_when_it_does_something_else() -> None:
    own = move_rule("p", "GLACIER_IR", "runs/a/x", "runs/b/y")
    spelled = {**own, "Prefix": "", "Transitions": [{"StorageClass": "GLACIER_IR", "Days": 1}]}
    assert is_in_force(BucketRules((spelled,)), own)
    for edit in (
        {"Status": "Disabled"},
        {"ID": "moraine-archive-q"},
        {"Filter": {"Prefix": ""}},
        {"Transitions": [{"Days": 0, "StorageClass": "GLACIER_IR"}]},
        {"Expiration": {"Days": 1}},
    ):
        assert not is_in_force(BucketRules(({**own, **edit},)), own)


def test_setting_tags_is_billed_and_reading_out_is_not() -> None:
    share = in_plan.share("STANDARD_IA", size=30 * in_plan.GIB)
    moved = in_plan.archive(in_plan.artifact(1, share, days_old=40))
    put = {"STANDARD": replace(in_plan.PRICES.prices["STANDARD"], usd_per_request=Decimal("0.000005"))}
    prices = replace(in_plan.PRICES, prices={**in_plan.PRICES.prices, **put})
    around = in_plan.around(prices={"s3": prices})
    (by_copy,) = in_plan.tallied([moved], around)[1]
    (by_rule,) = in_plan.tallied([replace(moved, path="tag-and-rule")], around)[1]
    assert by_copy.one_off_usd == Decimal("0.00002") + 30 * Decimal("0.01")
    assert by_rule.one_off_usd == Decimal("0.00002") + Decimal("0.000005")
    assert by_rule.saving_usd_month == by_copy.saving_usd_month


def test_a_plan_counts_what_rules_move_and_says_what_then_cannot_be_taken_back() -> None:
    moved = replace(in_plan.archive(in_plan.artifact(1)), path="tag-and-rule")
    for capability, words in ((TAKES, "cannot take back"), (replace(TAKES, **SAFE), "as a new version")):
        around = in_plan.around(capabilities={"s3://train": capability})
        tally, _ = in_plan.tallied([moved], around)
        assert tally.by_rule == {"s3://train": 1}
        plan = make_plan(tally, around, in_plan.POLICY, in_plan.TERMS)
        (said,) = [warning for warning in plan.warnings if "the bucket's own rule" in warning]
        assert "(objects: 1)" in said
        assert words in said
