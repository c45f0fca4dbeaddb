"""Datasets: prefixes outside of all runs are archived, or go, by age or when nobody reads their bucket."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.decide.datasets import Dataset, Reads, decide_datasets
from lifecycle.errors import Protected, UnsafePolicy
from lifecycle.model import Artifact, BucketCapability, ClassShare, Surroundings, Versioning
from lifecycle.policy import parse_policy
from lifecycle.policy_words import sentences
from pipelines.demo.objects import StoredObject, declare

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from lifecycle.model import Line
    from tests.unit.lifecycle.conftest import Lab

GIB = 1024**3
BUCKET = "acme-training"
POLICY = """
name: datasets
match: {kind: dataset, buckets: ["s3://acme-training"], prefixes: ["data/"]}
archive: {after: 60d, to: GLACIER_IR}
delete: {after: 180d, irreversible: true}
limits: {objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}
"""
LAST_READ = POLICY.replace("to: GLACIER_IR", "to: GLACIER_IR, since: last-read").replace(
    "delete: {after: 180d, irreversible: true}\n", ""
)
TABLES = """
    create table marts.claims (claim_kind varchar, claim_label varchar, place varchar, folder varchar);
    create table marts.datasets (
        dataset_uri varchar, provider varchar, bucket varchar, prefix varchar, store_sign varchar,
        object_count bigint, size_bytes bigint, cost_usd_month decimal(18, 6), billed_from date,
        billed_to date, last_read_on date, last_modified_at timestamp, listed_at timestamp, is_quiet boolean
    );
    create table marts.dataset_objects (
        provider varchar, bucket varchar, object_key varchar, version_id varchar, dataset_uri varchar,
        storage_class varchar, etag varchar, size_bytes bigint, last_modified_at timestamp
    );
"""


def enforcing(versioning: Versioning, *, is_enforced: bool = True) -> BucketCapability:
    """Return a bucket that enforces all conditions, or none."""
    return BucketCapability(
        BUCKET,
        versioning,
        copy_source=is_enforced,
        copy_destination=is_enforced,
        copy_in_parts=is_enforced,
        delete=is_enforced,
    )


@dataclass
class Shelf:
    """Datasets of a lab, as its snapshot will know them."""

    lab: Lab
    reads: Reads = field(default_factory=Reads)
    claims: list[tuple[str, str]] = field(default_factory=list)
    store_sign: str = ""
    prefixes: dict[str, list[StoredObject]] = field(default_factory=dict)

    def put(self, prefix: str, days_old: float, *names: str, size: int = GIB) -> list[StoredObject]:
        """Put a dataset into the bucket."""
        at = (self.lab.ends_at - timedelta(days=days_old)).replace(microsecond=0)
        made = [declare(BUCKET, prefix + name, size, at) for name in names or ("1.parquet", "2.parquet")]
        for item in made:
            self.lab.put(item)
        self.prefixes.setdefault(prefix, []).extend(made)
        return made

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write what a snapshot knows of them."""
        connection.execute(TABLES)
        for label, place in self.claims:
            connection.execute("insert into marts.claims values ('pinned', ?, ?, '')", [label, place])
        for prefix, items in self.prefixes.items():
            self._write_dataset(connection, prefix, items)

    def _write_dataset(
        self, connection: duckdb.DuckDBPyConnection, prefix: str, items: list[StoredObject]
    ) -> None:
        uri = f"s3://{BUCKET}/{prefix}"
        uri = uri.rstrip("/") if prefix.count("/") == 3 else uri
        size, newest_at = sum(item.size_bytes for item in items), max(item.modified_at for item in items)
        is_quiet = newest_at < self.lab.ends_at - timedelta(days=30)
        reads = self.reads
        connection.execute(
            "insert into marts.datasets values (?, 'aws', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                uri,
                BUCKET,
                prefix,
                self.store_sign,
                len(items),
                size,
                (Decimal(size) / GIB * Decimal("0.02")).quantize(Decimal("0.000001")),
                reads.billed_from,
                reads.billed_to,
                reads.last_read_on,
                newest_at,
                self.lab.ends_at - timedelta(hours=2),
                is_quiet,
            ],
        )
        for item in items if is_quiet else ():
            connection.execute(
                "insert into marts.dataset_objects values ('aws', ?, ?, null, ?, ?, ?, ?, ?)",
                [BUCKET, item.key, uri, item.storage_class, item.etag, item.size_bytes, item.modified_at],
            )


