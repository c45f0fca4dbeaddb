"""People's own DuckDB, older than ours, opens the published file and answers as ours does."""

import json
import os
import subprocess
import sys
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import steps
from pipelines.report import queries
from pipelines.report.differences import FIGURES
from pipelines.stores import LocalStore
from tests.contract import deliveries as made
from tests.fakes.warehouses import publish_build

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("older-duckdb")]

AS_OF = date(2026, 11, 20)
VERSIONS = ("1.4", "1.5")
HOSTILE = 'runs/it\'s a "50%" #1/checkpoint-500/model.safetensors'

ASK = """
import json, sys
import duckdb

path, asked = sys.argv[1], json.load(sys.stdin)
connection = duckdb.connect(path, read_only=True)
connection.execute("set TimeZone = 'UTC'")
answers = {}
for query, values in asked:
    rows = connection.execute(query, values).fetchall()
    answers[query] = [[str(value) for value in row] for row in rows]
print(json.dumps(answers))
"""

COMMENTS = """
select schema_name, table_name, column_name, comment
from duckdb_columns()
where schema_name in ('marts', 'reference')
union all
select schema_name, table_name, '', comment from duckdb_tables()
union all
select schema_name, view_name, '', comment from duckdb_views() where schema_name = 'marts'
order by all
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published night of an inventory with a checkpoint, and a bill."""
    home = tmp_path_factory.mktemp("night")
    providers = (made.s3_inventory("Parquet"), made.data_export("aws-cur2", "csv.gz"))
    keys = (HOSTILE, "runs/a/checkpoint-500/trainer_state.json", "runs/a/checkpoint-500/model.safetensors")
    for provider, rows in zip(providers, (made.objects(*keys), providers[1].rows(1)), strict=True):
        provider.deliver(home / provider.name, 1, rows).settle()
    sources = ", ".join(provider.settings(home / provider.name) for provider in providers)
    config = home / "moraine.yaml"
    config.write_text(f"lake: lake\nengine: {{temp_directory: tmp, threads: 1}}\nsources: [{sources}]\n")
    night = steps.open_run(config, AS_OF, datetime(2026, 11, 21, 6))
    for provider in providers:
        steps.ingest(night, provider.name)
    steps.build(night)
    steps.check(night)
    # Its gates may say what they want about made-up rows: here the file is what counts.
    lake = LocalStore(home / "lake")
    snapshot = publish_build(lake, lake.root / "build" / str(AS_OF) / "warehouse.duckdb", day=AS_OF)
    return lake.root / snapshot.warehouse


@pytest.fixture(scope="module", params=VERSIONS)
def older(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds an older DuckDB and nothing else."""
    home = tmp_path_factory.mktemp(f"duckdb-{request.param}")
    python, uv = home / "venv" / "bin" / "python", Path(sys.executable).with_name("uv")
    quickly = {**os.environ, "UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(home / "venv")],
        ["pip", "install", "--quiet", "--python", str(python), f"duckdb=={request.param}.*"],
    ):
        if (
            not uv.exists()
            or subprocess.run([uv, *words], env=quickly, capture_output=True, check=False).returncode
        ):
            pytest.skip(f"DuckDB {request.param} cannot be installed here")
    return python


def asked(warehouse: Path) -> list[tuple[str, list[object]]]:
    """Return every query: what describes the tables, their rows, and what the report asks."""
    with closing(duckdb.connect(str(warehouse), read_only=True)) as connection:
        tables = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables order by all"
        ).fetchall()
    texts = [text for name, text in vars(queries).items() if name.isupper() and isinstance(text, str)]
    texts.remove(queries.HAS_MART)  # it is asked for a name, not for a day
    report = [text for text in texts if "{column}" not in text]
    report += [queries.COSTS_BY.format(column=column) for column in ("layer", "team")]
    return [
        *((f"describe {table}", list[object]()) for (table,) in tables),
        *((f"select * from {table} order by all", []) for (table,) in tables),
        *((f"select * from ({query}) order by all", []) for query in FIGURES.values()),
        *((query, list[object]([AS_OF.isoformat()] if "$1" in query else [])) for query in report),
        (COMMENTS, []),
    ]


def answers(python: Path, warehouse: Path) -> dict[str, Any]:
    words = [str(python), "-c", ASK, str(warehouse)]
    queries_ = [(query.replace("$1", "$1::date"), values) for query, values in asked(warehouse)]
    ended = subprocess.run(words, input=json.dumps(queries_), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


def test_an_older_duckdb_answers_as_ours_does(older: Path, warehouse: Path) -> None:
    before = warehouse.read_bytes()

    theirs, ours = answers(older, warehouse), answers(Path(sys.executable), warehouse)

    assert theirs == ours
    assert warehouse.read_bytes() == before
    objects = theirs["select * from marts.checkpoint_objects order by all"]
    assert any(HOSTILE in row for row in objects)
    assert len(theirs["describe marts.costs_daily"]) > 10


def test_every_table_and_column_explains_itself(warehouse: Path) -> None:
    with closing(duckdb.connect(str(warehouse), read_only=True)) as connection:
        silent = connection.execute(
            "select schema_name || '.' || table_name || '.' || column_name from duckdb_columns() "
            "where not internal and coalesce(comment, '') = '' "
            "union all select table_name from duckdb_tables() where coalesce(comment, '') = '' "
            "union all select view_name from duckdb_views() where not internal and coalesce(comment, '') = ''"
        ).fetchall()
        ((count,),) = connection.execute(
            "select count(*) from duckdb_columns() where not internal"
        ).fetchall()
    assert silent == []
    assert count > 200
