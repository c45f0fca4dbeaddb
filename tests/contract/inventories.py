"""What inventories of every provider have in common: odd keys, a lake, and how rows are compared."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import raw, steps
from pipelines.domain.deliveries import Landed

Row = dict[str, Any]

AS_OF = date(2026, 11, 19)
LISTED_AT = datetime(2026, 11, 19, 1, tzinfo=UTC)
WRITTEN_AT = datetime(2026, 11, 1, 12, 30, 0, 250_000, tzinfo=UTC)
HOSTILE_KEYS = (
    "runs/a b+c%20d%/x.pt",
    "runs/línea\nnueva/😀.bin",
    "runs/\"quoted\",comma/'single'|pipe;semi/x",
    "runs/tab\tand\r\nreturn",
    "runs/a\rlone one",
    " leading and trailing ",
    "folder/",
    "//double//",
    "+",
)


@dataclass(frozen=True)
class World:
    """A directory with deliveries, and the lake they land in."""

    folder: Path
    run: steps.Run

    def ingest(self) -> steps.IngestReport:
        return steps.ingest(self.run, "lists")

    def landed(self) -> list[Landed]:
        return raw.ledger(self.run.lake)

    def rows(self, entry: Landed, table: str | None = None) -> list[Row]:
        files = entry.files if table is None else [file for name, file in entry.rollups if name == table]
        paths = [str(self.run.lake.fetch(file, self.folder)) for file in files]
        if not paths:
            return []
        with duckdb.connect() as connection:
            found = connection.execute(
                "select * from read_parquet(?, hive_partitioning = false) order by all", [paths]
            )
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def only_rows(self) -> list[Row]:
        [entry] = self.landed()
        return self.rows(entry)


OpenWorld = Callable[[str], World]


def run_of(directory: Path, kind: str, folder: Path, bucket: str) -> steps.Run:
    config = directory / "moraine.yaml"
    place = json.dumps(str(folder))
    source = f"{{name: lists, kind: {kind}, uri: {place}, bucket: {bucket}}}"
    config.write_text(f"lake: lake\nsources: [{source}]\n")
    return steps.open_run(config, AS_OF, datetime(2026, 11, 20, 6))


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def unordered(rows: Sequence[Row]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in rows)
