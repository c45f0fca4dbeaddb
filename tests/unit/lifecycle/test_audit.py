"""The audit log: whatever is edited, put in or taken out is found; killed or crowded, it stays whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.audit import AUDIT, BEGINNING, AuditLog, AuditReport, check
from lifecycle.steps.run import measured
from pipelines.errors import NotFound, Terminal, Transient

from .conftest import lab_in_memory

if TYPE_CHECKING:
    from .conftest import Lab

NOW = datetime(2026, 11, 21, 6)
APPENDER = """
import sys
from datetime import datetime
from pathlib import Path
from lifecycle.records.audit import AuditLog
plans = Path(sys.argv[1])
sys.stdin.readline()
receipts = plans / "p" / "receipts" / "c.jsonl"
for number in range(int(sys.argv[2])):
    AuditLog(plans).append("applied", "p", receipts, datetime(2026, 11, 21), sys.argv[3])
"""


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """A directory with one plan's receipts."""
    receipts = tmp_path / "plans" / "p" / "receipts" / "c.jsonl"
    receipts.parent.mkdir(parents=True)
    receipts.write_text('{"a": 1}\n')
    return tmp_path / "plans"


@pytest.fixture(scope="module")
def went_all_the_way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plans of a lab in which one plan was planned, approved, applied and verified."""
    lab = lab_in_memory(tmp_path_factory.mktemp("lab"))
    lab.fill()
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    steps.verify(lab.run(), plan)
    return lab.home / "lake" / "plans"


@pytest.fixture
def done(went_all_the_way: Path, tmp_path: Path) -> Path:
    """A copy of them, to be tampered with."""
    return shutil.copytree(went_all_the_way, tmp_path / "done")


def append(plans: Path, by: str = "") -> str:
    return AuditLog(plans).append("applied", "p", plans / "p" / "receipts" / "c.jsonl", NOW, by)


def lines(plans: Path) -> list[str]:
    return (plans / AUDIT).read_text().splitlines()


def broken(plans: Path, expected: str = "") -> tuple[int, str]:
    found = check(plans, expected).broken
    assert found, "the log should be broken"
    return found.line, found.what


def find(plans: Path, pattern: str) -> Path:
    (found,) = plans.glob(pattern)
    return found


def test_every_step_is_in_the_log_and_all_of_it_is_sound(done: Path) -> None:
    report = check(done)
    assert report.is_sound, report.broken
    assert report.unsealed == ()
    assert [(entry.event, entry.by) for entry in report.entries] == [
        ("planned", ""),
        ("approved", "Ada"),
        ("applied", ""),
        ("finished", ""),
        ("verified", ""),
    ]
    assert [entry.file.partition("/")[2] for entry in report.entries] == [
        "plan.json",
        "approvals/0001.json",
        "receipts/chunk-00000.jsonl",
        "finished.json",
        "verifications/0001.json",
    ]
    assert check(done, report.newest).is_sound


def test_the_way_back_is_in_the_log_with_who_wanted_it(lab: Lab) -> None:
    lab.save(100, 120, bucket="acme-datasets")
    lab.save(400, 10, bucket="acme-datasets")
    plan = lab.approved()
    steps.apply(lab.run(), plan)
    steps.undo(lab.run(), plan, "Grace", "it was needed")
    report = check(lab.home / "lake" / "plans")
    assert report.is_sound
    assert report.unsealed == ()
    undone = [(entry.file.partition("/")[2], entry.by) for entry in report.entries if entry.event == "undone"]
    assert undone == [("undo/chunk-00000.jsonl", "Grace"), ("undo/record-0001.json", "Grace")]


@pytest.mark.parametrize("line", [1, 2, 3, 4])
def test_an_edited_line_is_found(done: Path, line: int) -> None:
    text = lines(done)
    text[line - 1] = text[line - 1].replace('"by":"', '"by":"Mallory ')
    (done / AUDIT).write_text("\n".join(text) + "\n")
    assert broken(done) == (line, "it was edited: the next line was written after another one")


def test_a_line_that_is_no_entry_is_found(done: Path) -> None:
    text = lines(done)
    text[2] = text[2].replace('"applied"', '"vanished"')
    (done / AUDIT).write_text("\n".join(text) + "\n")
    assert broken(done)[0] == 3


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_removed_line_is_found(done: Path, line: int) -> None:
    text = lines(done)
    del text[line - 1]
    (done / AUDIT).write_text("\n".join(text) + "\n")
    assert broken(done) == (line, f"entry {line} is missing: this is entry {line + 1}")


def test_a_removed_line_is_found_where_the_others_were_numbered_anew(done: Path) -> None:
    text = lines(done)
    del text[1]
    text = [line.replace(f'"seq":{seq + 1}', f'"seq":{seq}') for seq, line in enumerate(text, start=1)]
    (done / AUDIT).write_text("\n".join(text) + "\n")
    assert broken(done)[0] <= 2


def test_lost_last_lines_are_found_by_the_hash_that_somebody_kept(done: Path) -> None:
    newest = check(done).newest
    (done / AUDIT).write_text("\n".join(lines(done)[:-1]) + "\n")
    assert check(done).is_sound, "no chain can show that its end is gone"
    line, what = broken(done, newest)
    assert line == 5
    assert "shortened" in what


def test_a_log_that_is_gone_is_found(done: Path) -> None:
    newest = check(done).newest
    (done / AUDIT).unlink()
    assert "no log" in broken(done)[1]
    assert broken(done, newest)[0] == 0


def test_edited_receipts_are_found(done: Path) -> None:
    receipts = find(done, "*/receipts/*.jsonl")
    receipts.write_text(receipts.read_text().replace('"done"', '"gone"', 1))
    line, what = broken(done)
    assert line == 3
    assert "chunk-00000.jsonl was edited" in what


def test_shortened_receipts_are_found(done: Path) -> None:
    receipts = find(done, "*/receipts/*.jsonl")
    receipts.write_text("".join(receipts.read_text().splitlines(keepends=True)[:-1]))
    assert "was shortened" in broken(done)[1]


@pytest.mark.parametrize(
    "pattern, line, what",
    [
        ("*/plan.json", 1, "plan.json is gone"),
        ("*/decisions.parquet", 1, "a part of the plan, is gone"),
        ("*/actions/*.parquet", 1, "a part of the plan, is gone"),
        ("*/approvals/*.json", 2, "0001.json is gone"),
        ("*/receipts/*.jsonl", 3, "chunk-00000.jsonl is gone"),
        ("*/finished.json", 4, "finished.json is gone"),
        ("*/verifications/*.json", 5, "0001.json is gone"),
    ],
)
def test_a_deleted_file_is_found(done: Path, pattern: str, line: int, what: str) -> None:
    find(done, pattern).unlink()
    found = broken(done)
    assert found[0] == line
    assert what in found[1]


def test_a_plan_that_was_removed_is_found(done: Path) -> None:
    plan = find(done, "*/plan.json").parent
    plan.rename(done.parent / "elsewhere")
    assert broken(done) == (1, f"{plan.name}/plan.json is gone")


@pytest.mark.parametrize("pattern", ["*/approvals/*.json", "*/plan.json", "*/verifications/*.json"])
def test_one_edited_byte_is_found(done: Path, pattern: str) -> None:
    path = find(done, pattern)
    path.write_bytes(path.read_bytes().replace(b"2026", b"2027", 1))
    assert "was edited" in broken(done)[1]


def test_edited_actions_of_a_plan_are_found(done: Path) -> None:
    path = find(done, "*/actions/*.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert broken(done)[0] == 1


def test_an_approval_that_no_line_speaks_of_is_told(done: Path) -> None:
    real = find(done, "*/approvals/0001.json")
    real.with_name("0002.json").write_text(real.read_text().replace("Ada", "Grace"))
    report = check(done)
    assert report.is_sound
    assert report.unsealed == (f"{real.parents[1].name}/approvals/0002.json",)


def test_receipts_that_grew_are_sealed_again_and_longer(plans: Path) -> None:
    receipts = plans / "p" / "receipts" / "c.jsonl"
    append(plans)
    with receipts.open("a") as file:
        file.write('{"a": 2}\n{"cut')
    append(plans)
    assert [entry.bytes for entry in check(plans).entries] == [9, 18]
    assert check(plans).is_sound
    receipts.write_text('{"a": 1}\n{"a": 3}\n')
    assert broken(plans)[0] == 2


def test_a_line_that_a_kill_cut_short_is_replaced_by_the_next(plans: Path) -> None:
    first, second = append(plans), append(plans)
    path = plans / AUDIT
    whole = path.read_bytes()
    begins = whole.index(b"\n") + 1
    for end in range(begins + 1, len(whole)):
        path.write_bytes(whole[:end])
        assert check(plans).newest == first
        assert append(plans) == second
        assert path.read_bytes() == whole


def test_killed_while_it_appends_a_log_goes_on(plans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(plans)

    def die(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr("os.fsync", die)
        with pytest.raises(KeyboardInterrupt):
            append(plans)
    append(plans)
    assert check(plans).is_sound


def test_processes_that_append_at_once_make_one_chain(plans: Path) -> None:
    words = [sys.executable, "-c", APPENDER, str(plans), "25"]
    running = [
        subprocess.Popen([*words, by], stdin=subprocess.PIPE, text=True) for by in ("Ada", "Grace", "Edsger")
    ]
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
        assert process.returncode == 0
    report = check(plans)
    assert report.is_sound, report.broken
    assert sorted(entry.by for entry in report.entries) == sorted(["Ada", "Grace", "Edsger"] * 25)


def test_a_damaged_log_is_added_to_by_nobody_and_stops_an_apply_before_the_first_change(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    path = lab.home / "lake" / "plans" / AUDIT
    path.write_text(path.read_text() + "rubbish\n")
    before = lab.classes()
    with pytest.raises(Terminal, match="audit log is damaged"):
        steps.apply(lab.run(), plan)
    assert lab.classes() == before
    assert path.read_text().endswith("rubbish\n")


def test_a_log_that_cannot_be_written_says_so(plans: Path) -> None:
    (plans / AUDIT).mkdir()
    with pytest.raises(Terminal, match="cannot be written"):
        append(plans)


def test_what_an_interrupted_apply_did_is_sealed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.fill()
    plan = lab.approved()

    def break_off(*_: object) -> None:
        raise Transient("it does not answer", where="s3://acme-training", fix="Wait.")

    # The canary goes through, and then the store is gone.
    canary = measured(lab.run(), "s3://acme-training")
    monkeypatch.setattr("lifecycle.steps.applying.measured", lambda _run, _place: canary)
    for change in ("change_class", "delete_batch", "delete"):
        monkeypatch.setattr(type(lab.provider), change, break_off)
    with pytest.raises(Transient):
        steps.apply(lab.run(), plan)
    report = check(lab.home / "lake" / "plans")
    assert report.is_sound
    assert report.unsealed == ()
    assert report.entries[-1].event == "applied"
    assert report.entries[-1].bytes


def test_two_that_finish_at_once_write_one_end(done: Path) -> None:
    directory = PlanDirectory(find(done, "*/plan.json").parent)
    assert directory.write_once("finished.json", "another") is None
    assert check(done).is_sound


def test_two_approvals_at_once_get_two_numbers(tmp_path: Path) -> None:
    directory = PlanDirectory(tmp_path)
    directory.write("approvals/0002.json", "somebody else's, who counted at the same time")
    assert directory.add("approvals", "mine").name == "0003.json"
    assert sorted(path.name for path in (tmp_path / "approvals").iterdir()) == ["0002.json", "0003.json"]


def test_verifying_again_leaves_the_verification_before_as_it_was(lab: Lab) -> None:
    lab.fill()
    plan = lab.approved()
    for _ in range(2):
        steps.verify(lab.run(), plan)
    plans = lab.home / "lake" / "plans"
    kept = sorted((plans / plan / "verifications").iterdir())
    assert [path.name for path in kept] == ["0001.json", "0002.json"]
    assert check(plans).is_sound


def test_a_hostile_name_stays_one_line(plans: Path) -> None:
    append(plans, by='Ada"\n{"seq": 2}\u2028')
    append(plans)
    assert len((plans / AUDIT).read_bytes().split(b"\n")) == 3
    assert check(plans).entries[0].by.startswith('Ada"\n')


def test_a_long_line_is_read_back_whole(plans: Path) -> None:
    append(plans, by="x" * 200_000)
    append(plans)
    assert check(plans).is_sound
    assert [entry.seq for entry in check(plans).entries] == [1, 2]


def test_no_plans_are_no_log(tmp_path: Path) -> None:
    report: AuditReport = check(tmp_path)
    assert (report.newest, report.is_sound) == (BEGINNING, True)
    with pytest.raises(NotFound, match="no plans here"):
        check(tmp_path / "none")
