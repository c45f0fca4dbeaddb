"""What a service answered, kept until it is landed: it cannot be asked the same question twice."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.domain.deliveries import Delivery
from pipelines.errors import Terminal
from pipelines.sources.columns import arrow_schema
from pipelines.sources.places import Place


def fingerprint(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the MD5 of rows: the same answer gives the same text."""
    text = json.dumps(rows, sort_keys=True, default=str)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def keep(place: Place, delivery: Delivery, rows: Sequence[Mapping[str, object]]) -> None:
    """Keep rows of a delivery's table in the scratch directory."""
    place.scratch.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=arrow_schema(delivery.table))
    pq.write_table(table, _path(place, delivery))


def kept(place: Place, delivery: Delivery) -> pa.RecordBatchReader:
    """Return the rows that were kept.

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
    return pq.read_table(path).to_reader()


def _path(place: Place, delivery: Delivery) -> Path:
    return place.scratch / f"{delivery.source}-{delivery.table}-{delivery.delivery_id}.parquet"
