from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import night
import pytest
from airflow.sdk.exceptions import AirflowFailException

from pipelines.errors import MoraineError, NotFound, Refused, Terminal, Transient

PARTS = {"where": "s3://train", "fix": "Look there."}


@dataclass
class DagRun:
    run_after: datetime = datetime(2026, 11, 9, 2, tzinfo=UTC)
    logical_date: datetime | None = None
    conf: Mapping[str, Any] | None = None


def test_the_partition_key_says_the_day_before_anything_else_does() -> None:
    run = DagRun(conf={"day": "2026-11-01"}, logical_date=datetime(2026, 11, 5, tzinfo=UTC))
    assert night.day_of(run, "2026-11-20") == date(2026, 11, 20)


def test_without_a_partition_key_the_conf_says_the_day() -> None:
    run = DagRun(conf={"day": "2026-11-01"}, logical_date=datetime(2026, 11, 5, tzinfo=UTC))
    assert night.day_of(run, None) == date(2026, 11, 1)


@pytest.mark.parametrize("conf", [None, {}, {"day": None}, {"day": ""}])
def test_without_a_day_in_conf_it_is_the_day_before_the_logical_date(
    conf: dict[str, str | None] | None,
) -> None:
    run = DagRun(conf=conf, logical_date=datetime(2026, 11, 5, 1, tzinfo=UTC))
    assert night.day_of(run, None) == date(2026, 11, 4)


def test_without_a_logical_date_it_is_the_day_before_the_run_was_due() -> None:
    assert night.day_of(DagRun(), None) == date(2026, 11, 8)


def test_days_are_days_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert night.day_of(DagRun(logical_date=datetime(2026, 11, 5, 8, tzinfo=tokyo)), None) == date(
        2026, 11, 3
    )


@pytest.mark.parametrize("written", ["yesterday", "2026-13-01", "2026-11-20T02:00:00", 20261120.5])
def test_what_is_not_a_day_is_said_with_the_fix(written: object) -> None:
    with pytest.raises(Terminal, match="is not a day") as refused:
        night.day_of(DagRun(conf={"day": written}), None)
    assert '{"day": "2026-11-20"}' in refused.value.fix


@pytest.mark.parametrize("error", [Terminal, NotFound, Refused])
def test_what_a_retry_cannot_help_fails_at_once_with_its_three_parts(error: type[MoraineError]) -> None:
    @night.step
    def task() -> None:
        raise error("the manifest is wrong", **PARTS)

    with pytest.raises(AirflowFailException) as failed:
        task()
    assert str(failed.value) == "the manifest is wrong\n  where: s3://train\n  fix:   Look there."


@pytest.mark.parametrize(
    "error", [Transient("no answer", **PARTS), ConnectionError("reset"), KeyError("bug")]
)
def test_everything_else_is_left_to_airflows_retries(error: Exception) -> None:
    @night.step
    def task() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        task()
    assert raised.value is error


def test_a_step_keeps_its_name_words_and_result() -> None:
    @night.step
    def build(source: str) -> str:
        """Build it."""
        return source

    assert (build.__name__, build.__doc__, build("train")) == ("build", "Build it.", "train")


def test_the_environment_names_the_settings_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORAINE_CONFIG", "/etc/moraine.yaml")
    assert night.config() == Path("/etc/moraine.yaml")
    monkeypatch.delenv("MORAINE_CONFIG")
    assert night.config() == Path("moraine.yaml")


def test_the_clock_is_utc_without_a_zone() -> None:
    assert night.now().tzinfo is None
    assert abs(night.now() - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)
