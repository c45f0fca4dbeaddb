"""When archiving pays, and what `after: break-even` must never do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.decide.break_even import break_even
from lifecycle.decide.checkpoints import decide_run
from lifecycle.model import (
    Archive,
    Artifact,
    BucketCapability,
    ClassShare,
    Decision,
    Delete,
    Keep,
    Price,
    PriceList,
    Surroundings,
)
from lifecycle.policy import Policy, parse_policy, policy_hash
from lifecycle.policy_words import sentences

DAY = date(2026, 11, 20)
GIB = 1024**3
STANDARD = Price("STANDARD", Decimal("0.023"), 0, Decimal("0.000005"))
INFREQUENT = Price("STANDARD_IA", Decimal("0.0125"), 30, Decimal("0.00001"), Decimal("0.01"))
INSTANT = Price("GLACIER_IR", Decimal("0.004"), 90, Decimal("0.00002"), Decimal("0.03"))
POLICY = """
name: stale
match: {buckets: ["s3://train"]}
keep: {latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}
archive: {after: break-even, to: GLACIER_IR}
limits: {objects: 10, bytes: 1TiB, usd_month: 5, share_of_bucket: 0.5, runs: 3}
"""


def prices(*listed: Price) -> PriceList:
    return PriceList(DAY, {price.storage_class: price for price in listed or (STANDARD, INFREQUENT, INSTANT)})


def share(storage_class: str = "STANDARD", count: int = 1, size: int = GIB) -> ClassShare:
    return ClassShare(storage_class, count, size, count, size, size // count)


def artifact(step: int, days_old: float, classes: Sequence[ClassShare] = (share(),)) -> Artifact:
    size = sum(one.size_bytes for one in classes)
    return Artifact(
        checkpoint_id=f"s3://train/runs/chat/checkpoint-{step}",
        uri=f"s3://train/runs/chat/checkpoint-{step}",
        bucket="train",
        run="runs/chat",
        framework="hf",
        step=step,
        epoch=None,
        state="complete",
        state_reason="",
        kind="intermediate",
        is_latest=False,
        is_best=False,
        is_protected=False,
        protected_because="",
        object_count=sum(one.object_count for one in classes),
        size_bytes=size,
        last_modified_at=datetime(2026, 11, 21) - timedelta(days=days_old),
        cost_usd_month=Decimal("0.02"),
        classes=tuple(classes),
    )


LATEST = artifact(900, 10)


def decided(
    *artifacts: Artifact, by: Policy | None = None, listed: PriceList | None = None, versioning: bool = False
) -> dict[int | None, Decision]:
    capability = BucketCapability("train", "on" if versioning else "off", True, True, True, True)
    around = Surroundings(
        "snapshot",
        DAY,
        {"s3": listed or prices()},
        {"s3://train": GIB},
        capabilities={"s3://train": capability},
    )
    decisions = decide_run((*artifacts, LATEST), around, by or parse_policy(POLICY, origin="p"), DAY)
    return {made.artifact.step: made for made in decisions}


def policy(more: str) -> Policy:
    return parse_policy(POLICY + more, origin="p")


def test_the_move_waits_until_waiting_has_cost_as_much() -> None:
    # Requests 0.00002 and 3 months at 0.004, against 0.019 less each month.
    assert break_even([share()], "GLACIER_IR", prices()).after == timedelta(days=19)
    found = decided(artifact(1, 19), artifact(2, 18.9))
    assert isinstance(found[1], Archive)
    assert "19d" in found[1].reason
    assert isinstance(found[2], Keep)


def test_many_small_objects_wait_longer() -> None:
    large = break_even([share(count=1)], "GLACIER_IR", prices()).after
    small = break_even([share(count=8000, size=GIB)], "GLACIER_IR", prices()).after
    assert large is not None
    assert small is not None
    assert small > 10 * large


def test_reading_out_and_the_minimum_time_of_the_class_now_are_waited_for() -> None:
    found = break_even([share("STANDARD_IA")], "GLACIER_IR", prices()).after
    # (0.00002 + 0.01 + 0.012) / 0.0085 months are more than the 30 days that its class bills.
    assert found == timedelta(days=78)
    cheap = replace(INFREQUENT, usd_gib_month=Decimal(9), usd_gib_retrieved=Decimal(0))
    assert break_even([share("STANDARD_IA")], "GLACIER_IR", prices(cheap, INSTANT)).after == timedelta(
        days=30
    )


@pytest.mark.parametrize(
    "listed",
    [
        prices(STANDARD),
        prices(INSTANT),
        prices(STANDARD, replace(INSTANT, takes_confirmed=False)),
        prices(STANDARD, replace(INSTANT, is_confirmed=False)),
        prices(replace(STANDARD, is_confirmed=False), INSTANT),
    ],
    ids=["no-target", "no-source", "requests-open", "target-open", "source-open"],
)
def test_without_a_confirmed_price_it_stays_and_says_so(listed: PriceList) -> None:
    found = decided(artifact(1, 4000), listed=listed)[1]
    assert isinstance(found, Keep)
    assert found.rule == "archive"
    assert "no confirmed price" in found.reason


def test_what_saves_nothing_stays() -> None:
    dear = replace(INSTANT, usd_gib_month=STANDARD.usd_gib_month)
    found = decided(artifact(1, 4000), listed=prices(STANDARD, dear))[1]
    assert isinstance(found, Keep)
    assert "costs no less" in found.reason


def test_it_is_never_archived_before_it_is_quiet() -> None:
    free = replace(INSTANT, usd_per_request=Decimal(0), minimum_days=0)
    found = decided(artifact(1, 40), by=policy("quiet_for: 60d\n"), listed=prices(STANDARD, free))
    assert isinstance(found[1], Keep)
    assert found[1].rule == "quiet"


def test_what_is_deleted_soon_is_not_moved_first() -> None:
    rule = "delete: {after: 30d, irreversible: true}\n"
    found = decided(artifact(1, 25), artifact(2, 31), by=policy(rule))
    assert isinstance(found[1], Keep)
    assert "it is deleted in 5 days" in found[1].reason
    assert isinstance(found[2], Delete)


def test_what_can_never_be_deleted_is_moved_all_the_same() -> None:
    found = decided(artifact(1, 25), by=policy("delete: {after: 30d}\n"))
    assert isinstance(found[1], Archive)


def test_a_length_of_time_decides_as_before() -> None:
    by = parse_policy(POLICY.replace("break-even", "30d"), origin="p")
    found = decided(artifact(1, 30), artifact(2, 29), by=by, listed=prices(STANDARD))
    assert isinstance(found[1], Archive)
    assert found[1].reason == "30 days since it changed, and 30d is the limit"
    assert isinstance(found[2], Keep)


def test_the_policy_says_it_in_words_and_in_its_hash() -> None:
    dated = parse_policy(POLICY.replace("break-even", "30d"), origin="p")
    assert any("waiting has cost as much" in line for line in sentences(policy("")))
    assert policy_hash(policy("")) != policy_hash(dated)


RATES = st.tuples(
    st.decimals("0.001", "0.2", places=4),
    st.decimals("0.0001", "0.2", places=4),
    st.decimals("0", "0.0001", places=6),
)
"""USD for a GB-month now and in the colder class, and for a request there."""


@given(
    rates=RATES,
    count=st.integers(1, 10_000),
    size=st.integers(1, 1024).map(lambda gib: gib * GIB),
    stays=st.integers(0, 5000),
    minimum=st.sampled_from([0, 30, 90]),
)
def test_whatever_comes_it_costs_at_most_so_many_times_what_foresight_would(
    rates: tuple[Decimal, Decimal, Decimal], count: int, size: int, stays: int, minimum: int
) -> None:
    hot, cold, request = rates
    listed = prices(
        replace(STANDARD, usd_gib_month=hot),
        replace(INSTANT, usd_gib_month=cold, usd_per_request=request, minimum_days=minimum),
    )
    after = break_even([share(count=count, size=size)], "GLACIER_IR", listed).after
    gib, day = Decimal(size) / GIB, Decimal(1) / 30
    moved_at = stays if after is None else min(stays, after.days)
    waited = hot * gib * day * moved_at
    if after is not None and stays > moved_at:
        waited += count * request + cold * gib * day * max(stays - moved_at, minimum)
    foreseen = min(hot * gib * day * stays, count * request + cold * gib * day * max(stays, minimum))
    # Whole days: rounding up waits for less than one more.
    assert waited <= (3 if minimum else 2) * foreseen + 2 * hot * gib * day
