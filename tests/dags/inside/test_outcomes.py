from datetime import UTC, datetime

import outcomes
import pytest

from lifecycle.apply import ChunkReport
from lifecycle.steps import ApplyReport
from lifecycle.verify import Verification
from pipelines.errors import Terminal, Transient


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
