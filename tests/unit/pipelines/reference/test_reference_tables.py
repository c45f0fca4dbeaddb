"""Facts kept by hand as tables."""

import duckdb
import pytest

from pipelines.reference import ReferenceTable, reference_tables
from pipelines.reference.column_meanings import column_meaning

TABLES = {table.name: table for table in reference_tables()}


@pytest.mark.parametrize("table", [pytest.param(table, id=name) for name, table in TABLES.items()])
def test_every_row_fits_its_columns(table: ReferenceTable) -> None:
    assert table.rows
    assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize(
    "table, key",
    [
        ("prices", "provider region_id to_region_id storage_class meter from_gb valid_from"),
        ("price_regions", "provider region_id"),
        ("storage_classes", "provider storage_class"),
        ("transfer_rules", "provider position"),
        ("storage_meters", "provider service_code position"),
        ("region_codes", "region_code"),
        ("providers", "provider_name"),
        ("service_layers", "provider service_code"),
        ("service_layers", "provider service_name"),
        ("category_layers", "service_category"),
        ("usage_layers", "provider service_code usage_type_pattern"),
        ("units", "spelled"),
    ],
)
def test_a_fact_is_there_once(table: str, key: str) -> None:
    names = TABLES[table].column_names
    places = [names.index(column) for column in key.split()]
    keys = [tuple(row[place] for place in places) for row in TABLES[table].rows]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("table", ["transfer_rules", "storage_meters", "usage_layers"])
def test_patterns_are_read_by_the_engine(table: str) -> None:
    names = TABLES[table].column_names
    places = [place for place, name in enumerate(names) if name.endswith("_pattern")]
    with duckdb.connect() as connection:
        for row in TABLES[table].rows:
            for place in places:
                connection.execute("select regexp_matches('', ?)", [row[place]]).fetchall()


@pytest.mark.parametrize("table", [pytest.param(table, id=name) for name, table in TABLES.items()])
def test_every_column_has_a_meaning(table: ReferenceTable) -> None:
    silent = [name for name in table.column_names if not column_meaning(table.name, name)]
    assert silent == []
