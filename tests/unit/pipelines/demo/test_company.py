"""The company is the same every time, and holds what hurts in real life."""

from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from pipelines.demo import Company, make_company
from pipelines.demo.objects import StoredObject
from pipelines.demo.training import RUNS, SERVED


def below(company: Company, uri: str) -> list[StoredObject]:
    return [item for item in company.objects if item.uri == uri or item.uri.startswith(uri + "/")]


def test_the_same_day_gives_the_same_company(company: Company) -> None:
    assert make_company(company.as_of) == company


@pytest.mark.parametrize("as_of", [date(2026, 3, 1), date(2026, 1, 5), date(2024, 2, 29)])
def test_any_day_gives_a_company_of_the_same_shape(company: Company, as_of: date) -> None:
    other = make_company(as_of)

    assert len(other.objects) == len(company.objects)
    assert all(item.modified_at < other.midnight for item in other.objects)


def test_no_object_or_version_exists_twice(company: Company) -> None:
    names = Counter((item.bucket, item.key, item.version_id) for item in company.objects)

    assert names.most_common(1)[0][1] == 1


def test_the_company_is_small_in_objects_and_large_in_bytes(company: Company) -> None:
    assert 2000 < len(company.objects) < 3500
    assert 50e12 < sum(item.size_bytes for item in company.objects) < 150e12
    assert sum(len(item.body) for item in company.objects) < 1e6


def test_four_frameworks_save_for_four_teams() -> None:
    assert {type(run.framework).__name__ for run in RUNS} == {
        "HuggingFace",
        "Lightning",
        "DeepSpeed",
        "Orbax",
    }
    assert {run.team for run in RUNS} == {"nlp", "vision", "speech", "platform"}
    assert all(10 <= run.saves <= 25 for run in RUNS)


def test_saves_of_a_run_follow_one_another() -> None:
    for run in RUNS:
        times = [run.saved_at(number, date(2026, 11, 19)) for number in range(run.saves)]
        assert times == sorted(times)


def test_the_served_save_is_old_and_neither_best_nor_latest(company: Company) -> None:
    expected = company.expectations
    newest = max(item.modified_at for item in below(company, expected.served))

    assert newest < company.midnight - timedelta(days=47)
    assert expected.served not in (*expected.best, *expected.latest, *expected.stale)
    assert [entry.source for entry in company.registrations if entry.stage == "Production"] == [
        expected.served
    ]
    assert SERVED[0].framework.__class__.__name__ == "HuggingFace"


def test_the_best_saves_are_old_complete_and_not_the_latest(company: Company) -> None:
    for uri in company.expectations.best:
        (item,) = below(company, uri)
        losses = [
            float(other.key.rpartition("val_loss=")[2].removesuffix(".ckpt"))
            for other in company.objects
            if "val_loss=" in other.key and other.key.rpartition("/")[0] == item.key.rpartition("/")[0]
        ]
        assert f"val_loss={min(losses):.3f}" in uri
        assert losses.count(min(losses)) == 1
        assert uri not in company.expectations.latest
        assert item.modified_at < company.midnight - timedelta(days=45)


def test_the_interrupted_save_has_the_highest_step_and_lacks_a_shard_and_its_state(company: Company) -> None:
    leaves = {item.key.rpartition("/")[2] for item in below(company, company.expectations.interrupted)}

    assert "model-00005-of-00006.safetensors" in leaves
    assert not leaves & {"model-00006-of-00006.safetensors", "trainer_state.json"}
    run, _, step = company.expectations.interrupted.rpartition("/checkpoint-")
    assert int(step) == max(
        int(item.uri.removeprefix(f"{run}/checkpoint-").partition("/")[0])
        for item in company.objects
        if item.uri.startswith(f"{run}/checkpoint-")
    )


def test_the_abandoned_save_never_got_its_final_name(company: Company) -> None:
    assert below(company, company.expectations.abandoned)
    assert not below(company, company.expectations.abandoned.partition(".orbax-checkpoint-tmp-")[0])


