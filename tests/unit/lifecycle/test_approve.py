"""Who has to say yes, and that one person never counts as two."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.approve import person
from lifecycle.errors import PlanRefused
from lifecycle.records.audit import AUDIT, check
from pipelines.errors import Terminal

from .conftest import POLICY

if TYPE_CHECKING:
    from .conftest import Lab

# The lab's plan deletes 3 objects and archives 2 of more than 128 KiB: 6 GiB, 0.12 USD a month.
FIVE_OBJECTS, SIX_GIB = 5, "6442450944"


def two_people(above: str) -> str:
    return f"{POLICY}approval: {{two_people_above: {{{above}}}}}\n"


def planned(lab: Lab, text: str) -> steps.PlanReport:
    lab.fill()
    lab.publish()
    return lab.plan(text)


def refused(lab: Lab, plan: str, words: str) -> PlanRefused:
    """Apply a plan that must be refused, and see that nothing was changed."""
    before = lab.classes()
    with pytest.raises(PlanRefused, match=words) as caught:
        steps.apply(lab.run(), plan)
    assert lab.classes() == before
    assert not list((lab.home / "lake" / "plans" / plan).glob("receipts/*"))
    return caught.value


@pytest.mark.parametrize(
    "above, reached",
    [
        (f"objects: {FIVE_OBJECTS}", "5 objects"),
        ("bytes: 3GiB", "bytes"),
        ("usd_month: 0.01", "USD a month"),
        ("irreversible: true", "3 objects for good"),
        ("objects: 1000000, irreversible: true", "3 objects for good"),
    ],
)
def test_a_plan_that_reaches_any_of_them_needs_two_people(lab: Lab, above: str, reached: str) -> None:
    plan = planned(lab, two_people(above)).id
    nobody = refused(lab, plan, "nobody approved").what
    assert "two people have to, as it changes" in nobody
    assert reached in nobody
    steps.approve(lab.run(), plan, "Ada")
    error = refused(lab, plan, "a second person has to approve")
    assert reached in error.what
    assert f"moraine-lifecycle approve {plan}" in error.fix
    assert "--by NAME" in error.fix
    assert steps.second_needed(lab.run(), plan)
    steps.approve(lab.run(), plan, "Grace")
    assert not steps.second_needed(lab.run(), plan)
    assert steps.apply(lab.run(), plan).is_finished


@pytest.mark.parametrize(
    "above", ["objects: 6", "bytes: 1TiB", "usd_month: 1000", "objects: 6, bytes: 1TiB, usd_month: 1000"]
)
def test_a_plan_that_reaches_none_of_them_needs_one(lab: Lab, above: str) -> None:
    plan = planned(lab, two_people(above)).id
    steps.approve(lab.run(), plan, "Ada")
    assert not steps.second_needed(lab.run(), plan)
    assert steps.apply(lab.run(), plan).is_finished


def test_what_can_be_undone_is_not_irreversible(lab: Lab) -> None:
    lab.save(100, 120, bucket="acme-datasets")
    lab.save(400, 10, bucket="acme-datasets")
    lab.publish()
    plan = lab.plan(two_people("irreversible: true")).id
    steps.approve(lab.run(), plan, "Ada")
    assert not steps.second_needed(lab.run(), plan)


@pytest.mark.parametrize(
    "again",
    [
        "Ada Lovelace",
        " ada  LOVELACE ",
        "ADA\tLOVELACE",
        "Ada\u200b Lovelace",
        "\uff21da Lovelace",
        "A\u00adda Lovelace",
    ],
)
def test_the_same_person_twice_counts_once(lab: Lab, again: str) -> None:
    plan = planned(lab, two_people("irreversible: true")).id
    steps.approve(lab.run(), plan, "Ada Lovelace")
    steps.approve(lab.run(), plan, again)
    refused(lab, plan, "a second person")
    with pytest.raises(PlanRefused, match="alone said yes"):
        steps.approve(lab.run(), plan, again, is_second=True)
    assert len(list((lab.home / "lake" / "plans" / plan / "approvals").iterdir())) == 2


def test_names_that_differ_are_different_people() -> None:
    assert len({person(name) for name in ("Ada", "Adam", "Ada L.", "\u00c5da", "ada@example.com")}) == 5
    assert person("STRASSE") == person("stra\u00dfe")


def test_a_name_that_nobody_sees_is_no_name(lab: Lab) -> None:
    plan = planned(lab, POLICY).id
    with pytest.raises(Terminal, match="needs the name"):
        steps.approve(lab.run(), plan, "\u200b \u2060")


def test_an_approval_of_another_fingerprint_is_no_second_one(lab: Lab) -> None:
    first = planned(lab, two_people("irreversible: true"))
    second = lab.plan(two_people("irreversible: true").replace("30d", "31d"))
    steps.approve(lab.run(), first.id, "Ada")
    steps.approve(lab.run(), second.id, "Grace")
    copied = Path(second.path) / "approvals" / "0001.json"
    (Path(first.path) / "approvals" / "0002.json").write_text(copied.read_text())
    refused(lab, first.id, "a second person")


def test_an_approval_for_a_shorter_time_ends_then_and_never_after_the_plan(lab: Lab) -> None:
    made = planned(lab, POLICY)
    short = steps.approve(lab.run(), made.id, "Ada", lasting=timedelta(hours=4))
    long = steps.approve(lab.run(), made.id, "Grace", lasting=timedelta(days=30))
    assert short.expires_at == lab.now + timedelta(hours=4)
    assert long.expires_at == made.expires_at
    with pytest.raises(Terminal, match="no time"):
        steps.approve(lab.run(), made.id, "Ada", lasting=timedelta())


def test_an_approval_whose_time_is_over_counts_for_nothing(lab: Lab) -> None:
    plan = planned(lab, two_people("irreversible: true")).id
    steps.approve(lab.run(), plan, "Ada", lasting=timedelta(hours=4))
    steps.approve(lab.run(), plan, "Grace")
    later = lab.run(now=lab.now + timedelta(hours=4))
    before = lab.classes()
    with pytest.raises(PlanRefused, match="a second person"):
        steps.apply(later, plan)
    assert lab.classes() == before
    steps.approve(later, plan, "Ada", is_second=True)
    assert steps.apply(later, plan).is_finished


def test_an_approval_says_who_when_why_and_of_what_and_is_in_the_log(lab: Lab) -> None:
    made = planned(lab, POLICY)
    steps.approve(lab.run(), made.id, " Ada ", " old runs ")
    said = json.loads((Path(made.path) / "approvals" / "0001.json").read_text())
    assert said == {
        "by": "Ada",
        "reason": "old runs",
        "at": lab.now.isoformat() + "Z",
        "fingerprint": made.fingerprint,
        "expires_at": made.expires_at.isoformat() + "Z",
    }
    entry = check(lab.home / "lake" / "plans").entries[-1]
    assert (entry.event, entry.by, entry.plan_id) == ("approved", "Ada", made.id)


def test_a_plan_says_that_it_needs_two_people(lab: Lab) -> None:
    made = planned(lab, two_people("irreversible: true"))
    assert made.warnings[0] == "two different people have to approve this, as it changes 3 objects for good"


def slip_in(made: steps.PlanReport, **changes: str) -> Path:
    """Put a file beside a plan that looks like an approval."""
    folder = Path(made.path) / "approvals"
    folder.mkdir(exist_ok=True)
    path = folder / f"{len(list(folder.iterdir())) + 1:04d}.json"
    until = made.expires_at.isoformat() + "Z"
    said = {"by": "Mallory", "reason": "", "at": until, "fingerprint": made.fingerprint, "expires_at": until}
    path.write_text(json.dumps({**said, **changes}))
    return path


def test_an_approval_that_the_log_does_not_know_counts_for_nothing(lab: Lab) -> None:
    made = planned(lab, POLICY)
    slip_in(made)
    error = refused(lab, made.id, "the audit log knows of no approval by Mallory")
    assert f"Approve again: moraine-lifecycle approve {made.id} --by NAME" in error.fix
    steps.approve(lab.run(), made.id, "Ada")
    assert steps.apply(lab.run(), made.id).is_finished


def test_an_approval_that_the_log_does_not_know_is_no_second_one(lab: Lab) -> None:
    made = planned(lab, two_people("irreversible: true"))
    steps.approve(lab.run(), made.id, "Ada")
    slip_in(made)
    refused(lab, made.id, "knows of no approval by Mallory")
    assert steps.second_needed(lab.run(), made.id)
    steps.approve(lab.run(), made.id, "Grace")
    assert steps.apply(lab.run(), made.id).is_finished


def test_an_approval_that_was_edited_since_counts_for_nothing(lab: Lab) -> None:
    made = planned(lab, POLICY)
    steps.approve(lab.run(), made.id, "Ada", lasting=timedelta(hours=1))
    path = Path(made.path) / "approvals" / "0001.json"
    path.write_text(path.read_text().replace("07:00:00", "23:00:00"))
    refused(lab, made.id, "knows of no approval by Ada")


def test_an_approval_that_is_older_than_the_log_has_to_be_given_again(lab: Lab) -> None:
    made = planned(lab, POLICY)
    steps.approve(lab.run(), made.id, "Ada")
    (Path(made.path).parent / AUDIT).unlink()
    assert "Approve again:" in refused(lab, made.id, "knows of no approval by Ada").fix
    steps.approve(lab.run(), made.id, "Ada")
    assert steps.apply(lab.run(), made.id).is_finished


def test_a_log_that_was_edited_is_no_witness_and_takes_no_approval(lab: Lab) -> None:
    made = planned(lab, POLICY)
    log = Path(made.path).parent / AUDIT
    steps.approve(lab.run(), made.id, "Ada")
    planned_line, approved_line = log.read_text().splitlines()
    log.write_text(f"{planned_line.replace(made.id, 'x')}\n{approved_line}\n")
    assert "Move the log to a safe place" in refused(lab, made.id, "knows of no approval by Ada").fix
    with pytest.raises(Terminal, match="broken at line 1, so it is no witness"):
        steps.approve(lab.run(), made.id, "Grace")
    log.rename(log.with_suffix(".broken"))
    steps.approve(lab.run(), made.id, "Ada")
    assert steps.apply(lab.run(), made.id).is_finished
