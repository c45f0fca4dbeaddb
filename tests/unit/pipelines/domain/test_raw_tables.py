"""The columns of the raw tables."""

import re

from pipelines.domain.raw_tables import RAW_TABLES


def test_no_table_names_a_column_twice() -> None:
    for columns in RAW_TABLES.values():
        names = [name.lower() for name, _ in columns]
        assert len(names) == len(set(names))


def test_every_type_is_one_that_parquet_keeps_exactly() -> None:
    known = re.compile(r"varchar|bigint|boolean|double|date|timestamp|decimal\(\d+,\d+\)")
    assert all(known.fullmatch(kind) for columns in RAW_TABLES.values() for _, kind in columns)
