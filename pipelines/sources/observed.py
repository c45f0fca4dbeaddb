"""What a service answered, kept until it is landed: it cannot be asked the same question twice."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.domain.deliveries import Converted, Delivery, Part
from pipelines.domain.raw_tables import RAW_TABLES
from pipelines.errors import Terminal
from pipelines.sources.places import Place

_ARROW = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us"),
    "decimal(38,12)": pa.decimal128(38, 12),
}


def fingerprint(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the MD5 of rows: the same answer gives the same text."""
    text = json.dumps(rows, sort_keys=True, default=str)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def keep(place: Place, delivery: Delivery, rows: Sequence[Mapping[str, object]]) -> Delivery:
    """Keep rows of a delivery's table in the scratch directory; return it as the answer of a service."""
    place.scratch.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=_arrow_schema(delivery.table))
    pq.write_table(table, _path(place, delivery))
    size = sum(part.size_bytes or 0 for part in delivery.parts)
    return replace(delivery, parts=(Part("", size),), is_answer=True)


def convert(place: Place, delivery: Delivery, into: Path) -> Converted:
    """Put the rows that were kept into a directory.

    Raises:
        Terminal: they were not kept in this scratch directory.
    """
    path = _path(place, delivery)
    if not path.is_file():
        raise Terminal(
            "what the service answered is gone",
            where=str(path),
            fix="Find and read a source with the same scratch directory: run 'moraine ingest' again.",
        )
    rows = into / "rows.parquet"
    shutil.copyfile(path, rows)
    return Converted((rows,), (), pq.read_metadata(rows).num_rows)


def _path(place: Place, delivery: Delivery) -> Path:
    return place.scratch / f"{delivery.source}-{delivery.table}-{delivery.delivery_id}.parquet"


def _arrow_schema(table: str) -> pa.Schema:
    return pa.schema([(name, _ARROW[kind]) for name, kind in RAW_TABLES[table]])