@pytest.fixture
def shelf(lab: Lab) -> Shelf:
    made = Shelf(lab)
    lab.also.append(made.write)
    return made


def lines(shelf: Shelf, text: str = POLICY) -> dict[str, Line]:
    shelf.lab.publish()
    plan = shelf.lab.plan(text).id
    return {line.uri.partition(f"{BUCKET}/")[2]: line for line in shelf.lab.lines(plan)}


def test_what_is_old_moves_what_is_older_goes_and_the_rest_stays(shelf: Shelf) -> None:
    lab = shelf.lab
    shelf.put("data/c4/en/", 70, "1.parquet", "deep/er/2.parquet")
    shelf.put("data/c4/de/", 200)
    shelf.put("data/c4/fr/", 40)
    shelf.put("data/c4/it/", 5)
    plan = lab.approved(POLICY)
    assert {line.uri[-2:]: line.decision for line in lab.lines(plan)} == {
        "en": "archive",
        "de": "delete",
        "fr": "keep",
        "it": "keep",
    }
    assert steps.apply(lab.run(), plan).is_clean
    found = lab.classes()
    assert {key for key, name in found.items() if name == "GLACIER_IR"} == {
        "data/c4/en/1.parquet",
        "data/c4/en/deep/er/2.parquet",
    }
    assert not any(key.startswith("data/c4/de/") for key in found)
    assert steps.verify(lab.run(), plan).is_clean


def test_what_lies_right_in_a_folder_moves_without_what_lies_below(shelf: Shelf) -> None:
    lab = shelf.lab
    shelf.put("data/", 70)
    lab.put(declare(BUCKET, "data/below/new.bin", GIB, lab.ends_at - timedelta(days=1)))
    plan = lab.approved(POLICY)
    assert steps.apply(lab.run(), plan).is_clean
    assert lab.classes()["data/below/new.bin"] == "STANDARD"
    assert lab.classes()["data/1.parquet"] == "GLACIER_IR"


def test_small_objects_stay_and_an_archive_can_be_undone(shelf: Shelf) -> None:
    lab = shelf.lab
    shelf.put("data/c4/en/", 70)
    shelf.put("data/c4/en/", 70, "_SUCCESS", size=10)
    plan = lab.approved(POLICY)
    assert steps.apply(lab.run(), plan).is_clean
    assert lab.classes()["data/c4/en/_SUCCESS"] == "STANDARD"
    assert steps.undo(lab.run(), plan, "Ada", "again").is_clean
    assert set(lab.classes().values()) == {"STANDARD"}


@pytest.mark.parametrize(
    "change, left",
    [
        ("data/c4/de/new.bin", 3),
        ("data/c4/de/1.parquet", 2),
    ],
)
def test_a_dataset_that_grew_or_changed_since_the_plan_stays(shelf: Shelf, change: str, left: int) -> None:
    lab = shelf.lab
    shelf.put("data/c4/de/", 200)
    plan = lab.approved(POLICY)
    lab.put(declare(BUCKET, change, 5, lab.now))
    assert not steps.apply(lab.run(), plan).is_clean
    assert len(lab.classes()) == left


@pytest.mark.parametrize("pin", ["data/c4/de/PINNED", "data/PINNED"])
def test_a_pin_since_the_plan_protects_a_dataset(shelf: Shelf, pin: str) -> None:
    lab = shelf.lab
    shelf.put("data/c4/de/", 200)
    plan = lab.approved(POLICY)
    lab.put(declare(BUCKET, pin, 0, lab.now))
    with pytest.raises(Protected, match="pinned"):
        steps.apply(lab.run(), plan)
    assert len(lab.classes()) == 3


