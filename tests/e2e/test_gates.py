"""Every check can fail: its fault is planted in the company's warehouse, and this check alone sees it."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

import pipelines.cli
from pipelines import steps
from pipelines.domain.configuration import Gates
from pipelines.domain.snapshots import CheckResult
from pipelines.gates import run_gates
from pipelines.gates.suites import checks
from pipelines.publish import LEFT_IN_PARQUET
from tests.e2e.conftest import AS_OF, World
from tests.e2e.faults import FAULTS

pytestmark = pytest.mark.xdist_group("the-company")

Plant = Callable[[str], Path]


@pytest.fixture(scope="module")
def built(night: World) -> Path:
    """The warehouse that the company's night has built."""
    (path,) = (night.config.parent / "lake" / "build").glob("*/warehouse.duckdb")
    return path


@pytest.fixture(scope="module")
def published(night: World) -> Path:
    """The snapshot that the night has published: the last one, for the night after."""
    return steps.warehouse_path(night.run)


# They are views: what is wrong with them is planted in rows of their own.
_AS_ROWS = "".join(
    f"create table marts.planted as from marts.{table}; drop view marts.{table};"
    f"alter table marts.planted rename to {table};"
    for table in sorted(LEFT_IN_PARQUET)
)


@pytest.fixture
def plant(built: Path, tmp_path: Path) -> Plant:
    """Copy the company's warehouse and change it."""

    def planted(statements: str) -> Path:
        path = Path(shutil.copy(built, tmp_path / "warehouse.duckdb"))
        with closing(duckdb.connect(str(path))) as connection:
            connection.execute(_AS_ROWS)
            connection.execute(statements)
        return path

    return planted


def failed(results: list[CheckResult]) -> list[CheckResult]:
    return [result for result in results if not result.passed]


def test_the_company_passes_every_check(published: Path, plant: Plant) -> None:
    results = run_gates(plant("select 1"), Gates(), AS_OF, previous=published)

    assert failed(results) == []
    assert {result.check_id for result in results} == {check.check_id for check in checks(Gates())}
    assert [result.check_id for result in results if "skipped" in result.observed] == [
        "slow_bills_keep_coming"
    ]


def test_every_check_has_a_fault_that_it_alone_must_see() -> None:
    assert FAULTS.keys() == {check.check_id for check in checks(Gates())}


@pytest.mark.parametrize("check_id", FAULTS)
def test_a_planted_fault_fails_its_check_and_only_that_one(
    check_id: str, plant: Plant, published: Path
) -> None:
    fault = FAULTS[check_id]
    path = plant(fault.statements)

    results = failed(run_gates(path, Gates(), AS_OF, previous=None if fault.is_first_night else published))

    assert [(result.check_id, result.scope) for result in results] == [(check_id, fault.scope)]
    (found,) = results
    assert fault.says in found.observed
    assert found.reason
    assert 0 < len(found.offenders) <= 20


@pytest.fixture
def faulty_night(night: World, built: Path, tmp_path: Path) -> Iterator[World]:
    """The night with one fault in what it has built."""
    sound = shutil.copy(built, tmp_path / "sound.duckdb")
    with closing(duckdb.connect(str(built))) as connection:
        connection.execute(
            "update marts.checkpoints set checkpoint_id = 'a' || chr(27) || '[2J', size_bytes = 0 "
            "where checkpoint_id = (select max(checkpoint_id) from marts.checkpoints)"
        )
    yield night
    shutil.copy(sound, built)


def test_the_command_shows_what_is_wrong_and_writes_a_page_that_works_offline(
    faulty_night: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page, docs = tmp_path / "pages" / "checks.html", tmp_path / "docs"
    words = ["--config", str(faulty_night.config), "--as-of", str(AS_OF), "--html", str(page)]
    monkeypatch.setattr(sys, "argv", ["moraine", "check", *words, "--data-docs", str(docs), "--json"])

    with pytest.raises(SystemExit) as exit_:
        pipelines.cli.main()

    answer = capsys.readouterr()
    assert exit_.value.code == 4
    assert (
        "block checkpoints_equal_their_objects: 1 (a\\x1b[2J) (expected 0 checkpoints differ)" in answer.err
    )
    assert "- checkpoint_id: a\\x1b[2J, object_count: " in answer.err
    assert "\x1b" not in answer.err
    shown = {result["check_id"]: result for result in json.loads(answer.out)}
    assert shown["checkpoints_equal_their_objects"]["offenders"][0]["checkpoint_id"] == "a\x1b[2J"
    assert "\\x1b[2J" in page.read_text()
    assert not re.search(r"https?:|src=", page.read_text())
    assert "checkpoints_equal_their_objects" in "".join(
        file.read_text() for file in docs.rglob("*.html") if "validations" in file.parts
    )
