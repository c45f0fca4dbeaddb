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

import pytest

from lifecycle import cli

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
"""The commands read the clock; a plan is valid for a day."""
COMMANDS = ("plan", "show", "why", "approve", "apply", "verify", "canary", "policy check")
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
    assert "Why the others stay" in call("show", plan)[1]
    assert "the newest complete one" in call("why", plan, world.saves[3].uri)[1]
    assert "approved by Ada" in call("approve", plan, "--by", "Ada")[1]
    assert "chunk-00000" in call("apply", plan)[1]
    assert "listed again: as planned" in call("verify", plan)[1]
    assert "enforced" in call("canary", "s3://acme-training")[1]
    code, _, err = call("apply", plan)
    assert code == 4
    assert "used up" in err


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
