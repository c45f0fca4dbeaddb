"""A policy is refused when it is empty, unlimited or boundless; its words are values."""

from datetime import timedelta
from pathlib import Path

import pytest

from lifecycle.errors import UnsafePolicy
from lifecycle.policy import Policy, parse_policy, policy_hash
from lifecycle.policy_words import sentences
from pipelines.errors import Terminal

GOOD = """
name: stale
match: {buckets: ["s3://train"]}
keep: {latest: 2, min_complete_per_run: 2}
archive: {after: 30d, to: GLACIER_IR}
delete: {after: 180d}
limits: {objects: 10, bytes: 1TiB, usd_month: 5.5, share_of_bucket: 0.5, runs: 3}
"""
EXAMPLE = Path(__file__).parents[3] / "lifecycle" / "policies" / "stale-checkpoints.yaml"


def parse(text: str) -> Policy:
    return parse_policy(text, origin="p.yaml")


def without(key: str) -> str:
    return "\n".join(line for line in GOOD.splitlines() if not line.startswith(key))


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_the_example_of_the_contract_is_a_policy() -> None:
    policy = parse(EXAMPLE.read_text())
    assert policy.ceiling.bytes == 500 * 1024**4
    assert policy.quiet_for == timedelta(days=3)
    assert policy.expires == timedelta(hours=24)
    assert policy.max_facts_age == timedelta(hours=72)
    assert policy.keep.best_unknown == "keep"
    assert policy.delete
    assert not policy.delete.irreversible


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "the policy is empty"),
        ("# nothing but a remark\n\n", "the policy is empty"),
        (without("archive").replace("delete: {after: 180d}\n", ""), "neither archives nor deletes"),
        (without("match"), "matches everything"),
        (changed('match: {buckets: ["s3://train"]}', "match: {buckets: [], prefixes: []}"), "everything"),
        (changed("min_complete_per_run: 2", "min_complete_per_run: 0"), "no complete checkpoint"),
        (changed("latest: 2,", "registered: false,"), "registry"),
        (without("limits"), "no limits"),
        (changed("180d", "30d"), "deletes before it archives"),
    ],
    ids=[
        "empty",
        "remarks-only",
        "no-action",
        "no-match",
        "empty-match",
        "no-floor",
        "registered-off",
        "no-limits",
        "delete-before-archive",
    ],
)
def test_an_unsafe_policy_is_refused_with_its_fix(text: str, words: str) -> None:
    with pytest.raises(UnsafePolicy, match=words) as caught:
        parse(text)
    assert caught.value.exit_code == 4
    assert "p.yaml" in caught.value.where
    assert caught.value.fix


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("30d", "break-evn", "length of time"),
        ("GLACIER_IR", "GLACIER", "restore"),
        ("GLACIER_IR", "STANDARD", "not a class to archive to"),
        ("s3://train", "s3://tr*", "match"),
        ("s3://train", "gs://tr*", "match"),
        ('buckets: ["s3://train"]', 'prefixes: [""]', "at least 1 character"),
        ("runs: 3", "runs: 3, bites: 1", "bites"),
        ("objects: 10, ", "", "'objects' is missing"),
        ("objects: 10", "objects: 0", "greater than 0"),
        ("share_of_bucket: 0.5", "share_of_bucket: 1.5", "less than or equal to 1"),
        ("name: stale", "name: ../stale", "name"),
        ("name: stale", "name: stale\nquiet_for: 1h", "24h or more"),
        ("name: stale", "name: stale\nexpires: 0h", "more than nothing"),
        ("delete:", "erase:", "erase"),
        ("latest: 2", "latest: -1", "greater than or equal to 0"),
        ("name: stale", "name: stale\napproval: {two_people_above: {}}", "at least one of"),
        ("name: stale", "name: stale\napproval: {two_people_above: {usd_month: 0}}", "greater than 0"),
        ("name: stale", "name: stale\napproval: {}", "two_people_above"),
    ],
)
def test_a_wrong_value_names_its_line_and_the_fix(old: str, new: str, words: str) -> None:
    with pytest.raises(Terminal, match="line") as caught:
        parse(changed(old, new))
    assert words in str(caught.value)


def test_a_key_written_twice_is_refused_rather_than_widening_the_policy() -> None:
    with pytest.raises(Terminal, match="duplicate"):
        parse(GOOD + "delete: {after: 1d}\n")


def test_the_hash_follows_the_meaning_and_not_the_spelling() -> None:
    assert policy_hash(parse(GOOD)) == policy_hash(parse("# a remark\n" + changed("30d", "720h")))
    assert policy_hash(parse(GOOD)) != policy_hash(parse(changed("30d", "31d")))


def test_who_has_to_approve_is_told_in_plain_words() -> None:
    words = "approval: {two_people_above: {objects: 1000, bytes: 10TiB, usd_month: 99.5, irreversible: true}}"
    said = "\n".join(sentences(parse(f"{GOOD}{words}\n")))
    assert (
        "Two different people have to approve a plan from 1,000 objects on or from 10.0TiB on "
        "or from 99.5 USD a month on or where anything goes for good." in said
    )
    assert "people have to approve" not in "\n".join(sentences(parse(GOOD)))


def test_a_policy_is_told_in_plain_words() -> None:
    said = "\n".join(sentences(parse(changed("latest: 2", "latest: 3, every_n_steps: 1000"))))
    for words in (
        "s3://train",
        "3 newest",
        "GLACIER_IR 30d",
        "180d",
        "1,000",
        "50%",
        "1.0TiB",
        "keeps the version",
    ):
        assert words in said
    assert "for good" in "\n".join(sentences(parse(changed("180d", "180d, irreversible: true"))))


@pytest.mark.parametrize("name", ["GLACIER", "DEEP_ARCHIVE"])
def test_a_class_that_cannot_be_read_at_once_needs_the_word_accept(name: str) -> None:
    with pytest.raises(Terminal, match="restore request"):
        parse(changed("to: GLACIER_IR", f"to: {name}"))
    said = sentences(parse(changed("to: GLACIER_IR", f"to: {name}, cold: accept")))
    assert "There nothing can be read before a restore request, which takes hours." in said
    assert not any("restore" in sentence for sentence in sentences(parse(GOOD)))


def test_a_policy_may_name_buckets_and_classes_of_cloud_storage() -> None:
    policy = parse(changed("s3://train", "gs://train_1.x/").replace("GLACIER_IR", "COLDLINE"))
    assert policy.match.places == {"gs://train_1.x"}


@pytest.mark.parametrize("path", sorted(EXAMPLE.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_be_read_and_is_explained(path: Path) -> None:
    policy = parse_policy(path.read_text(encoding="utf-8"), origin=path.name)
    assert policy.name == path.stem
    assert len(sentences(policy)) > 3
