from dataclasses import replace

import approval
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from approval import Answer, Person

from pipelines.errors import Refused
from tests.dags.fake_steps import fake_plan

ADA: Person = {"id": "7", "name": "ada"}


def answer(choice: str = "Approve", by: Person | None = ADA, form: dict[str, str] | None = None) -> Answer:
    return {"chosen_options": [choice], "params_input": form or {}, "responded_by_user": by}


def test_the_question_shows_what_would_change_and_how_to_read_more() -> None:
    asked = approval.question(fake_plan("stale-checkpoints"))
    assert asked["plan"] == "stale-checkpoints"
    assert asked["subject"] == "Clean up by stale-checkpoints: 3 objects?"
    for said in (
        "| delete | 3 objects, 4,096 bytes |",
        "| gone for good | 3 objects |",
        "1,234.57 USD a month",
    ):
        assert said in asked["body"]
    assert "- this is not undone by itself" in asked["body"]
    assert "valid until 2026-11-22 08:30 UTC" in asked["body"]
    assert "`moraine-lifecycle show stale-checkpoints`" in asked["body"]


def test_only_what_leaves_no_version_behind_is_gone_for_good() -> None:
    plan = fake_plan("stale-checkpoints")
    plan.totals = replace(plan.totals, objects_for_good=0)
    assert "| gone for good | 0 objects |" in approval.question(plan)["body"]


def test_a_second_person_is_told_why_and_sees_the_same() -> None:
    plan = fake_plan("stale-checkpoints")
    first, second = approval.question(plan), approval.second_question(plan, "3 objects for good")
    assert second["subject"] == "Second yes: Clean up by stale-checkpoints: 3 objects?"
    assert "Somebody else has to, too, as it changes 3 objects for good." in second["body"]
    assert second["body"].endswith(first["body"])


def test_where_one_is_enough_nobody_else_is_asked() -> None:
    with pytest.raises(AirflowSkipException, match="one person is enough"):
        approval.second_question(fake_plan("stale-checkpoints"), "")


def test_a_plan_with_nothing_to_do_asks_nobody() -> None:
    with pytest.raises(AirflowSkipException, match="nothing to do"):
        approval.question(fake_plan("nothing-to-do"))


def test_a_yes_counts_under_the_name_of_who_gave_it() -> None:
    assert approval.approver(answer(form={"reason": "old runs"}), "p1") == ("ada", "old runs")


def test_a_yes_needs_no_reason() -> None:
    assert approval.approver(answer(), "p1") == ("ada", "")


def test_who_has_no_name_is_known_by_id() -> None:
    assert approval.approver(answer(by={"id": "7", "name": ""}), "p1") == ("7", "")


@pytest.mark.parametrize(
    "nobody",
    [None, answer(by=None), answer(by={"id": " ", "name": ""})],
    ids=["the question was passed by", "no person", "no name"],
)
def test_an_approval_by_nobody_is_refused(nobody: Answer | None) -> None:
    with pytest.raises(Refused, match="no name on it") as refused:
        approval.approver(nobody, "p1")
    assert "moraine-lifecycle approve p1 --by NAME" in refused.value.fix


def test_a_no_ends_the_matter() -> None:
    with pytest.raises(AirflowSkipException, match="rejected by ada"):
        approval.approver(answer("Reject"), "p1")


def test_silence_is_a_no() -> None:
    with pytest.raises(AirflowSkipException, match="time ran out"):
        approval.approver(answer("Reject", by=None), "p1")
