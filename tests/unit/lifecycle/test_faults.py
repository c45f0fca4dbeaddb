"""What goes wrong between a plan and its end, and while it is applied: nothing protected is ever lost."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.apply import campaign
from lifecycle.errors import ActionRefused, NotEnforced, PlanRefused, Protected
from lifecycle.providers import CANARY_PREFIX, MemoryProvider, ObjectState
from lifecycle.providers.memory import MemoryBucket
from pipelines.errors import Refused, Terminal, Transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.lifecycle.conftest import Lab, Save

BUCKET, VERSIONED = "acme-training", "acme-datasets"


def memory(lab: Lab) -> MemoryProvider:
    assert isinstance(lab.provider, MemoryProvider)
    return lab.provider


def refuse_and_change_nothing(lab: Lab, plan: str, kind: type[Refused], words: str) -> None:
    before = list(memory(lab).changes)
    with pytest.raises(kind, match=words):
        steps.apply(lab.run(), plan)
    assert memory(lab).changes == before


def overwrite(lab: Lab, key: str) -> None:
    memory(lab).put(BUCKET, ObjectState(key, "new", 5, lab.now, "STANDARD"))


def write_the_same_again(lab: Lab, key: str) -> None:
    state = memory(lab).head(BUCKET, key)
    memory(lab).put(BUCKET, replace(state, last_modified_at=lab.now))


def remove(lab: Lab, key: str) -> None:
    del memory(lab).buckets[BUCKET].keys[key]


def move(lab: Lab, key: str) -> None:
    versions = memory(lab).buckets[BUCKET].keys[key]
    versions[-1] = replace(versions[-1], storage_class="STANDARD_IA")


def lock(lab: Lab, key: str) -> None:
    versions = memory(lab).buckets[BUCKET].keys[key]
    versions[-1] = replace(versions[-1], hold="legal hold")


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("happens", [overwrite, write_the_same_again, remove, move, lock])
def test_what_happened_to_an_object_since_the_plan_keeps_what_is_left_of_its_checkpoint(
    lab: Lab, happens: Callable[[Lab, str], None], which: int
) -> None:
    saves = lab.fill()
    plan = lab.approved()
    touched = saves["old"].keys[which]
    happens(lab, touched)
    there = set(lab.classes())
    report = steps.apply(lab.run(), plan)
    assert not report.is_clean
    gone = there - set(lab.classes())
    assert touched not in gone
    if happens is not lock:
        # A lock is seen when the store refuses: only what went before it is gone.
        assert not gone
    assert set(lab.classes()) >= {*saves["young"].keys, *saves["latest"].keys, *saves["stale"].keys}


def test_where_objects_may_be_locked_each_is_looked_at_before_the_first_goes(lab: Lab) -> None:
    saves = lab.fill()
    memory(lab).buckets[BUCKET].object_lock = True
    plan = lab.approved()
    lock(lab, saves["old"].keys[0])
    assert not steps.apply(lab.run(), plan).is_clean
    # The marker goes in a request of its own, after it was looked at; all else is looked at before any goes.
    assert set(saves["old"].keys[:2]) <= set(lab.classes())


@pytest.mark.parametrize(
    "tags",
    [
        {"moraine:keep": "true"},
        {"moraine:keep_until": "2026-11-21"},
        {"moraine:keep_until": "some day"},
        {"team": "a", "Moraine:Keep": "TRUE"},
    ],
)
def test_a_tag_since_the_plan_stops_it(lab: Lab, tags: dict[str, str]) -> None:
    saves = lab.fill()
    plan = lab.approved()
    memory(lab).buckets[BUCKET].tags[saves["old"].keys[2]] = tags
    refuse_and_change_nothing(lab, plan, Protected, "somebody tagged")


@pytest.mark.parametrize(
    "tags", [{"moraine:keep": "false"}, {"moraine:keep_until": "2026-11-20"}, {"a": "b"}]
)
def test_a_tag_that_asks_for_nothing_stops_nothing(lab: Lab, tags: dict[str, str]) -> None:
    saves = lab.fill()
    plan = lab.approved()
    memory(lab).buckets[BUCKET].tags[saves["old"].keys[2]] = tags
    assert steps.apply(lab.run(), plan).is_clean


def test_tags_that_may_not_be_read_protect(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.fill()
    plan = lab.approved()

    def refuse(_bucket: str, key: str) -> dict[str, str]:
        raise ActionRefused("the store refused (AccessDenied)", where=key, fix="Allow it.")

    monkeypatch.setattr(memory(lab), "tags", refuse)
    refuse_and_change_nothing(lab, plan, Protected, "tags cannot be read")


def test_tags_are_asked_for_once_a_checkpoint(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    saves = lab.fill()
    plan = lab.approved()
    asked: list[str] = []

    def tags(_bucket: str, key: str) -> dict[str, str]:
        if not key.startswith(CANARY_PREFIX):
            asked.append(key)
        return {}

    monkeypatch.setattr(memory(lab), "tags", tags)
    steps.apply(lab.run(), plan)
    assert sorted(asked) == sorted([saves["old"].keys[2], saves["stale"].keys[0]])


def test_versioning_that_was_switched_on_since_is_refused(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    memory(lab).buckets[BUCKET].versioning = "on"
    refuse_and_change_nothing(lab, plan, NotEnforced, "versioning")


def test_a_plan_with_one_byte_changed_is_refused_wherever_it_is(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    home = lab.home / "lake" / "plans" / plan
    for name in ("plan.json", "decisions.parquet", "survivors.parquet", "actions/chunk-00000.parquet"):
        whole = (home / name).read_bytes()
        for at in (len(whole) // 3, len(whole) // 2, len(whole) - 2):
            (home / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            refuse_and_change_nothing(lab, plan, PlanRefused, "plan")
        (home / name).write_bytes(whole)
    assert steps.apply(lab.run(), plan).is_clean


def test_a_plan_applied_to_another_bucket_of_the_same_name_changes_nothing_there(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    other = MemoryProvider()
    other.buckets = {BUCKET: MemoryBucket(), VERSIONED: MemoryBucket()}
    for key in saves["old"].keys:
        other.put(BUCKET, ObjectState(key, "other", 1, lab.now, "STANDARD"))
    with pytest.raises(Protected, match="still whole"):
        steps.apply(lab.run(clouds={"s3": other}), plan)
    for made in saves.values():
        for item in made.objects:
            other.put(BUCKET, ObjectState(item.key, "other", item.size_bytes, lab.now, "STANDARD"))
    assert not steps.apply(lab.run(clouds={"s3": other}), plan).is_clean
    assert not other.changes


@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_a_clock_that_is_wrong_or_jumps_changes_nothing_about_what_is_done(lab: Lab, hours: int) -> None:
    saves = lab.fill()
    plan = lab.approved()
    times = iter(range(10_000))

    def jumping() -> datetime:
        return lab.now + timedelta(hours=hours if next(times) % 2 else 0)

    assert steps.apply(lab.run(clock=jumping), plan).is_clean
    assert not set(saves["old"].keys) & set(lab.classes())
    assert steps.verify(lab.run(), plan).is_clean


def test_credentials_whose_clock_is_off_stop_before_the_first_change(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.fill()
    plan = lab.approved()

    def refuse(_bucket: str, _prefix: str) -> None:
        raise Terminal("the store does not accept these credentials", where="s3://b", fix="Check the clock.")

    monkeypatch.setattr(memory(lab), "list", refuse)
    with pytest.raises(Terminal, match="credentials"):
        steps.apply(lab.run(), plan)
    assert not memory(lab).changes


def test_a_connection_that_breaks_on_every_second_request_only_takes_longer(lab: Lab) -> None:
    for step in range(100, 1000, 100):
        lab.save(step, 300 - step / 10)
    lab.save(1000, 10)
    plan = lab.approved()
    count = 0

    def reset(_name: str, key: str) -> None:
        nonlocal count
        count += not key.startswith(CANARY_PREFIX)
        if count % 2 and not key.startswith(CANARY_PREFIX):
            raise Transient("the store does not answer", where=key, fix="Run again.")

    memory(lab).before_change = reset
    assert steps.apply(lab.run(workers=1), plan).is_finished
    assert len(memory(lab).changes) == len(set(memory(lab).changes))
    assert steps.verify(lab.run(), plan).is_clean


def many(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[Save]:
    """Six checkpoints to delete, one in each chunk."""
    monkeypatch.setattr("lifecycle.steps.planning.chunk_size", lambda _tally, _terms: 3)
    saves = [lab.save(step, 300 - step / 10) for step in range(100, 700, 100)]
    lab.save(1000, 10)
    return saves


class Time:
    """Seconds that pass with every change: so many for each."""

    def __init__(self, provider: MemoryProvider, each: float) -> None:
        self._provider, self._each = provider, each

    def __call__(self) -> float:
        return len(self._provider.changes) * self._each


def test_what_is_pinned_or_registered_while_a_long_apply_runs_stops_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves = many(lab, monkeypatch)
    plan = lab.approved()

    def register(_name: str, key: str) -> None:
        if key in saves[0].keys:
            lab.registered(saves[5].uri)

    memory(lab).before_change = register
    slow = lab.run(monotonic=Time(memory(lab), campaign.FRESH_SECONDS), workers=1)
    with pytest.raises(Protected, match="registry names"):
        steps.apply(slow, plan)
    assert set(saves[5].keys) <= set(lab.classes())
    lab.registered()
    memory(lab).before_change = lambda _name, _key: None
    assert steps.apply(lab.run(), plan).is_finished


def test_what_changes_while_a_long_apply_runs_is_left_out(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    saves = many(lab, monkeypatch)
    plan = lab.approved()

    def write(_name: str, key: str) -> None:
        if key in saves[0].keys:
            overwrite(lab, saves[5].keys[0])

    memory(lab).before_change = write
    slow = lab.run(monotonic=Time(memory(lab), campaign.FRESH_SECONDS), workers=1)
    assert not steps.apply(slow, plan).is_clean
    assert set(saves[5].keys) <= set(lab.classes())


def test_a_chunk_that_is_over_is_neither_listed_nor_read_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves = many(lab, monkeypatch)
    plan = lab.approved()
    names = steps.chunks(lab.run(), plan)
    for name in names[:-1]:
        assert not steps.apply_chunk(lab.run(), plan, name).is_finished
    listed: list[str] = []
    whole = memory(lab).list

    def note(bucket: str, prefix: str) -> object:
        listed.append(prefix)
        return whole(bucket, prefix)

    monkeypatch.setattr(memory(lab), "list", note)
    report = steps.apply(lab.run(), plan)
    assert report.is_finished
    assert [chunk.results for chunk in report.chunks] == [{"done": 3}] * len(names)
    assert not [prefix for prefix in listed if prefix.startswith(saves[0].keys[0].rpartition("/")[0] + "/")]


def test_two_who_apply_at_once_are_kept_apart_by_the_plans_lock(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    refused: list[str] = []

    def also(_name: str, key: str) -> None:
        if not (key.startswith(CANARY_PREFIX) or refused):
            with pytest.raises(PlanRefused, match="another apply") as caught:
                steps.apply(lab.run(), plan)
            refused.append(caught.value.what)

    memory(lab).before_change = also
    assert steps.apply(lab.run(workers=1), plan).is_finished
    assert refused
    assert len(memory(lab).changes) == 5


def test_a_tag_key_with_line_ends_and_hostile_keys_are_only_text(lab: Lab) -> None:
    odd = ["a\nb", "ü" * 200, "..", "%2e%2e", "a b"]
    lab.save(100, 120, files={**dict.fromkeys(odd, 10), "trainer_state.json": 5})
    lab.save(400, 10)
    neighbour = lab.save(401, 9, run="runs/chat2")
    plan = lab.approved()
    assert steps.apply(lab.run(), plan).is_clean
    home = lab.home / "lake" / "plans" / plan / "receipts" / "chunk-00000.jsonl"
    said = [json.loads(line) for line in home.read_bytes().splitlines()]
    assert {entry["uri"].rpartition("checkpoint-100/")[2] for entry in said} == {*odd, "trainer_state.json"}
    assert set(neighbour.keys) <= set(lab.classes())