def test_what_was_registered_since_the_plan_protects_a_dataset(shelf: Shelf) -> None:
    lab = shelf.lab
    shelf.put("data/c4/de/", 200)
    plan = lab.approved(POLICY)
    lab.registered(f"s3://{BUCKET}/data/c4/de/tokens")
    with pytest.raises(Protected):
        steps.apply(lab.run(), plan)


def test_what_somebody_needs_stays(shelf: Shelf) -> None:
    shelf.put("data/c4/de/", 200)
    shelf.claims.append(("used by run chat, RUNNING", f"s3://{BUCKET}/data/c4/de/tokens"))
    line = lines(shelf)["data/c4/de"]
    assert (line.rule, "used by run chat" in line.reason) == ("protected", True)


def test_a_table_is_deleted_by_nobody_and_archived_only_where_the_policy_says_so(shelf: Shelf) -> None:
    shelf.store_sign = "_delta_log"
    shelf.put("data/lake/events/", 200)
    line = lines(shelf)["data/lake/events"]
    assert (line.rule, "_delta_log" in line.reason) == ("table", True)
    text = POLICY.replace("archive:", "keep: {tables: archive}\narchive:")
    plan = shelf.lab.plan(text).id
    assert [found.decision for found in shelf.lab.lines(plan)] == ["archive"]


def test_other_prefixes_and_buckets_are_not_spoken_of(shelf: Shelf) -> None:
    shelf.put("data/c4/de/", 200)
    shelf.put("other/c4/de/", 200)
    assert set(lines(shelf)) == {"data/c4/de"}


