"""No key that a label protects is reclaimable, whatever the policy says."""

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lifecycle.decide.checkpoints import by_run, decide, run_of
from lifecycle.model import Artifact, BucketCapability, ClassShare, Keep, Price, PriceList, Surroundings
from lifecycle.policy import ARCHIVE_CLASSES, Policy, parse_policy
from tests.sql.test_checkpoint_corpus import AS_OF, LISTINGS, Judged, judge, labels

Row = Mapping[str, Any]
PRICES = PriceList(
    AS_OF,
    {
        name: Price(name, Decimal(rate), days, Decimal("0.00002"), Decimal("0.01"))
        for name, rate, days in (
            ("STANDARD", "0.023", 0),
            ("STANDARD_IA", "0.0125", 30),
            ("ONEZONE_IA", "0.01", 30),
            ("GLACIER_IR", "0.004", 90),
        )
    },
)
BUCKETS = sorted(listing.replace("_", "-") for listing in LISTINGS)
PREFIXES = sorted({line["key"].partition("/")[0] for lines in LISTINGS.values() for line in lines})
LIMITS = "{objects: 1000000000, bytes: 1000000TiB, usd_month: 1e12, share_of_bucket: 1, runs: 100000}"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judge(tmp_path_factory.mktemp("corpus"), LISTINGS)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Whatever a policy file can say: each key of the schema, or nothing in its place."""
    return parse_policy(
        "\n".join(
            [
                "name: p",
                f"match: {draw(matches())}",
                f"keep: {draw(keeps())}",
                f"quiet_for: {draw(st.integers(1, 10))}d",
                f"limits: {LIMITS}",
                *draw(changes()),
            ]
        ),
        origin="p",
    )


@st.composite
def matches(draw: st.DrawFn) -> str:
    buckets = draw(st.just(BUCKETS) | st.lists(st.sampled_from(BUCKETS), unique=True))
    some = st.lists(st.sampled_from(PREFIXES), min_size=1, unique=True)
    prefixes = draw(st.just([]) | some if buckets else some)
    told = {"buckets": [f"s3://{bucket}" for bucket in buckets], "prefixes": prefixes}
    return json.dumps({name: each for name, each in told.items() if each})


@st.composite
def keeps(draw: st.DrawFn) -> str:
    told = {
        "latest": draw(st.integers(0, 4)),
        "best": draw(st.integers(0, 1)),
        "best_unknown": draw(st.sampled_from(["keep", "accept"])),
        "min_complete_per_run": draw(st.integers(1, 4)),
    }
    every = draw(st.none() | st.sampled_from([1, 7, 100, 1000, 3000]))
    return json.dumps({**told, **({"every_n_steps": every} if every else {})})


@st.composite
def changes(draw: st.DrawFn) -> list[str]:
    days = draw(st.integers(1, 60))
    archived = draw(st.sampled_from(["break-even", f"{days}d"]))
    to = draw(st.sampled_from(ARCHIVE_CLASSES))
    archive = f"archive: {{after: {archived}, to: {to}}}"
    irreversible = json.dumps(draw(st.booleans()))
    delete = f"delete: {{after: {draw(st.integers(days + 1, 90))}d, irreversible: {irreversible}}}"
    return draw(st.sampled_from([[archive], [delete], [archive, delete]]))


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
    bucket = row["bucket"].replace("_", "-")
    return Artifact(
        uri=f"s3://{bucket}/" + row["checkpoint_uri"].removeprefix(f"s3://{row['bucket']}/"),
        bucket=bucket,
        is_best=bool(row["is_best"]),
        cost_usd_month=Decimal(1),
        classes=(share,),
        **{name: row[name] for name in (*told, *counted)},
    )


def reclaimable(judged: Judged, policy: Policy, days_later: int) -> set[tuple[str, str]]:
    enforced = {
        f"s3://{bucket}": BucketCapability(bucket, "off", True, True, True, True) for bucket in BUCKETS
    }
    found = tuple(artifact(row) for row in judged.checkpoints.values())
    around = Surroundings("s", AS_OF, {"s3": PRICES}, capabilities=enforced)
    decisions = decide(by_run(sorted(found, key=run_of)), around, policy, AS_OF + timedelta(days=days_later))
    gone = {d.artifact.checkpoint_id for d in decisions if not isinstance(d, Keep)}
    return {key for key, row in judged.objects.items() if row["checkpoint_id"] in gone}


def protected() -> set[tuple[str, str]]:
    return {(listing, key) for listing, key, label in labels(*LISTINGS) if label["protected"]}


GREEDIEST = parse_policy(
    f"name: p\nmatch: {{buckets: [{', '.join(f's3://{bucket}' for bucket in BUCKETS)}]}}\n"
    "keep: {latest: 0, best: 0, best_unknown: accept, min_complete_per_run: 1}\n"
    f"quiet_for: 1d\nlimits: {LIMITS}\ndelete: {{after: 1d, irreversible: true}}",
    origin="p",
)
"""It keeps as little as a policy may."""


@settings(max_examples=100, deadline=None, derandomize=True)
@example(policy=GREEDIEST, days_later=90)
@given(policy=policies(), days_later=st.integers(0, 90))
def test_no_policy_reaches_a_protected_key(corpus: Judged, policy: Policy, days_later: int) -> None:
    assert reclaimable(corpus, policy, days_later) & protected() == set()


def test_a_policy_reaches_what_nothing_protects(corpus: Judged) -> None:
    assert len(reclaimable(corpus, GREEDIEST, 0)) > 100