def test_the_failed_run_never_finished_a_save(company: Company) -> None:
    run = company.expectations.failed.rpartition("/")[0]
    items = below(company, run)

    assert items == below(company, company.expectations.failed)
    assert not any(item.key.endswith("/trainer_state.json") for item in items)


def test_orphans_lie_before_a_gap_that_no_save_fills(company: Company) -> None:
    def step(uri: str) -> int:
        return int(uri.rpartition("-step=")[2].partition("-")[0])

    orphans = company.expectations.orphaned
    folder = orphans[0].rpartition("/")[0]
    steps = sorted(step(item.uri) for item in below(company, folder) if "-step=" in item.key)
    gaps = {after: after - before for before, after in pairwise(steps)}

    newest = max(step(uri) for uri in orphans)
    assert any(step > newest and gap > 3 * min(gaps.values()) for step, gap in gaps.items())
    assert not set(orphans) & {*company.expectations.best, *company.expectations.latest}
    assert all(len(below(company, uri)) == 1 for uri in orphans)


def test_the_duplicate_has_the_bytes_of_an_older_save(company: Company) -> None:
    (copy,) = below(company, company.expectations.duplicate)
    (original,) = (item for item in company.objects if item.etag == copy.etag and item is not copy)

    assert original.size_bytes == copy.size_bytes
    assert original.modified_at < copy.modified_at


def test_the_active_run_saved_on_the_last_day(company: Company) -> None:
    newest = max(item.modified_at for item in below(company, company.expectations.active_run))

    assert newest.date() == company.as_of
    assert not [uri for uri in company.expectations.stale if uri.startswith(company.expectations.active_run)]


def test_stale_saves_exist_and_are_older_than_the_policy_asks(company: Company) -> None:
    for uri in company.expectations.stale:
        newest = max(item.modified_at for item in below(company, uri))
        assert newest < company.midnight - timedelta(days=46)
    assert len(company.expectations.stale) > 20


def test_difficult_keys_lie_inside_a_stale_save(company: Company) -> None:
    stale = tuple(uri + "/" for uri in company.expectations.stale)
    keys = {item.uri for item in company.objects}

    for uri in company.expectations.hostile:
        assert uri in keys
        assert uri.startswith(stale)
    odd = "".join(company.expectations.hostile)
    assert all(character in odd for character in " +%=ö")


def test_look_alikes_are_there(company: Company) -> None:
    keys = {item.uri for item in company.objects}

    assert keys.issuperset(company.expectations.lookalikes)
    assert any("_delta_log" in uri for uri in company.expectations.lookalikes)
    assert any("/checkpoint-100/" in uri for uri in company.expectations.lookalikes)


def test_uploads_were_forgotten_weeks_ago_and_weigh_little_against_the_bucket(company: Company) -> None:
    assert len(company.uploads) == 3
    assert all(upload.initiated_at < company.midnight - timedelta(weeks=3) for upload in company.uploads)
    bucket = sum(item.size_bytes for item in company.objects_of("acme-training"))
    assert 0 < sum(upload.size_bytes for upload in company.uploads) < bucket * 0.01


def test_the_versioned_bucket_has_versions_behind_others_and_delete_markers(company: Company) -> None:
    items = list(company.objects_of("acme-datasets"))

    assert all(item.version_id for item in items)
    assert max(Counter(item.key for item in items).values()) > 1
    assert sum(item.is_delete_marker for item in items) == 6
    assert {item.storage_class for item in items} == {"STANDARD", "STANDARD_IA", ""}


def test_an_object_exists_from_its_own_second_on(company: Company) -> None:
    item = next(company.objects_of("acme-training"))

    assert item in company.objects_of("acme-training", item.modified_at)
    assert item not in company.objects_of("acme-training", item.modified_at - timedelta(seconds=1))


def test_the_history_is_sixty_days_that_end_with_the_day(company: Company) -> None:
    assert company.days[0] == date(2026, 9, 21)
    assert company.days[-1] == company.as_of
    assert len(company.days) == 60
    assert company.midnight == datetime(2026, 11, 20)