def test_objects_that_do_not_add_up_protect(shelf: Shelf) -> None:
    shelf.put("data/c4/de/", 200)
    lose = "delete from marts.dataset_objects where ends_with(object_key, '1.parquet')"

    def lost(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(lose)

    shelf.lab.also.append(lost)
    line = lines(shelf)["data/c4/de"]
    assert (line.rule, "do not add up: 1 of 2" in line.reason) == ("doubt", True)


def test_a_failed_check_protects_datasets(shelf: Shelf) -> None:
    shelf.put("data/c4/de/", 200)
    shelf.lab.failed_gates.append(("fresh", BUCKET, "old"))
    assert lines(shelf)["data/c4/de"].rule == "gate"


def test_a_bucket_that_nobody_reads_is_archived(shelf: Shelf) -> None:
    as_of = shelf.lab.as_of
    shelf.reads = Reads(as_of - timedelta(days=100), as_of - timedelta(days=1), None)
    shelf.put("data/c4/en/", 70)
    line = lines(shelf, LAST_READ)["data/c4/en"]
    assert line.decision == "archive"
    assert "no read of its bucket is billed since 2026-08-12" in line.reason


DAY = date(2026, 11, 20)
READ = timedelta(days=20)
SAFE = enforcing("off")


@pytest.mark.parametrize(
    "reads, words",
    [
        (Reads(), "no bill says whether anybody reads"),
        (
            Reads(DAY - timedelta(days=99), DAY - timedelta(days=5)),
            "the bill of its bucket ends on 2026-11-15",
        ),
        (Reads(DAY - timedelta(days=99), DAY, DAY - READ), "somebody read from its bucket on 2026-10-31"),
        (Reads(DAY - timedelta(days=30), DAY), "bills begin on 2026-10-21 only"),
    ],
)
def test_where_a_read_is_possible_nothing_is_archived_for_not_being_read(reads: Reads, words: str) -> None:
    rule, reason = decided(LAST_READ, reads)
    assert (rule, words in reason) == ("read", True)


def test_what_may_be_read_is_still_deleted_by_age_where_the_policy_says_so() -> None:
    text = POLICY.replace("to: GLACIER_IR", "to: GLACIER_IR, since: last-read")
    assert decided(text, Reads(), days_old=200)[0] == "delete"
    assert decided(text, Reads(), days_old=100)[0] == "read"
    assert decided(text, Reads(DAY - timedelta(days=99), DAY), days_old=100)[0] == "archive"


@pytest.mark.parametrize(
    "known, rule",
    [
        (None, "doubt"),
        (enforcing("suspended"), "doubt"),
        (enforcing("off", is_enforced=False), "delete"),
        (enforcing("on", is_enforced=False), "delete"),
    ],
)
def test_the_ways_are_those_of_checkpoints(known: BucketCapability | None, rule: str) -> None:
    found, reason = decided(POLICY, Reads(), days_old=200, known=known)
    assert found == rule
    if known and known.versioning == "off":
        assert "does not enforce If-Match on deletes" in reason


def test_a_dataset_that_one_worker_cannot_see_through_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.decide.datasets.MOST_OBJECTS", 0)
    assert decided(POLICY, Reads(), days_old=200)[0] == "size"


def decided(
    text: str,
    reads: Reads,
    *,
    days_old: int = 100,
    known: BucketCapability | None = SAFE,
) -> tuple[str, str]:
    policy = parse_policy(text, origin="p")
    at = datetime(2026, 11, 21) - timedelta(days=days_old)
    artifact = Artifact(
        "d", f"s3://{BUCKET}/data/c4/en", BUCKET, "data/c4/en", "", None, None, "dataset", "", "dataset",
        is_latest=False, is_best=False, is_protected=False, protected_because="", object_count=1,
        size_bytes=GIB, last_modified_at=at, cost_usd_month=Decimal(1),
    )  # fmt: skip
    artifact = replace(artifact, classes=(ClassShare("STANDARD", 1, GIB, 1, GIB, GIB),))
    around = Surroundings("s", DAY, capabilities={known.place: known} if known else {})
    (found,) = decide_datasets([Dataset(artifact, "", reads)], around, policy, DAY)
    return found.rule, found.reason


@pytest.mark.parametrize(
    "old, new, words",
    [
        (', prefixes: ["data/"]', "", "names no prefix"),
        ("after: 60d", "after: 20d", "30 days"),
        ("archive:", "keep: {latest: 2}\narchive:", "says nothing about"),
        ("after: 60d", "after: break-even", "last read"),
        ("kind: dataset", "kind: checkpoint", "last read"),
    ],
)
def test_a_policy_that_could_not_mean_what_it_says_is_refused(old: str, new: str, words: str) -> None:
    with pytest.raises(UnsafePolicy, match=words):
        parse_policy(LAST_READ.replace(old, new), origin="p")


def test_a_policy_about_datasets_is_explained() -> None:
    said = " ".join(sentences(parse_policy(LAST_READ, origin="p")))
    assert "outside of all runs, in s3://acme-training below data/" in said
    assert "what somebody needs or pinned" in said
    assert "only when no bill shows a read of the bucket for so long" in said
    assert "and 10 prefixes" in said


def test_a_preview_says_what_would_change(shelf: Shelf) -> None:
    shelf.put("data/c4/de/", 200)
    shelf.lab.publish()
    found = steps.try_policy(shelf.lab.run(), parse_policy(POLICY, origin="p"))
    assert (found.totals.delete.objects, found.runs[0].run) == (2, "data/c4/de")


def test_on_a_real_protocol_a_dataset_moves(serve: Callable[..., Lab]) -> None:
    made: list[Shelf] = []

    def fill(lab: Lab) -> None:
        shelf = Shelf(lab)
        shelf.put("data/c4/é n/", 70, "1.parquet", "deep/2.parquet")
        made.append(shelf)

    lab = serve(fill)
    made[0].lab = lab
    lab.also.append(made[0].write)
    plan = lab.approved(POLICY)
    assert steps.apply(lab.run(), plan).is_clean
    assert set(lab.classes().values()) == {"GLACIER_IR"}
    assert steps.verify(lab.run(), plan).is_clean
