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
    FailedGate,
    Keep,
    Line,
    Plan,
    PlanFile,
    Price,
    PriceList,
    Surroundings,
)
from lifecycle.plan.document import (
    Tally,
    Terms,
    chunk_size,
    make_plan,
    plan_from_json,
    plan_to_json,
    priced,
    seal,
    shown_json,
)
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


BYTES = {"s3://train": 100 * GIB}


def around(**said: object) -> Surroundings:
    made = Surroundings("snap", DAY, {"s3": PRICES}, BYTES, (), {"s3://train": CAPABILITY})
    return replace(made, **said)  # type: ignore[arg-type]


def tallied(decisions: Sequence[Decision], surroundings: Surroundings) -> tuple[Tally, list[Line]]:
    tally = Tally()
    return tally, list(tally.counting(priced(decisions, surroundings)))


def lines_of(decisions: Sequence[Decision]) -> list[Line]:
    return tallied(decisions, around())[1]


def planned(decisions: Sequence[Decision], bucket_bytes: int = 100 * GIB, **said: object) -> Plan:
    surroundings = around(bucket_bytes={"s3://train": bucket_bytes}, **said)
    return make_plan(tallied(decisions, surroundings)[0], surroundings, POLICY, TERMS)


def sealed(plan: Plan) -> Plan:
    actions = [PlanFile("actions/chunk-00000.parquet", "ab" * 32, 3)]
    return seal(
        plan, PlanFile("decisions.parquet", "ef" * 32, 2), actions, PlanFile("survivors.parquet", "cd", 1)
    )


def test_totals_count_what_changes_and_what_stays() -> None:
    plan = planned(
        [keep(artifact(1)), delete(artifact(2)), archive(artifact(3, share(), share("GLACIER_IR")))]
    )
    assert plan.totals.runs == 1
    assert (plan.totals.archive.objects, plan.totals.archive.size_bytes) == (1, GIB)
    assert (plan.totals.delete.objects, plan.totals.delete.saving_usd_month) == (1, Decimal(1))
    assert plan.totals.keep.cost_usd_month == Decimal(1)


def test_an_archive_saves_the_share_by_which_its_class_is_cheaper() -> None:
    (line,) = lines_of([archive(artifact(1))])
    assert line.saving_usd_month == Decimal("0.8")
    assert line.one_off_usd == Decimal("0.00002")
    assert (line.target_class, line.from_classes) == ("GLACIER_IR", ("STANDARD",))


def test_what_stays_in_its_class_saves_nothing() -> None:
    (line,) = lines_of([archive(artifact(1, share(), share("GLACIER_IR", size=5 * GIB)))])
    # 1 GiB of 0.02 goes to 0.004; 5 GiB of 0.004 stay: 0.016 of 0.04 is saved.
    assert line.saving_usd_month == Decimal("0.4")


def test_leaving_a_class_early_and_reading_out_of_it_cost_once() -> None:
    (line,) = lines_of([archive(artifact(1, share("STANDARD_IA", size=30 * GIB), days_old=20))])
    early = 30 * Decimal("0.01") * 10 / 30
    assert line.one_off_usd == Decimal("0.00002") + 30 * Decimal("0.01") + early


def test_a_delete_that_leaves_versions_saves_nothing_yet_and_says_so() -> None:
    (line,) = lines_of([delete(artifact(1), "delete-marker")])
    assert line.saving_usd_month == 0
    assert line.tail_usd_month == 1
    plan = planned([delete(artifact(1), "delete-marker")])
    assert any("noncurrent" in warning for warning in plan.warnings)


def test_deleting_before_the_minimum_time_costs_the_days_that_are_left() -> None:
    (line,) = lines_of([delete(artifact(1, share("GLACIER_IR"), days_old=60))])
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


def test_what_cannot_be_brought_back_is_counted() -> None:
    plan = planned([delete(artifact(1), "delete-marker"), delete(artifact(2)), archive(artifact(3))])
    assert plan.totals.objects_for_good == 1


def test_each_rule_that_keeps_is_counted_with_its_first_example() -> None:
    kept = planned([keep(artifact(1)), keep(artifact(2)), Keep(artifact(3), "best", "the best")]).kept
    assert [(found.rule, found.checkpoints, found.size_bytes) for found in kept] == [
        ("best", 1, GIB),
        ("latest", 2, 2 * GIB),
    ]
    assert kept[1].uri.endswith("checkpoint-1")


