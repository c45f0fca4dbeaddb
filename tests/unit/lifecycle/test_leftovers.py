"""Uploads that nobody completed: what is old goes, what may still be written stays."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from lifecycle import steps
from lifecycle.errors import UnsafePolicy
from lifecycle.policy import parse_policy
from lifecycle.policy_words import sentences
from lifecycle.providers import MemoryProvider, UploadState
from lifecycle.render import plan_markdown, preview_text, why_text
from pipelines.errors import Terminal

if TYPE_CHECKING:
    from lifecycle.model import Line
    from tests.unit.lifecycle.conftest import Lab

GIB = 1024**3
BUCKET = "acme-training"
POLICY = """
name: uploads
match: {kind: upload, buckets: ["s3://acme-training"]}
delete: {after: 7d, irreversible: true}
limits: {objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}
"""


def begun(lab: Lab, key: str, days_old: float, upload_id: str = "u1", bucket: str = BUCKET) -> UploadState:
    upload = UploadState(key, upload_id, (lab.ends_at - timedelta(days=days_old)).replace(microsecond=0))
    lab.uploads.append((bucket, upload, GIB))
    memory(lab).buckets[bucket].uploads.append(upload)
    return upload


def memory(lab: Lab) -> MemoryProvider:
    assert isinstance(lab.provider, MemoryProvider)
    return lab.provider


def planned(lab: Lab, text: str = POLICY) -> dict[str, Line]:
    lab.publish()
    return {line.uri.rpartition("/")[2]: line for line in lab.lines(lab.plan(text).id)}


def test_an_old_upload_is_ended_and_a_young_one_is_left_alone(lab: Lab) -> None:
    lab.fill()
    begun(lab, "runs/chat/old.bin", 8)
    young = begun(lab, "runs/chat/young.bin", 6)
    plan = lab.approved(POLICY)
    assert steps.apply(lab.run(), plan).is_clean
    assert memory(lab).buckets[BUCKET].uploads == [young]
    assert {line.rule for line in lab.lines(plan) if line.decision == "keep"} == {"age"}
    assert len(lab.classes()) == 12


def test_a_snapshot_that_is_older_than_the_table_of_uploads_is_told(lab: Lab) -> None:
    snapshot = lab.publish()
    with closing(duckdb.connect(str(lab.home / "lake" / snapshot.warehouse))) as connection:
        connection.execute("drop table marts.uploads")
    with pytest.raises(Terminal, match="older than a table that this policy needs") as caught:
        lab.plan(POLICY)
    assert "moraine run" in caught.value.fix


def test_an_action_names_the_upload_and_nothing_has_to_remain(lab: Lab) -> None:
    old = begun(lab, "runs/it's \n[a]*.bin", 30, "u/1?x=&é")
    lab.publish()
    made = lab.plan(POLICY)
    (row,) = pq.read_table(Path(made.path) / "actions" / "chunk-00000.parquet").to_pylist()
    named = (row["action"], row["path"], row["object_key"], row["version_id"], row["last_modified_at"])
    assert named == ("abort_upload", "abort-upload", old.key, old.upload_id, old.initiated_at)
    assert not pq.read_table(Path(made.path) / "survivors.parquet").num_rows
    assert made.totals.objects_for_good == 1
    assert made.totals.delete.saving_usd_month > 0


def test_two_uploads_of_one_key_are_told_apart(lab: Lab) -> None:
    begun(lab, "k", 30, "old")
    young = begun(lab, "k", 1, "young")
    assert steps.apply(lab.run(), lab.approved(POLICY)).is_clean
    assert memory(lab).buckets[BUCKET].uploads == [young]


def test_an_upload_that_was_begun_at_another_time_is_left_alone(lab: Lab) -> None:
    old = begun(lab, "k", 30)
    plan = lab.approved(POLICY)
    other = replace(old, initiated_at=lab.now)
    memory(lab).buckets[BUCKET].uploads[:] = [other]
    assert not steps.apply(lab.run(), plan).is_clean
    assert memory(lab).buckets[BUCKET].uploads == [other]


def test_what_changed_within_the_quiet_time_stays_whatever_the_limit(lab: Lab) -> None:
    begun(lab, "k", 2)
    text = POLICY.replace("after: 7d", "after: 1d") + "quiet_for: 5d\n"
    assert planned(lab, text)["k"].rule == "age"


@pytest.mark.parametrize(
    "statement, words",
    [
        ("update marts.uploads set initiated_at = null", "nobody said when"),
        ("update marts.uploads set listed_at = listed_at - interval 4 days", "was last listed on"),
    ],
)
def test_what_is_not_known_for_sure_protects(lab: Lab, statement: str, words: str) -> None:
    begun(lab, "k", 30)
    snapshot = lab.publish()
    with duckdb.connect(str(lab.home / "lake" / snapshot.warehouse)) as connection:
        connection.execute(statement)
    (line,) = lab.lines(lab.plan(POLICY).id)
    assert (line.rule, words in line.reason) == ("doubt", True)


def test_a_failed_check_protects_the_uploads_of_its_bucket(lab: Lab) -> None:
    begun(lab, "k", 30)
    lab.failed_gates.append(("fresh", BUCKET, "old"))
    assert planned(lab)["k"].rule == "gate"


def test_a_policy_about_prefixes_and_buckets_means_them(lab: Lab) -> None:
    begun(lab, "runs/k", 30)
    begun(lab, "other/k2", 30)
    begun(lab, "runs/k3", 30, bucket="acme-datasets")
    text = POLICY.replace('"s3://acme-training"]', '"s3://acme-training"], prefixes: ["runs/"]')
    found = planned(lab, text)
    assert {name: line.rule for name, line in found.items()} == {"k": "delete", "k2": "match"}


@pytest.mark.parametrize(
    "old, new",
    [
        (", irreversible: true", ""),
        ("delete: {after: 7d, irreversible: true}", "archive: {after: 7d, to: GLACIER_IR}"),
    ],
)
def test_a_policy_that_could_not_mean_what_it_says_is_refused(old: str, new: str) -> None:
    with pytest.raises(UnsafePolicy, match="only be ended"):
        parse_policy(POLICY.replace(old, new), origin="p")


def test_a_policy_about_uploads_is_explained() -> None:
    said = " ".join(sentences(parse_policy(POLICY, origin="p")))
    assert "multipart uploads that nobody completed" in said
    assert "Ended for good 7d after they were begun" in said
    assert "checkpoint" not in json.dumps(said)


def test_tables_speak_of_uploads_and_not_of_checkpoints(lab: Lab) -> None:
    lab.fill()
    begun(lab, "runs/chat/old.bin", 8)
    begun(lab, "runs/chat/young.bin", 6)
    lab.publish()
    made = lab.plan(POLICY)
    whole, lines = steps.show(lab.run(), made.id), lab.lines(made.id)
    text = StringIO()
    console = Console(width=200, file=text)
    console.print(preview_text(steps.try_policy(lab.run(), parse_policy(POLICY, origin="here"))))
    console.print(why_text(lines[0], steps.kind_of(lab.run(), made.id)))
    said = plan_markdown(whole, [line for line in lines if line.is_change]) + text.getvalue()
    assert "uploads" in said
    assert "checkpoints" not in said
    assert re.search(r"^\W*upload +s3://acme-training/runs/chat/", text.getvalue(), re.MULTILINE)
