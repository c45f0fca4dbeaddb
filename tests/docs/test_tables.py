"""The page of the tables is the one of the models, and every query on it runs."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.domain.configuration import Engine
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.inputs import Inputs
from pipelines.warehouse.models import shipped_models
from pipelines.warehouse.tables_page import PAGE, QUERIES, read_queries, tables_page

DOCS = Path(__file__).parents[2] / "docs"
READY = read_queries(DOCS / QUERIES)


def test_the_page_is_the_one_of_the_models() -> None:
    """To write it anew: make docs."""
    assert (DOCS / PAGE).read_text(encoding="utf-8") == tables_page(shipped_models(), READY)


def test_every_published_column_is_explained() -> None:
    page = tables_page(shipped_models(), READY)
    for model in shipped_models():
        if model.layer == "marts":
            section = page.partition(f"\n## {model.name}\n")[2].partition("\n## ")[0]
            assert all(f"| `{column}` |" in section for column in model.description.columns), model.table


def test_there_are_ten_ready_queries_and_each_begins_with_its_question() -> None:
    assert len(READY) >= 10
    assert all(query.startswith("-- ") and query.splitlines()[0].endswith("?") for query in READY.values())


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with every table, built from nothing."""
    folder = tmp_path_factory.mktemp("empty")
    engine = Engine(temp_directory=str(folder / "spill"))
    build_warehouse(folder / "warehouse.duckdb", inputs=Inputs(), as_of=date(2026, 11, 19), engine=engine)
    return folder / "warehouse.duckdb"


@pytest.mark.parametrize("name", READY)
def test_a_ready_query_reads_what_is_there(name: str, empty: Path) -> None:
    with duckdb.connect(str(empty), read_only=True) as connection:
        assert connection.execute(READY[name]).fetchall() == []