@pytest.mark.parametrize(
    "objects, size", [(10, 1000), (999_999, 1000), (1_000_001, 1001), (80_000_000, 80_000)]
)
def test_there_are_never_more_chunks_than_a_scheduler_maps(objects: int, size: int) -> None:
    tally, _ = tallied([archive(artifact(1, share(objects=objects)))], around())
    assert chunk_size(tally, TERMS) == size


def test_warnings_name_what_is_not_enforced_and_what_failed() -> None:
    loose = BucketCapability("train", "off", False, True, True, False)
    failed = (FailedGate("closes", "train", "off"),)
    said = " ".join(planned([], failed_gates=failed, capabilities={"s3://train": loose}).warnings)
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
        (("decisions", "sha256"), "00" * 32),
        (("kept", 0, "reason"), "because"),
        (("changed_bytes", "s3://train"), 1),
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
    assert any("registry" in warning for warning in planned([], has_registry=False).warnings)
    assert not planned([]).warnings


def test_a_document_for_programs_carries_its_first_changes() -> None:
    decisions: list[Decision] = [archive(artifact(1)), delete(artifact(2))]
    plan = sealed(planned(decisions))
    document = json.loads(shown_json(plan, lines_of(decisions)))
    assert document["id"] == plan.id
    assert [line["decision"] for line in document["lines"]] == ["archive", "delete"]
    assert document["lines"][0]["reason"] == "old"


def on_google(**said: object) -> Surroundings:
    capability = BucketCapability("train", "off", True, True, False, True, scheme="gs", soft_delete_days=15)
    listed = PriceList(
        DAY,
        {
            "STANDARD": Price("STANDARD", Decimal("0.02"), 0, Decimal(0)),
            "NEARLINE": Price(
                "NEARLINE", Decimal("0.01"), 30, Decimal(0), Decimal("0.01"), takes_confirmed=False
            ),
        },
    )
    capability = replace(capability, **said)  # type: ignore[arg-type]
    return around(
        prices={"s3": PRICES, "gs": listed},
        capabilities={"gs://train": capability},
        bucket_bytes={"gs://train": 100 * GIB},
    )


def google(made: Artifact) -> Artifact:
    return replace(made, uri=made.uri.replace("s3:", "gs:"))


def test_what_cloud_storage_keeps_after_a_delete_is_paid_for_some_days() -> None:
    _, (line,) = tallied([delete(google(artifact(1)), "soft-delete")], on_google())
    assert (line.saving_usd_month, line.tail_usd_month) == (Decimal(1), Decimal(0))
    assert line.one_off_usd == Decimal("0.5")


def test_versions_that_stay_on_cloud_storage_go_on_costing() -> None:
    _, (line,) = tallied([delete(google(artifact(1)), "soft-delete")], on_google(versioning="on"))
    assert (line.saving_usd_month, line.tail_usd_month) == (Decimal(0), Decimal(1))
    assert line.one_off_usd == 0


def test_a_rewrite_leaves_the_old_bytes_behind_for_some_days() -> None:
    tally, (line,) = tallied([Archive(google(artifact(1)), "archive", "old", "NEARLINE")], on_google())
    assert line.saving_usd_month == Decimal("0.5")
    # 1 GiB in STANDARD for half a month.
    assert line.one_off_usd == Decimal("0.01")
    by = parse_policy(
        f'name: p\nmatch: {{buckets: ["gs://train"]}}\narchive: {{after: 30d, to: NEARLINE}}\n{LIMITS}\n',
        origin="p",
    )
    warnings = make_plan(tally, on_google(), by, TERMS).warnings
    assert any(
        "no confirmed price says what putting objects into NEARLINE costs" in said for said in warnings
    )


def test_a_cold_class_saves_less_by_what_it_bills_beside_each_object() -> None:
    beside = Decimal("0.001")
    cold = Price("DEEP_ARCHIVE", Decimal("0.001"), 180, Decimal(0), usd_per_object_month=beside)
    listed = replace(PRICES, prices={**PRICES.prices, "DEEP_ARCHIVE": cold})
    move = Archive(artifact(1, share(objects=5)), "archive", "old", "DEEP_ARCHIVE")
    _, (line,) = tallied([move], around(prices={"s3": listed}))
    # Of 0.02 a month, 0.019 are saved, and five times 0.001 come on top.
    assert line.saving_usd_month == Decimal("0.7")


def test_a_move_into_a_class_without_a_price_promises_nothing() -> None:
    move = Archive(artifact(1), "archive", "old", "ONEZONE_IA")
    _, (line,) = tallied([move], around())
    assert (line.saving_usd_month, line.one_off_usd) == (Decimal(0), Decimal(0))
