"""No key that a label protects is reclaimable, whatever the policy says."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.decide import decide
from lifecycle.model import Artifact, BucketCapability, ClassShare, Facts, Keep, Price, PriceList
from lifecycle.policy import Policy, parse_policy
from tests.sql.test_checkpoint_corpus import AS_OF, BEST_STANDS_IN_A_FILE, LISTINGS, Judged, judge, labels

Row = Mapping[str, Any]
PRICES = PriceList(
    AS_OF,
    {
        name: Price(name, Decimal(rate), days, Decimal("0.00002"), Decimal("0.01"))
        for name, rate, days in (
            ("STANDARD", "0.023", 0),
            ("STANDARD_IA", "0.0125", 30),
            ("GLACIER_IR", "0.004", 90),
        )
    },
)
BUCKETS = sorted(listing.replace("_", "-") for listing in LISTINGS)
LIMITS = "{objects: 1000000000, bytes: 1000000TiB, usd_month: 1e12, share_of_bucket: 1, runs: 100000}"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judge(tmp_path_factory.mktemp("corpus"), LISTINGS)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    buckets = draw(st.lists(st.sampled_from(BUCKETS), min_size=1, unique=True))
    latest, best, floor = draw(st.integers(0, 4)), draw(st.integers(0, 1)), draw(st.integers(1, 4))
    unknown = draw(st.sampled_from(["keep", "accept"]))
    kept = f"latest: {latest}, best: {best}, best_unknown: {unknown}, min_complete_per_run: {floor}"
    after = draw(st.integers(1, 60))
    wanted = draw(
        st.sampled_from(["archive: {after: %dd, to: GLACIER_IR}", "delete: {after: %dd, irreversible: true}"])
    )
    return parse_policy(
        "\n".join(
            [
                "name: p",
                f"match: {{buckets: [{', '.join(f's3://{bucket}' for bucket in buckets)}]}}",
                f"keep: {{{kept}}}",
                f"quiet_for: {draw(st.integers(1, 10))}d",
                f"limits: {LIMITS}",
                wanted % after,
            ]
        ),
        origin="p",
    )


def artifact(row: Row) -> Artifact:
    share = ClassShare(
        "STANDARD",
        row["object_count"],
        row["size_bytes"],
        row["object_count"],
        row["size_bytes"],
        row["size_bytes"],
    )
    told = ("checkpoint_id", "run", "framework", "step", "epoch", "state", "state_reason", "kind")
    counted = (
        "is_latest",
        "is_protected",
        "protected_because",
        "object_count",
        "size_bytes",
        "last_modified_at",
    )
    return Artifact(
        uri=row["checkpoint_uri"],
        bucket=row["bucket"].replace("_", "-"),
        is_best=bool(row["is_best"]),
        cost_usd_month=Decimal(1),
        classes=(share,),
        **{name: row[name] for name in (*told, *counted)},
    )


def reclaimable(judged: Judged, policy: Policy, days_later: int) -> set[tuple[str, str]]:
    enforced = {bucket: BucketCapability(bucket, "off", True, True, True, True) for bucket in BUCKETS}
    found = tuple(artifact(row) for row in judged.checkpoints.values())
    facts = Facts("s", AS_OF, found, dict.fromkeys(BUCKETS, 1), PRICES, (), enforced)
    decisions = decide(facts, policy, AS_OF + timedelta(days=days_later))
    gone = {d.artifact.checkpoint_id for d in decisions if not isinstance(d, Keep)}
    return {key for key, row in judged.objects.items() if row["checkpoint_id"] in gone}


def protected() -> set[tuple[str, str]]:
    return {
        (listing, key)
        for listing, key, label in labels(*LISTINGS)
        if label["protected"] and f"{listing}/{label.get('group')}" not in BEST_STANDS_IN_A_FILE
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(policy=policies(), days_later=st.integers(0, 90))
def test_no_policy_reaches_a_protected_key(corpus: Judged, policy: Policy, days_later: int) -> None:
    assert reclaimable(corpus, policy, days_later) & protected() == set()


def test_a_policy_reaches_what_nothing_protects(corpus: Judged) -> None:
    everything = parse_policy(
        f"name: p\nmatch: {{buckets: [{', '.join(f's3://{bucket}' for bucket in BUCKETS)}]}}\n"
        "keep: {latest: 1, best: 1, best_unknown: accept, min_complete_per_run: 1}\n"
        f"quiet_for: 1d\nlimits: {LIMITS}\ndelete: {{after: 1d, irreversible: true}}",
        origin="p",
    )
    assert len(reclaimable(corpus, everything, 0)) > 100
