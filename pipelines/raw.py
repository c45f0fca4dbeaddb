"""Landing deliveries in the lake: typed Parquet, whole or not at all, and the ledger of what is there.

    raw/<table>/source=<source>/delivery=<id>/part-00000.parquet …
    raw/<table>/source=<source>/delivery=<id>/_delivery.json        written last: the delivery is whole

Files are made in a scratch directory and uploaded once all of them are there, so a delivery that turns out
to be damaged leaves nothing behind. Killed half-way, the same delivery lands again over the same names.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.domain.deliveries import Delivery, Landed
from pipelines.errors import NotFound, Terminal
from pipelines.stores import Store

ROW_GROUP_ROWS = 122_880
"""DuckDB reads row groups in parallel; this is the size of its own."""

PART_ROWS = 32 * ROW_GROUP_ROWS
"""A few hundred MB of an inventory: large enough to read fast, small enough to spread over workers."""

MEMORY_LIMIT = "2GB"
"""What a roll-up may take of memory; above it DuckDB spills to the scratch directory."""

_WHOLE = "_delivery.json"
_READERS = 8


def land(
    lake: Store,
    delivery: Delivery,
    batches: pa.RecordBatchReader,
    rollups: Mapping[str, str],
    scratch: Path,
) -> Landed:
    """Land a delivery with its roll-ups: name and SQL over the view `landed`. A whole one stays as it is.

    Raises:
        Terminal: a file of the delivery is damaged; nothing was landed.
        Transient: the lake or the source does not answer.
    """
    existing = is_landed(lake, delivery)
    if existing is not None:
        return existing
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix="landing-") as directory:
        parts, row_count = _write_parts(batches, Path(directory))
        rolled = _write_rollups(parts, rollups, Path(directory))
        landed = replace(_entry(delivery), row_count=row_count)
        files = [(path, f"{_folder(delivery, delivery.table)}/{path.name}") for path in parts]
        derived = [
            (table, path, f"{_folder(delivery, table)}/part-00000.parquet") for table, path in rolled.items()
        ]
        for path, key in [*files, *((path, key) for _, path, key in derived)]:
            lake.upload(path, key)
    landed = replace(
        landed,
        files=tuple(key for _, key in files),
        rollups=tuple((table, key) for table, _, key in derived),
    )
    lake.write(_ledger_key(delivery), _to_json(landed))
    return landed


def is_landed(lake: Store, delivery: Delivery) -> Landed | None:
    """Return the ledger's entry of a delivery that is whole in the lake."""
    try:
        return _from_json(lake.read(_ledger_key(delivery)), _ledger_key(delivery))
    except NotFound:
        return None


def ledger(lake: Store) -> list[Landed]:
    """Return every delivery that is whole in the lake, in key order.

    Raises:
        Terminal: an entry is damaged.
    """
    keys = [blob.key for blob in lake.list("raw/") if blob.key.endswith(f"/{_WHOLE}")]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(lambda key: _from_json(lake.read(key), key), keys))


def _write_parts(batches: pa.RecordBatchReader, directory: Path) -> tuple[list[Path], int]:
    paths: list[Path] = []
    total = 0
    writer: pq.ParquetWriter | None = None
    try:
        for group in _row_groups(batches):
            if writer is None or total % PART_ROWS == 0:
                if writer is not None:
                    writer.close()
                paths.append(directory / f"part-{len(paths):05d}.parquet")
                writer = pq.ParquetWriter(paths[-1], batches.schema, compression="zstd")
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            total += group.num_rows
    finally:
        if writer is not None:
            writer.close()
    return paths, total


def _row_groups(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Cut batches into full row groups; without rows there is one empty group, so that there is a file."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    is_first = True
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(waiting, schema=batches.schema)
            yield table.slice(0, ROW_GROUP_ROWS)
            waiting = table.slice(ROW_GROUP_ROWS).to_batches()
            count -= ROW_GROUP_ROWS
            is_first = False
    if count or is_first:
        yield pa.Table.from_batches(waiting, schema=batches.schema)


def _write_rollups(parts: list[Path], rollups: Mapping[str, str], directory: Path) -> dict[str, Path]:
    if not rollups:
        return {}
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(directory / "spilled"),
    }
    made: dict[str, Path] = {}
    with closing(duckdb.connect(config=config)) as connection:
        connection.read_parquet([str(path) for path in parts], hive_partitioning=False).create_view("landed")
        for table, query in rollups.items():
            made[table] = directory / f"{table}.parquet"
            connection.sql(query).write_parquet(str(made[table]), compression="zstd")
    return made


def _entry(delivery: Delivery) -> Landed:
    return Landed(
        source=delivery.source,
        kind=delivery.kind,
        table=delivery.table,
        delivery_id=delivery.delivery_id,
        delivered_at=delivery.delivered_at,
        scope=delivery.scope,
        checksum=delivery.checksum,
        row_count=0,
        byte_count=sum(part.size_bytes or 0 for part in delivery.parts),
        snapshot_at=delivery.snapshot_at,
    )


def _folder(delivery: Delivery, table: str) -> str:
    return f"raw/{table}/source={delivery.source}/delivery={delivery.delivery_id}"


def _ledger_key(delivery: Delivery) -> str:
    return f"{_folder(delivery, delivery.table)}/{_WHOLE}"


def _to_json(landed: Landed) -> bytes:
    return json.dumps(asdict(landed), indent=2, default=datetime.isoformat, ensure_ascii=False).encode()


def _from_json(text: bytes, key: str) -> Landed:
    try:
        fields: dict[str, Any] = json.loads(text)
        return Landed(
            **{
                **fields,
                "delivered_at": datetime.fromisoformat(fields["delivered_at"]),
                "snapshot_at": datetime.fromisoformat(fields["snapshot_at"])
                if fields["snapshot_at"]
                else None,
                "files": tuple(fields["files"]),
                "rollups": tuple((table, file) for table, file in fields["rollups"]),
            }
        )
    except (ValueError, TypeError, KeyError) as error:
        raise Terminal(
            f"an entry of the ledger is damaged ({type(error).__name__})",
            where=key,
            fix="Remove that file from the lake and ingest its source again.",
        ) from None
