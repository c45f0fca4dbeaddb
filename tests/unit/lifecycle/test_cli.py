"""The command line: help, exit codes, one message per error, JSON on standard output alone."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from lifecycle import cli, steps

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
"""The commands read the clock; a plan is valid for a day."""
COMMANDS = (
    *("plan", "show", "why", "approve", "apply", "rules", "verify", "undo", "audit", "canary"),
    "policy check",
)
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setattr(cli._console, "_width", 200)
    monkeypatch.setattr(cli._output, "_width", 200)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["moraine-lifecycle", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def fill(lab: Lab) -> None:
    lab.fill()


@pytest.fixture
def world(serve: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A strict endpoint, a published snapshot of it, and a policy."""
    lab = serve(fill, as_of=YESTERDAY)
    lab.publish()
    monkeypatch.setenv("MORAINE_CONFIG", str(lab.config))
    return lab


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(call: Call, command: str) -> None:
    code, out, _ = call(*command.split(), "--help")
    assert code == 0
    assert "Example: moraine-lifecycle" in out
    assert "--config" in out
    assert "--json" in out


def test_the_program_tells_its_exit_codes(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    for word in ("0 done", "2 the plan has changes", "4 refused"):
        assert word in " ".join(out.split())


def test_the_whole_way_for_machines(call: Call, world: Lab) -> None:
    def answer(expected: int, *words: str) -> Any:  # noqa: ANN401  (a JSON document)
        code, out, err = call(*words, "--json")
        assert code == expected, err
        return json.loads(out)

    made = answer(2, "plan", "--policy", str(world.policy()))
    plan = made["id"]
    assert answer(0, "show", plan)["fingerprint"] == made["fingerprint"]
    uri = f"{world.saves[0].uri}/model.safetensors"
    assert answer(0, "why", plan, uri)["decision"] == "delete"
    assert answer(0, "approve", plan, "--by", "Ada", "--reason", "over")["by"] == "Ada"
    assert answer(0, "apply", plan)["is_finished"]
    assert answer(0, "verify", plan)["difference_count"] == 0
    assert answer(0, "canary", "s3://acme-training")["delete"]


def test_the_whole_way_for_people(call: Call, world: Lab) -> None:
    code, out, err = call("plan", "--policy", str(world.policy()))
    assert code == 2
    assert "checkpoint-100" in out
    assert "next: moraine-lifecycle approve" in err
    plan = next((world.home / "lake" / "plans").glob("*/plan.json")).parent.name
    shown = call("show", plan)[1]
    assert "Why the others stay" in shown
    assert "For good: 3 objects go and cannot be brought back" in shown
    assert "cannot be undone" in call("why", plan, world.saves[0].uri)[1]
    assert "can be undone" in call("why", plan, world.saves[1].uri)[1]
    assert "the newest complete one" in call("why", plan, world.saves[3].uri)[1]
    assert "approved by Ada" in call("approve", plan, "--by", "Ada")[1]
    assert "chunk-00000" in call("apply", plan)[1]
    assert "listed again: as planned" in call("verify", plan)[1]
    assert "enforced" in call("canary", "s3://acme-training")[1]
    code, _, err = call("apply", plan)
    assert code == 4
    assert "used up" in err


def test_a_hand_over_changes_nothing_and_says_how_to_go_on(call: Call, world: Lab) -> None:
    plan, before = world.approved(), world.classes()
    _switch_acls_off(world)
    words = ("apply", plan, "--handover", "--role", "arn:aws:iam::123456789012:role/m", "--with-tags")
    code, out, _ = call(*words, "--manifests", "s3://ops/m")
    assert code == 0
    assert "s3-copy GLACIER_IR" in out
    assert "in no job: 3 objects: it would go for good" in out
    assert world.classes() == before
    assert call("rules", plan)[:2] == (0, "No bucket needs a rule of this plan.\n")
    code, out, _ = call("verify", plan)
    assert code == 3
    assert "2 are left for the cloud's engine" in out
    code, _, err = call("apply", plan)
    assert code == 4
    assert "was handed over" in err


def test_a_role_that_is_none_is_exit_code_1(call: Call, world: Lab) -> None:
    assert call("apply", world.approved(), "--handover", "--role", "admin")[0] == 1
    assert not list((world.home / "lake" / "plans").glob("*/handover*"))


def _switch_acls_off(world: Lab) -> None:
    boto3.client("s3", endpoint_url=world.url).put_bucket_ownership_controls(
        Bucket="acme-training",
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    )


def test_nothing_to_do_is_exit_code_0(call: Call, world: Lab) -> None:
    policy = world.policy()
    policy.write_text(policy.read_text().replace("30d", "300d").replace("90d", "900d"))
    assert call("plan", "--policy", str(policy))[0] == 0


def test_an_unapproved_plan_is_exit_code_4_and_changes_nothing(call: Call, world: Lab) -> None:
    before = world.classes()
    call("plan", "--policy", str(world.policy()))
    plan = next((world.home / "lake" / "plans").glob("*/plan.json")).parent.name
    code, out, err = call("apply", plan)
    assert (code, out) == (4, "")
    assert "nobody approved this plan" in err
    assert "fix:" in err
    assert world.classes() == before


def test_a_changed_object_is_exit_code_3(call: Call, world: Lab) -> None:
    plan = world.approved()
    world.put(world.saves[0].objects[0])
    assert call("apply", plan)[0] == 3
    assert call("verify", plan)[0] == 3
    assert world.saves[0].keys[0] in world.classes()


def test_undo_tells_what_is_back_what_is_gone_for_good_and_what_it_costs(call: Call, world: Lab) -> None:
    plan = world.approved()
    assert "nothing is undone" in call("undo", plan)[1]
    assert call("apply", plan)[0] == 0
    code, out, _ = call("undo", plan, "--by", "Ada", "--reason", "the run goes on")
    assert code == 3
    assert "cannot be undone, as the plan said" in out
    assert "Going back costs" in out
    code, out, _ = call("verify", plan)
    assert code == 3
    assert "3 objects are not as it was" in " ".join(out.split())
    code, out, _ = call("undo", plan, "--json")
    assert code == 3
    assert json.loads(out)["chunks"][0]["results"] == {"done": 2}
    code, _, err = call("apply", plan)
    assert code == 4
    assert "was undone" in err


def test_undoing_everything_is_exit_code_0(call: Call, world: Lab) -> None:
    policy = world.policy().read_text().replace(", irreversible: true", "")
    plan = world.approved(policy)
    before = world.classes()
    assert call("apply", plan)[0] == 0
    assert world.classes() != before
    code, out, _ = call("undo", plan)
    assert code == 0
    assert "Everything is as it was" in out
    assert world.classes() == before


def test_plain_moto_is_refused_before_the_first_change(
    call: Call, serve: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = serve(fill, as_of=YESTERDAY)
    plan = strict.approved()
    plain = serve(lambda lab: [lab.add(made) for made in strict.saves], plain=True, as_of=YESTERDAY)
    before = plain.classes()
    assert len(before) == 12
    monkeypatch.setenv("MORAINE_CONFIG", str(plain.config))
    code, _, err = call("apply", plan)
    assert code == 4
    assert "conditions on copies" in err
    assert plain.classes() == before


@pytest.mark.parametrize(
    "words, code, said",
    [
        (("plan",), 1, "--policy"),
        (("frobnicate",), 1, "frobnicate"),
        (("plan", "--policy", "none.yaml", "--config", "none.yaml"), 1, "no settings file"),
        (("policy", "check", "none.yaml"), 1, "no policy"),
    ],
)
def test_a_wrong_call_is_one_message_and_exit_code_1(
    call: Call, words: tuple[str, ...], code: int, said: str
) -> None:
    ended, out, err = call(*words)
    assert (ended, out) == (code, "")
    assert said in err
    assert "fix:" in err
    assert "Traceback" not in err


def test_a_policy_is_checked_without_settings(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    example = Path(__file__).parents[3] / "lifecycle" / "policies" / "stale-checkpoints.yaml"
    path.write_text(example.read_text())
    assert "Archived to GLACIER_IR" in call("policy", "check", str(path))[1]
    assert json.loads(call("policy", "check", str(path), "--json")[1])["says"]
    path.write_text("name: x\n")
    code, _, err = call("policy", "check", str(path))
    assert code == 4
    assert "empty" in err


def test_a_policy_check_shows_what_it_would_touch_today_and_on_a_past_night(call: Call, lab: Lab) -> None:
    lab.fill()
    lab.publish()
    config, policy = ("--config", str(lab.config)), str(lab.policy())
    code, out, _ = call("policy", "check", policy, *config)
    assert code == 0
    assert "Archived to GLACIER_IR" in out
    for said in ("Nothing is written", "runs/chat", "Limits of a plan", "share_of_bucket", "Note: "):
        assert said in out
    document = json.loads(call("policy", "check", policy, *config, "--json", "--as-of", str(lab.as_of))[1])
    assert document["would_touch"]["totals"]["delete"]["checkpoints"] == 1
    assert call("policy", "check", policy, *config, "--as-of", "2020-01-01")[0] == 1


def test_a_policy_is_explained_where_nothing_is_published_yet(call: Call, lab: Lab) -> None:
    code, out, err = call("policy", "check", str(lab.policy()), "--config", str(lab.config))
    assert code == 0
    assert "Archived to GLACIER_IR" in out
    assert "explained only: nothing was published yet" in err


def test_an_approval_may_last_shorter_and_tells_that_a_second_person_is_needed(
    call: Call, world: Lab
) -> None:
    made = world.plan(world.policy().read_text() + "approval: {two_people_above: {irreversible: true}}\n")
    code, out, err = call("approve", made.id, "--by", "Ada", "--for", "1h")
    assert code == 0
    assert "approved by Ada until" in out
    assert "a second person has to approve it, too: it changes 3 objects for good" in err
    assert call("apply", made.id)[0] == 4
    assert call("approve", made.id, "--by", "Grace", "--for", "soon")[0] == 1
    assert "second person" not in call("approve", made.id, "--by", "Grace")[2]
    assert call("apply", made.id)[0] == 0


def test_a_plan_of_a_past_night_asks_for_no_approval(call: Call, world: Lab) -> None:
    past = world.as_of
    world.as_of = past + timedelta(days=1)
    world.publish("next")
    code, out, err = call("plan", "--policy", str(world.policy()), "--as-of", str(past))
    assert code == 2
    assert "it cannot be applied" in " ".join(out.split())
    assert "a trial on a past night" in err
    assert "next: moraine-lifecycle approve" not in err


def test_an_audit_prints_the_newest_hash_and_ends_with_3_when_something_is_wrong(
    call: Call, lab: Lab
) -> None:
    lab.fill()
    steps.apply(lab.run(), lab.approved())
    config, plans = ("--config", str(lab.config)), lab.home / "lake" / "plans"
    code, out, _ = call("audit", *config)
    assert code == 0
    assert "The chain is whole" in out
    newest = out.rpartition("Newest hash: ")[2].strip()
    code, out, _ = call("audit", str(plans), "--expect", newest, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["is_sound"]
    assert [entry["seq"] for entry in document["entries"]] == [1, 2, 3, 4]
    assert call("audit", str(plans), "--expect", "0f" * 32)[0] == 3
    next(plans.glob("*/receipts/*.jsonl")).unlink()
    code, out, _ = call("audit", *config)
    assert code == 3
    assert "Broken at line 3" in out


def test_an_unexpected_error_is_one_line_and_a_traceback_only_when_asked_for(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_: Path) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("lifecycle.steps.read_policy", explode)
    code, _, err = call("policy", "check", str(tmp_path))
    assert code == 1
    assert "RuntimeError" in err
    assert "secret" not in err
    assert "MORAINE_DEBUG" in err
    monkeypatch.setenv("MORAINE_DEBUG", "1")
    assert "Traceback" in call("policy", "check", str(tmp_path))[2]


def test_hostile_names_cannot_move_the_cursor(call: Call, world: Lab) -> None:
    del world
    code, _, err = call("canary", "s3://\x1b[31mred")
    assert code == 1
    assert "\x1b[31m" not in err


def test_a_signal_to_stop_is_heard_once_and_then_the_old_handler_is_back() -> None:
    stopping, before = Event(), signal.getsignal(signal.SIGTERM)
    with cli._until_told_to_stop(stopping):
        assert not stopping.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert stopping.is_set()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is before
