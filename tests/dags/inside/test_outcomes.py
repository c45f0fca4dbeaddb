from datetime import UTC, datetime

import outcomes
import pytest

from lifecycle.apply.chunk import ChunkReport
from lifecycle.steps import ApplyReport
from lifecycle.verify.comparison import Verification
from pipelines.errors import Terminal, Transient
from pipelines.steps import Chunk, IngestReport
from tests.dags.fake_steps import damage


def verification(differences: int) -> Verification:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return Verification("p1", "f1", at, {"deleted": 4, "kept": 2}, {}, differences, ())


def test_a_chunk_is_told_by_how_its_actions_ended() -> None:
    chunks = (ChunkReport("a", {"done": 2, "changed": 1}), ChunkReport("b", {"done": 1}))
    assert outcomes.of_chunk(ApplyReport("p1", chunks, is_finished=True)) == {"done": 3, "changed": 1}


def test_actions_without_a_final_outcome_are_tried_again() -> None:
    report = ApplyReport("p1", (ChunkReport("a", {"done": 2, "failed": 1}, left=1),), is_finished=False)
    with pytest.raises(Transient, match="1 actions have no final outcome"):
        outcomes.of_chunk(report)


def test_a_verification_is_told_by_what_was_looked_for() -> None:
    assert outcomes.of_verification(verification(0)) == {"deleted": 4, "kept": 2}


def test_a_bucket_that_is_not_as_planned_fails() -> None:
    with pytest.raises(Terminal, match="3 objects are not as the plan says"):
        outcomes.of_verification(verification(3))


def test_a_source_is_told_by_what_it_brought(caplog: pytest.LogCaptureFixture) -> None:
    report = IngestReport("train", 1, 2, 30, quarantined=(damage(),), warnings=("no permission",))
    assert outcomes.of_source(report) == {
        "source": "train",
        "landed": 1,
        "known": 2,
        "rows": 30,
        "quarantined": 1,
    }
    assert "train: no permission" in caplog.text
    assert "quarantined train d1: a data file is cut short" in caplog.text


def test_chunks_are_handed_on_as_names_and_numbers() -> None:
    chunk = Chunk("train", "s3_inventory", "d1", 0, 4)
    assert [Chunk(**fields) for fields in outcomes.of_search([chunk])] == [chunk]


def test_a_share_is_told_by_how_many_chunks_it_had_and_how_many_were_damaged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert outcomes.of_landing([None, damage(), None]) == {"chunks": 3, "quarantined": 1}
    assert "s3://inventories/d1.csv.gz" in caplog.text


def test_without_damage_there_is_nothing_to_report() -> None:
    assert outcomes.of_quarantine([]) == 0


def test_damage_is_told_with_source_reason_place_and_fix() -> None:
    with pytest.raises(Terminal) as failed:
        outcomes.of_quarantine([damage("d1"), damage("d2")])
    assert str(failed.value) == (
        "2 deliveries are damaged and in quarantine; the night is published all the same\n"
        "  where: train d1: a data file is cut short (s3://inventories/d1.csv.gz)\n"
        "         train d2: a data file is cut short (s3://inventories/d2.csv.gz)\n"
        "  fix:   Have it delivered again."
    )


def test_a_message_names_the_first_of_many_damaged_deliveries() -> None:
    with pytest.raises(Terminal, match="12 deliveries are damaged") as failed:
        outcomes.of_quarantine([damage(f"d{number}") for number in range(12)])
    assert failed.value.where.endswith("… and 2 more")
