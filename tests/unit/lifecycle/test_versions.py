"""Noncurrent versions and delete markers: what is old goes for good, what anybody may need stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.decide.versions import Staying, VersionSet, decide_versions
from lifecycle.errors import NotEnforced, Protected, UnsafePolicy
from lifecycle.model import Artifact, BucketCapability, Surroundings, Versioning
from lifecycle.policy import parse_policy
from lifecycle.policy_words import sentences
from lifecycle.providers import MemoryProvider, ObjectState
from lifecycle.render import plan_markdown
from pipelines.demo.objects import declare
from pipelines.errors import NotFound, Transient
from tests.unit.lifecycle.conftest import Lab
from tests.unit.lifecycle.listed_versions import listing
from tests.unit.lifecycle.providers.worlds import serving_gcs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lifecycle.model import Line

BUCKET = "acme-datasets"
GIB = 1024**3
POLICY = """
name: versions
match: {kind: noncurrent, buckets: ["s3://acme-datasets"]}
keep: {versions: 1}
delete: {after: 30d, irreversible: true}
limits: {objects: 1000, bytes: 50TiB, usd_month: 5000, share_of_bucket: 1, runs: 10}
"""
MARKERS = POLICY.replace("noncurrent", "delete_marker").replace("keep: {versions: 1}\n", "")


def enforcing(versioning: Versioning, *, is_enforced: bool = True) -> BucketCapability:
    """Return a bucket that enforces all conditions, or none."""
    return BucketCapability(
        "b",
        versioning,
        copy_source=is_enforced,
        copy_destination=is_enforced,
        copy_in_parts=is_enforced,
        delete=is_enforced,
    )


def memory(lab: Lab) -> MemoryProvider:
    assert isinstance(lab.provider, MemoryProvider)
    return lab.provider


def written(lab: Lab, key: str, days_old: float, *, is_marker: bool = False, size: int = GIB) -> ObjectState:
    """Put the next version of a key, or mark it as deleted, so many days ago."""
    at = (lab.ends_at - timedelta(days=days_old)).replace(microsecond=0)
    etag = "" if is_marker else f"etag-{days_old}"
    state = ObjectState(key, etag, 0 if is_marker else size, at, "" if is_marker else "STANDARD")
    return memory(lab).put(BUCKET, replace(state, is_delete_marker=is_marker))


def history(lab: Lab, key: str = "data/a.bin") -> list[ObjectState]:
    """Return four versions of one key, oldest first: 90, 60 and 40 days old, and a current one of 35."""
    return [written(lab, key, days_old) for days_old in (90, 60, 40, 35)]


def left(lab: Lab, key: str = "data/a.bin") -> list[ObjectState]:
    return memory(lab).buckets[BUCKET].keys.get(key, [])


def planned(lab: Lab, text: str = POLICY, **listed: object) -> dict[str, Line]:
    lab.also.append(listing(lab, BUCKET, **listed))  # type: ignore[arg-type]
    lab.publish()
    return {line.uri.partition(f"{BUCKET}/")[2]: line for line in lab.lines(lab.plan(text).id)}


def approved(lab: Lab, text: str = POLICY) -> str:
    lab.also.append(listing(lab, BUCKET))
    return lab.approved(text)


def test_what_was_replaced_long_ago_goes_and_the_newest_of_each_key_stay(lab: Lab) -> None:
    _, _, newest, current = history(lab)
    plan = approved(lab)
    assert steps.apply(lab.run(), plan).is_clean
    assert left(lab) == [newest, current]
    found = steps.verify(lab.run(), plan)
    assert (found.is_clean, found.as_planned) == (True, {"version deleted": 2})


def test_an_action_names_the_version_and_nothing_can_be_taken_back(lab: Lab) -> None:
    history(lab)
    plan = approved(lab)
    (line,) = lab.lines(plan)
    assert (line.path, line.action_count, line.action_bytes) == ("delete-version", 2, 2 * GIB)
    assert line.reason == "2 versions replaced more than 30d ago; 1 stay: the newest noncurrent of its key"
    assert (line.saving_usd_month, line.cost_usd_month) == (line.cost_usd_month, line.saving_usd_month)
    assert line.saving_usd_month > 0
    whole = steps.show(lab.run(), plan)
    assert whole.totals.objects_for_good == 2
    assert "For good: 2 objects go" in plan_markdown(whole, [line])
    steps.apply(lab.run(), plan)
    assert [chunk.results for chunk in steps.undo(lab.run(), plan, "Ada").chunks] == [{}]


@pytest.mark.parametrize("keep, stay", [(0, 1), (1, 2), (2, 3), (3, 4)])
def test_as_many_noncurrent_versions_of_a_key_stay_as_the_policy_says(lab: Lab, keep: int, stay: int) -> None:
    versions = history(lab)
    plan = approved(lab, POLICY.replace("versions: 1", f"versions: {keep}"))
    assert steps.show(lab.run(), plan).totals.delete.objects == 4 - stay
    steps.apply(lab.run(), plan)
    assert left(lab) == versions[-stay:]


def test_age_counts_from_the_day_a_version_was_replaced(lab: Lab) -> None:
    written(lab, "data/old", 400)
    written(lab, "data/old", 29)
    written(lab, "data/older", 400)
    written(lab, "data/older", 31, is_marker=True)
    lines = planned(lab, POLICY.replace("versions: 1", "versions: 0"))
    assert (lines["data/"].action_count, "1 stay: too young" in lines["data/"].reason) == (1, True)


def test_a_version_that_is_shown_again_since_the_plan_stays(lab: Lab) -> None:
    versions = history(lab)
    plan = approved(lab)
    for newer in versions[1:]:
        memory(lab).delete_version(BUCKET, newer.key, newer.version_id or "")
    assert not steps.apply(lab.run(), plan).is_clean
    assert left(lab) == versions[:1]


def test_a_version_that_became_one_of_the_newest_since_the_plan_stays(lab: Lab) -> None:
    _, older, newest, current = history(lab)
    plan = approved(lab)
    memory(lab).delete_version(BUCKET, newest.key, newest.version_id or "")
    assert not steps.apply(lab.run(), plan).is_clean
    assert left(lab) == [older, current]


def test_a_version_that_is_listed_with_another_content_stays(lab: Lab) -> None:
    versions = history(lab)
    plan = approved(lab)
    other = replace(versions[0], etag="written anew")
    memory(lab).buckets[BUCKET].keys["data/a.bin"][0] = other
    steps.apply(lab.run(), plan)
    assert left(lab) == [other, *versions[2:]]


def test_what_is_overwritten_again_since_the_plan_changes_nothing_of_it(lab: Lab) -> None:
    _, _, newest, current = history(lab)
    plan = approved(lab)
    again = written(lab, "data/a.bin", -0.1)
    assert steps.apply(lab.run(), plan).is_clean
    assert left(lab) == [newest, current, again]


@pytest.mark.parametrize("versioning", ["off", "suspended"])
def test_versioning_that_was_switched_since_the_plan_is_refused(lab: Lab, versioning: str) -> None:
    history(lab)
    plan = approved(lab)
    memory(lab).buckets[BUCKET].versioning = versioning  # type: ignore[assignment]
    with pytest.raises(NotEnforced):
        steps.apply(lab.run(), plan)
    assert len(left(lab)) == 4


@pytest.mark.parametrize("versioning, words", [("off", "keeps no versions"), ("suspended", "is suspended")])
def test_versions_of_a_bucket_that_keeps_none_are_left_alone(lab: Lab, versioning: str, words: str) -> None:
    history(lab)
    memory(lab).buckets[BUCKET].versioning = versioning  # type: ignore[assignment]
    line = planned(lab)["data/"]
    assert (line.rule, words in line.reason) == ("doubt", True)


def test_a_marker_with_nothing_behind_it_goes_and_one_that_hides_a_version_stays(lab: Lab) -> None:
    written(lab, "data/gone", 40, is_marker=True)
    young = written(lab, "data/young", 5, is_marker=True)
    hidden, hiding = written(lab, "data/hidden", 60), written(lab, "data/hidden", 50, is_marker=True)
    plan = approved(lab, MARKERS)
    assert steps.apply(lab.run(), plan).is_clean
    assert (left(lab, "data/gone"), left(lab, "data/young")) == ([], [young])
    assert left(lab, "data/hidden") == [hidden, hiding]
    assert steps.verify(lab.run(), plan).as_planned == {"version deleted": 1}


def test_a_marker_stays_whose_key_has_data_again_since_the_plan(lab: Lab) -> None:
    marker = written(lab, "data/gone", 40, is_marker=True)
    plan = approved(lab, MARKERS)
    again = written(lab, "data/gone", -0.1)
    steps.apply(lab.run(), plan)
    assert left(lab, "data/gone") == [marker, again]


def test_versions_in_a_protected_checkpoint_stay(lab: Lab) -> None:
    lab.save(100, 90, bucket=BUCKET, is_protected=True, protected_because="registered as m")
    lab.save(100, 80, bucket=BUCKET)
    lab.saves.pop()
    lab.save(200, 90, bucket=BUCKET)
    lab.save(200, 80, bucket=BUCKET)
    lab.saves.pop()
    lines = planned(lab, POLICY.replace("versions: 1", "versions: 0"))
    kept = lines["runs/chat/checkpoint-100/"]
    assert (kept.rule, kept.reason) == ("protected", "3 stay: in a protected checkpoint")
    assert lines["runs/chat/checkpoint-200/"].decision == "delete"


def test_a_folder_that_somebody_needs_or_pinned_is_left_alone(lab: Lab) -> None:
    history(lab, "data/a.bin")
    history(lab, "other/a.bin")
    lines = planned(lab, claims=[("paper", "s3://acme-datasets/data/sub")])
    assert (lines["data/"].rule, "paper" in lines["data/"].reason) == ("protected", True)
    assert lines["other/"].decision == "delete"


@pytest.mark.parametrize("pin", ["data/PINNED", "PINNED"])
def test_a_pin_in_or_above_the_folder_since_the_plan_protects(lab: Lab, pin: str) -> None:
    history(lab)
    plan = approved(lab)
    written(lab, pin, -0.1, size=0)
    with pytest.raises(Protected, match="pinned"):
        steps.apply(lab.run(), plan)
    assert len(left(lab)) == 4


def test_what_is_locked_stays(lab: Lab) -> None:
    versions = history(lab)
    memory(lab).buckets[BUCKET].keys["data/a.bin"][0] = replace(versions[0], hold="legal hold")
    line = planned(lab)["data/"]
    assert (line.action_count, "1 stay: locked or on hold" in line.reason) == (1, True)


def test_a_failed_check_and_an_old_listing_protect_a_bucket(lab: Lab) -> None:
    history(lab)
    lab.failed_gates.append(("fresh", BUCKET, "old"))
    assert planned(lab)["data/"].rule == "gate"


def test_a_listing_that_is_older_than_the_policy_allows_protects(lab: Lab) -> None:
    history(lab)
    line = planned(lab, days_old=4)["data/"]
    assert (line.rule, "last listed on" in line.reason) == ("doubt", True)


def test_a_listing_of_current_objects_says_nothing_and_the_plan_says_why(lab: Lab) -> None:
    history(lab)
    lab.also.append(listing(lab, BUCKET, has_versions=False))
    lab.publish()
    text = POLICY.replace('"s3://acme-datasets"]', '"s3://acme-datasets", "s3://elsewhere"]')
    made = lab.plan(text)
    assert not made.has_changes
    said = " ".join(made.warnings)
    assert "s3://acme-datasets names current objects only" in said
    assert "no listing of s3://elsewhere has landed" in said
    assert set(made.warnings) <= set(steps.try_policy(lab.run(), parse_policy(text, origin="p")).notes)


def test_prefixes_and_odd_keys_are_exact(lab: Lab) -> None:
    odd = "it's {slice} {directory}\n[a]*%_/é {cutoff}"
    history(lab, odd)
    history(lab, "its/é")
    prefix = "it's {slice} {directory}\\n[a]*%_/"
    text = POLICY.replace('datasets"]', f'datasets"], prefixes: ["{prefix}"]')
    plan = approved(lab, text)
    assert steps.apply(lab.run(), plan).is_clean
    assert (len(left(lab, odd)), len(left(lab, "its/é"))) == (2, 4)


def test_a_large_folder_is_cut_and_all_of_it_goes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.facts.versions.VERSIONS_TOGETHER", 3)
    for number in range(4):
        history(lab, f"data/{number}")
    plan = approved(lab)
    assert [line.action_count for line in lab.lines(plan)] == [3, 3, 2]
    assert steps.apply(lab.run(), plan).is_clean
    assert [len(left(lab, f"data/{number}")) for number in range(4)] == [2] * 4


def test_why_is_about_what_lies_right_in_a_folder(lab: Lab) -> None:
    history(lab)
    plan = approved(lab)
    uri = f"s3://{BUCKET}/data/a.bin"
    assert steps.why(lab.run(), plan, uri).decision == "delete"
    with pytest.raises(NotFound):
        steps.why(lab.run(), plan, f"s3://{BUCKET}/data/below/a.bin")


def test_another_plan_takes_what_grew_old_since(lab: Lab) -> None:
    history(lab)
    steps.apply(lab.run(), approved(lab))
    lab.as_of = lab.as_of + timedelta(days=30)
    lab.publish("two")
    assert not lab.plan(POLICY).has_changes


@pytest.mark.parametrize("text", [POLICY, MARKERS])
@pytest.mark.parametrize(
    "old, new, words",
    [
        (", irreversible: true", "", "for good"),
        ("delete: {after: 30d, irreversible: true}", "archive: {after: 7d, to: GLACIER_IR}", "for good"),
        ("delete:", "keep: {latest: 2}\ndelete:", "says nothing about"),
    ],
)
def test_a_policy_that_could_not_mean_what_it_says_is_refused(
    text: str, old: str, new: str, words: str
) -> None:
    with pytest.raises(UnsafePolicy, match=words):
        parse_policy(text.replace("keep: {versions: 1}\n", "").replace(old, new), origin="p")


def test_what_undoing_a_clean_up_may_need_is_not_deleted() -> None:
    with pytest.raises(UnsafePolicy, match="undoing"):
        parse_policy(POLICY.replace("30d", "6d"), origin="p")


def test_versions_are_kept_by_policies_about_versions_only() -> None:
    text = POLICY.replace("noncurrent", "checkpoint")
    with pytest.raises(UnsafePolicy, match=r"'versions' says nothing about complete checkpoints"):
        parse_policy(text, origin="p")


def test_both_policies_are_explained() -> None:
    said = " ".join(sentences(parse_policy(POLICY, origin="p")))
    assert "About noncurrent versions in s3://acme-datasets." in said
    assert "every current version, and the newest noncurrent version of each key" in said
    assert "Deleted for good 30d after a newer version or a delete marker took their place" in said
    assert "and 10 folders" in said
    said = " ".join(sentences(parse_policy(MARKERS, origin="p")))
    assert "every marker that hides a version" in said
    assert "Removed for good 30d after they were written" in said


def decided(known: BucketCapability | None, text: str = POLICY, **staying: int) -> tuple[str, str]:
    artifact = Artifact(
        "s3://b/d/", "s3://b/d/", "b", "d", "", None, None, "hidden", "", "noncurrent",
        is_latest=False, is_best=False, is_protected=False, protected_because="", object_count=1,
        size_bytes=1, last_modified_at=None, cost_usd_month=None,  # type: ignore[arg-type]
    )  # fmt: skip
    if known and known.scheme == "gs":
        artifact = replace(artifact, uri="gs://b/d/")
    around = Surroundings("s", date(2026, 11, 20), capabilities={known.place: known} if known else {})
    policy = parse_policy(text, origin="p")
    found = next(decide_versions([VersionSet(artifact, not staying, Staying(**staying))], around, policy))
    return found.rule, found.reason


@pytest.mark.parametrize(
    "known, rule",
    [
        (None, "doubt"),
        (enforcing("on", is_enforced=False), "delete"),
        (enforcing("off"), "doubt"),
        (replace(enforcing("off"), scheme="gs"), "delete"),
        (replace(enforcing("off"), scheme="gs", soft_delete_days=7), "doubt"),
    ],
)
def test_a_version_is_safe_to_name_only_where_the_bucket_keeps_versions(
    known: BucketCapability | None, rule: str
) -> None:
    assert decided(known)[0] == rule


def test_where_nothing_is_due_what_protects_most_is_the_rule() -> None:
    known = enforcing("on")
    assert decided(known, young=2, protected=1) == ("protected", "1 stay: in a protected checkpoint")
    assert decided(known, undated=2) == ("doubt", "2 stay: replaced nobody says when")
    several = POLICY.replace("versions: 1", "versions: 3")
    assert decided(known, several, newest=2)[1] == "2 stay: among the 3 newest noncurrent of its key"


def test_on_a_real_protocol_versions_and_markers_go_and_the_bucket_shows_the_same(
    serve: Callable[..., Lab],
) -> None:
    def fill(made: Lab) -> None:
        for days_old in (90, 60, 40, 35):
            stored(made, "data/é a.bin", days_old)
        stored(made, "data/gone", 60)
        stored(made, "data/gone", 50, is_delete_marker=True)
        stored(made, "data/hidden", 60)
        stored(made, "data/hidden", 50, is_delete_marker=True)

    lab = serve(fill)
    lab.provider.delete_version(BUCKET, "data/gone", "v60")
    before = lab.classes(BUCKET)
    lab.also.append(listing(lab, BUCKET))
    for text, gone in ((POLICY, 2), (MARKERS, 1)):
        plan = lab.approved(text)
        assert steps.apply(lab.run(), plan).is_clean
        assert steps.verify(lab.run(), plan).as_planned == {"version deleted": gone}
    assert lab.classes(BUCKET) == before
    there = {(state.key, state.version_id) for state in lab.provider.versions(BUCKET, "")}
    assert there == {
        ("data/é a.bin", "v40"),
        ("data/é a.bin", "v35"),
        ("data/hidden", "v60"),
        ("data/hidden", "v50"),
    }


def stored(lab: Lab, key: str, days_old: float, *, is_delete_marker: bool = False) -> None:
    at = (lab.ends_at - timedelta(days=days_old)).replace(microsecond=0)
    item = declare(BUCKET, key, 1000, at)
    lab.put(replace(item, version_id=f"v{days_old}", is_delete_marker=is_delete_marker))


class GoogleLab(Lab):
    """A lab over the fake of Cloud Storage."""

    def run(self, **changes: object) -> steps.Run:
        return super().run(**{"clouds": {"gs": self.provider}, **changes})


@pytest.mark.parametrize("soft_delete", ["0", "604800"])
def test_on_cloud_storage_generations_go_and_what_is_soft_deleted_is_no_version(
    tmp_path: Path, soft_delete: str
) -> None:
    with serving_gcs() as world:
        lab = GoogleLab(tmp_path, world.provider)
        lab.registered()
        world.server.clock.now = lab.ends_at.replace(tzinfo=UTC) - timedelta(days=90)
        policy = {"softDeletePolicy": {"retentionDurationSeconds": soft_delete}}
        world.server.add_bucket("acme-gcs", versioning={"enabled": True}, **policy)
        for _ in range(4):
            world.server.put("acme-gcs", "data/a.bin", b"some bytes")
            world.server.clock.advance(timedelta(days=20))
        kept = list(world.provider.versions("acme-gcs", ""))[2:]
        lab.also.append(listing(lab, "acme-gcs"))
        plan = lab.approved(POLICY.replace("s3://acme-datasets", "gs://acme-gcs"))
        assert steps.apply(lab.run(), plan).is_clean
        assert steps.verify(lab.run(), plan).as_planned == {"version deleted": 2}
        found = list(world.provider.versions("acme-gcs", "data/"))
        assert [state for state in found if not state.is_soft_deleted] == kept
        assert len(found) == (2 if soft_delete == "0" else 4)


def test_a_policy_is_tried_on_a_bucket_that_does_not_answer_by_what_its_list_shows(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> None:
        raise Transient("it does not answer", where="s3://acme-datasets", fix="Wait.")

    history(lab)
    lab.also.append(listing(lab, BUCKET))
    lab.publish()
    monkeypatch.setattr(MemoryProvider, "settings", break_off)
    found = steps.try_policy(lab.run(), steps.read_policy(lab.policy(POLICY)))
    assert found.totals.delete.objects == 2
    assert any("keeps versions, as its list shows some" in note for note in found.notes)
