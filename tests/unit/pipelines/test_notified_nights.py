"""Who is told when a night is refused or a delivery is damaged: `moraine publish`, as people run it."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines import cli, doctor, published, raw, steps
from pipelines.domain.deliveries import Rejected
from pipelines.domain.snapshots import BuildMeta
from pipelines.gates.results import write_results
from pipelines.stores import LocalStore
from tests.fakes.chat import SECRET, Chat, running_chat
from tests.fakes.warehouses import DAY, PASSED, make_build

SETTINGS = """
lake: lake
engine: {temp_directory: tmp}
sources: [{name: bill, kind: focus, uri: bills}]
notify:
  - {kind: webhook, url_from: MORAINE_WEBHOOK_URL}
"""
FAILED = replace(PASSED, check_id="bytes_equal_the_bill", passed=False, scope="train", observed="7%")
DAMAGED = Rejected(
    source="bill",
    kind="focus",
    table="focus",
    delivery_id="2026-11",
    scope="2026-11",
    delivered_at=datetime(2026, 11, 20),
    checksum="c",
    reason="a file is cut short",
    where="bills/a.csv",
    fix="Have it delivered again.",
)
Publish = Callable[[date], tuple[int, str]]


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    (tmp_path / "moraine.yaml").write_text(SETTINGS)
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    with running_chat() as chat:
        monkeypatch.setenv("MORAINE_WEBHOOK_URL", chat.url)
        yield chat


@pytest.fixture
def publish(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Return a function that publishes a day: exit code and messages."""

    def call(day: date) -> tuple[int, str]:
        words = ["moraine", "publish", "--as-of", str(day), "--config", str(tmp_path / "moraine.yaml")]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return int(exit_.value.code or 0), capsys.readouterr().err

    return call


def build(lake: LocalStore, day: date, *, name: str = "a", fails: bool = False) -> str:
    path = make_build(lake.root / "build" / str(day) / "warehouse.duckdb")
    with closing(duckdb.connect(str(path))) as connection:
        write_results(connection, [PASSED, FAILED] if fails else [PASSED])
    lake.write(f"build/{day}/build.json", json.dumps(BuildMeta(name * 16, day, "0.1.0").to_json()).encode())
    return f"{day}-{name * 12}"


def test_a_refused_night_is_told_once_with_the_snapshot_that_stays(
    lake: LocalStore, chat: Chat, publish: Publish
) -> None:
    before = build(lake, DAY - timedelta(days=1))
    assert publish(DAY - timedelta(days=1))[0] == 0
    assert chat.posted == []

    build(lake, DAY, fails=True)
    for _ in range(2):
        assert publish(DAY)[0] == 4
    (text,) = chat.posted
    assert "2026-11-19 is not published, 1 check failed" in text
    assert "- bytes_equal_the_bill (train): 7%, expected 0." in text
    assert f"In force stays: {before} of 2026-11-18" in text
    assert published.current(lake).snapshot_id == before

    build(lake, DAY, name="b", fails=True)
    publish(DAY)
    assert len(chat.posted) == 2


def test_a_night_that_nobody_can_be_told_of_ends_as_it_would_have(
    lake: LocalStore, chat: Chat, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    chat.status = 500
    build(lake, DAY, fails=True)
    code, said = publish(DAY)

    assert code == 4
    assert "not published: 1 of 2 checks failed" in said
    assert "was not told: the webhook answered 500" in caplog.text
    assert SECRET not in said + caplog.text


def test_a_published_night_tells_of_damaged_deliveries_once(
    lake: LocalStore, chat: Chat, publish: Publish
) -> None:
    raw.quarantine(lake, DAMAGED)
    snapshot = build(lake, DAY)
    for _ in range(2):
        assert publish(DAY)[0] == 0
    (text,) = chat.posted
    assert "2026-11-19 is published, but 1 delivery is damaged" in text
    assert "bill 2026-11: a file is cut short (bills/a.csv). Have it delivered again." in text
    assert f"In force: {snapshot}." in text

    build(lake, DAY - timedelta(days=5))
    assert publish(DAY - timedelta(days=5))[0] == 0
    assert len(chat.posted) == 1, "a past day that is made up for has no news"


def test_a_refused_night_tells_of_damaged_deliveries_in_the_same_message(
    lake: LocalStore, chat: Chat, publish: Publish
) -> None:
    raw.quarantine(lake, DAMAGED)
    build(lake, DAY, fails=True)
    publish(DAY)
    (text,) = chat.posted
    assert "- bytes_equal_the_bill (train)" in text
    assert "- in quarantine: bill 2026-11" in text


@pytest.mark.usefixtures("lake")
def test_who_is_told_changes_no_build(tmp_path: Path) -> None:
    run = steps.open_run(tmp_path / "moraine.yaml", DAY, datetime(2026, 11, 20))
    (tmp_path / "moraine.yaml").write_text(SETTINGS.partition("notify:")[0])
    without = steps.open_run(tmp_path / "moraine.yaml", DAY, datetime(2026, 11, 20))
    assert steps._build_id(run, [], [], ()) == steps._build_id(without, [], [], ())


def test_the_doctor_says_which_variable_is_missing(
    tmp_path: Path, lake: LocalStore, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finding() -> doctor.Finding:
        found = doctor.examine(steps.open_run(tmp_path / "moraine.yaml", DAY, datetime(2026, 11, 20)))
        return next(one for one in found if one.what == "notify webhook MORAINE_WEBHOOK_URL")

    assert finding().works
    monkeypatch.delenv("MORAINE_WEBHOOK_URL")
    assert finding().found == "MORAINE_WEBHOOK_URL is not set"
    assert not (lake.root / "notified").exists()
    assert chat.posted == []


@pytest.mark.usefixtures("lake")
def test_no_secret_is_in_the_representation_of_a_run(tmp_path: Path, chat: Chat) -> None:
    run = steps.open_run(tmp_path / "moraine.yaml", DAY, datetime(2026, 11, 20))
    assert run.settings.secrets == chat.variables
    assert SECRET not in repr(run)
