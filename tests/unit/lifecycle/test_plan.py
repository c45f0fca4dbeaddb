"""A plan adds up, stays within its limits, and cannot be edited."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from lifecycle.errors import LimitPassed, PlanRefused
from lifecycle.model import (
    Archive,
    Artifact,
    BucketCapability,
    ClassShare,
    Decision,
    Delete,
    Facts,
    FailedGate,
    Keep,
    Plan,
    PlanFile,
    Price,
    PriceList,
)
from lifecycle.plan import Terms, make_plan, plan_from_json, plan_to_json, seal
from lifecycle.policy import parse_policy

DAY = date(2026, 11, 20)
GIB = 1024**3
PRICES = PriceList(
    date(2026, 1, 1),
    {
        "STANDARD": Price("STANDARD", Decimal("0.02"), 0, Decimal(0)),
        "STANDARD_IA": Price("STANDARD_IA", Decimal("0.01"), 30, Decimal(0), Decimal("0.01")),
        "GLACIER_IR": Price("GLACIER_IR", Decimal("0.004"), 90, Decimal("0.00002")),
    },
)
CAPABILITY = BucketCapability("train", "off", True, True, True, True)
LIMITS = "limits: {objects: 10, bytes: 100GiB, usd_month: 50, share_of_bucket: 0.5, runs: 2}"
POLICY = parse_policy(
    f'name: stale\nmatch: {{buckets: ["s3://train"]}}\narchive: {{after: 30d, to: GLACIER_IR}}\n{LIMITS}\n',
    origin="p",
)
TERMS = Terms(datetime(2026, 11, 21, 6), "0.1.0+abc")


def share(storage_class: str = "STANDARD", objects: int = 1, size: int = GIB) -> ClassShare:
    return ClassShare(storage_class, objects, size, objects, size, size)


def artifact(number: int, *classes: ClassShare, run: str = "runs/a", days_old: int = 60) -> Artifact:
    shares = classes or (share(),)
    name = f"s3://train/{run}/checkpoint-{number}"
    return Artifact(
        checkpoint_id=name,
        uri=name,
        bucket="train",
        run=run,
        framework="hf",
        step=number,
        epoch=None,
        state="complete",
        state_reason="",
        kind="intermediate",
        is_latest=False,
        is_best=False,
        is_protected=False,
        protected_because="",
        object_count=sum(s.object_count for s in shares),
        size_bytes=sum(s.size_bytes for s in shares),
        last_modified_at=datetime(2026, 11, 20) - timedelta(days=days_old),
        cost_usd_month=Decimal("1.000000"),
        classes=shares,
    )


def archive(made: Artifact) -> Archive:
    return Archive(made, "archive", "old", "GLACIER_IR")


def delete(made: Artifact, path: str = "delete-if-match") -> Delete:
    return Delete(made, "delete", "older", path)  # type: ignore[arg-type]


def keep(made: Artifact) -> Keep:
    return Keep(made, "latest", "newest")


def planned(decisions: Sequence[Decision], bucket_bytes: int = 100 * GIB, **terms: object) -> Plan:
    facts = Facts(
        "snap",
        DAY,
        tuple(d.artifact for d in decisions),
        {"train": bucket_bytes},
        PRICES,
        (),
        {"train": CAPABILITY},
    )
    return make_plan(facts, decisions, POLICY, replace(TERMS, **terms))  # type: ignore[arg-type]


def sealed(plan: Plan) -> Plan:
    return seal(
        plan, [PlanFile("actions/chunk-00000.parquet", "ab" * 32, 3)], PlanFile("survivors.parquet", "cd", 1)
    )


def test_archives_come_before_deletes_and_what_is_kept_comes_last() -> None:
    plan = planned([keep(artifact(1)), delete(artifact(2)), archive(artifact(9)), archive(artifact(3))])
    assert [(line.decision, line.step) for line in plan.lines] == [
        ("archive", 3),
        ("archive", 9),
        ("delete", 2),
        ("keep", 1),
    ]


def test_totals_count_what_changes_and_what_stays() -> None:
    plan = planned(
        [keep(artifact(1)), delete(artifact(2)), archive(artifact(3, share(), share("GLACIER_IR")))]
    )
    assert plan.totals.runs == 1
    assert (plan.totals.archive.objects, plan.totals.archive.size_bytes) == (1, GIB)
    assert (plan.totals.delete.objects, plan.totals.delete.saving_usd_month) == (1, Decimal(1))
    assert plan.totals.keep.cost_usd_month == Decimal(1)


def test_an_archive_saves_the_share_by_which_its_class_is_cheaper() -> None:
    (line,) = planned([archive(artifact(1))]).lines
    assert line.saving_usd_month == Decimal("0.8")
    assert line.one_off_usd == Decimal("0.00002")
    assert (line.target_class, line.from_classes) == ("GLACIER_IR", ("STANDARD",))


def test_what_stays_in_its_class_saves_nothing() -> None:
    (line,) = planned([archive(artifact(1, share(), share("GLACIER_IR", size=5 * GIB)))]).lines
    # 1 GiB of 0.02 goes to 0.004; 5 GiB of 0.004 stay: 0.016 of 0.04 is saved.
    assert line.saving_usd_month == Decimal("0.4")


def test_leaving_a_class_early_and_reading_out_of_it_cost_once() -> None:
    (line,) = planned([archive(artifact(1, share("STANDARD_IA", size=30 * GIB), days_old=20))]).lines
    early = 30 * Decimal("0.01") * 10 / 30
    assert line.one_off_usd == Decimal("0.00002") + 30 * Decimal("0.01") + early


def test_a_delete_that_leaves_versions_saves_nothing_yet_and_says_so() -> None:
    plan = planned([delete(artifact(1), "delete-marker")])
    assert plan.lines[0].saving_usd_month == 0
    assert plan.lines[0].tail_usd_month == 1
    assert any("noncurrent" in warning for warning in plan.warnings)


def test_deleting_before_the_minimum_time_costs_the_days_that_are_left() -> None:
    (line,) = planned([delete(artifact(1, share("GLACIER_IR"), days_old=60))]).lines
    assert line.one_off_usd == Decimal("0.004")


@pytest.mark.parametrize(
    "decisions, bucket_bytes, limit",
    [
        ([archive(artifact(1, share(objects=11)))], 100 * GIB, "objects"),
        ([archive(artifact(1, share(size=101 * GIB)))], 1000 * GIB, "bytes"),
        ([delete(replace(artifact(1), cost_usd_month=Decimal(51)))], 100 * GIB, "usd_month"),
        ([delete(artifact(1, run=f"runs/{n}")) for n in range(3)], 100 * GIB, "runs"),
        ([archive(artifact(1, share(size=6 * GIB)))], 10 * GIB, "share_of_bucket"),
        ([archive(artifact(1))], 0, "share_of_bucket"),
    ],
    ids=["objects", "bytes", "usd_month", "runs", "share", "unknown-bucket"],
)
def test_a_plan_above_a_limit_is_refused_and_names_it(
    decisions: list[Decision], bucket_bytes: int, limit: str
) -> None:
    with pytest.raises(LimitPassed) as caught:
        planned(decisions, bucket_bytes)
    assert f"limits.{limit}" in caught.value.where
    assert "limit is" in caught.value.what
    assert caught.value.exit_code == 4


def test_chunks_hold_whole_checkpoints() -> None:
    decisions = [archive(artifact(n, share(objects=2))) for n in range(1, 6)]
    plan = planned(decisions, actions_per_chunk=4)
    assert [line.chunk for line in plan.lines] == [0, 0, 1, 1, 2]
    single = planned([archive(artifact(1, share(objects=9)))], actions_per_chunk=4)
    assert [line.chunk for line in single.lines] == [0]


def test_warnings_name_what_is_not_enforced_and_what_failed() -> None:
    loose = BucketCapability("train", "off", False, True, True, False)
    facts = Facts("s", DAY, (), {}, PRICES, (FailedGate("closes", "train", "off"),), {"train": loose})
    said = " ".join(make_plan(facts, [], POLICY, TERMS).warnings)
    assert "conditions on copies" in said
    assert "conditions on deletes" in said
    assert "closes" in said


def test_a_plan_survives_its_journey_through_json() -> None:
    plan = sealed(planned([keep(artifact(1)), delete(artifact(2)), archive(artifact(3))]))
    assert plan.id == f"stale-2026-11-20-{plan.fingerprint[:8]}"
    assert plan_from_json(plan_to_json(plan), origin="x") == plan


@pytest.mark.parametrize(
    "path, value",
    [
        (("snapshot_id",), "other"),
        (("policy", "limits", "objects"), 10_000),
        (("code_version",), "9"),
        (("price_date",), "2020-01-01"),
        (("expires_at",), "2099-01-01T00:00:00Z"),
        (("lines", 0, "decision"), "keep"),
        (("lines", 0, "reason"), "because"),
        (("actions", 0, "sha256"), "ef" * 32),
        (("survivors", "rows"), 0),
        (("totals", "runs"), 0),
        (("fingerprint",), "00" * 32),
        (("id",), "stale-2026-11-20-00000000"),
        (("a_new_key",), 1),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_an_edited_plan_is_refused(path: tuple[str | int, ...], value: object) -> None:
    document = json.loads(plan_to_json(sealed(planned([delete(artifact(2)), keep(artifact(1))]))))
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(PlanRefused):
        plan_from_json(json.dumps(document), origin="x")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"id": 1}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanRefused):
        plan_from_json(text, origin="x")


def test_a_plan_without_a_registry_says_that_served_models_are_not_known() -> None:
    without = Facts("s", DAY, (), {}, PRICES, has_registry=False)
    assert any("registry" in warning for warning in make_plan(without, [], POLICY, TERMS).warnings)
    with_one = Facts("s", DAY, (), {}, PRICES)
    assert not make_plan(with_one, [], POLICY, TERMS).warnings
