"""Inventories of any size for the benchmarks: made-up keys in the proportions of a training bucket."""

import gzip
import hashlib
import json
from pathlib import Path

import duckdb

BUCKET = "bench"
PARTS = 4

# Eleven objects to a checkpoint, fifty checkpoints to a run; every fourth object is a dataset shard.
# `j` counts the objects that are no shards. A few keys need decoding.
_OBJECTS = """
with numbered as (
    select i, (i // 4) * 3 + i % 4 as j from range(?, ?) as numbers (i)
)
select
    'bench' as bucket,
    case
        when i % 4 = 3
            then 'datasets/d' || (i % 40) || '/train-' || lpad((i // 40)::varchar, 6, '0') || '.parquet'
        else 'runs/team-' || (j // 550 % 7) || '/run-' || lpad((j // 550)::varchar, 5, '0') || '/checkpoint-'
            || ((j // 11 % 50 + 1) * 500) || '/'
            || case
                when j % 11 < 5 then 'model-0000' || (j % 11 + 1) || '-of-00005.safetensors'
                when j % 11 = 5 then 'trainer_state.json'
                when j % 11 = 6 then 'optimizer.pt'
                when j % 11 = 7 then 'scheduler.pt'
                else 'rng_state_' || (j % 11 - 8) || '.pth'
            end
    end || case when i % 9973 = 0 then ' + ' || i else '' end as key,
    (i * 7919) % 5000000000 as size,
    timestamp '2026-09-01' + to_seconds((i * 37) % 6000000) as last_modified_date,
    md5(i::varchar) as e_tag,
    case when i % 5 = 0 then 'STANDARD_IA' else 'STANDARD' end as storage_class
from numbered
"""


def write_inventory(directory: Path, rows: int, file_format: str) -> Path:
    """Write one delivery of `rows` objects (`Parquet` or `CSV`); return the folder a source would name."""
    home = directory / "inv" / BUCKET / "daily"
    (home / "data").mkdir(parents=True)
    step = -(-rows // PARTS)
    bounds = [(start, min(rows, start + step)) for start in range(0, rows, step)]
    files = [_write_part(home / "data", number, file_format, bound) for number, bound in enumerate(bounds)]
    _write_manifest(home / "2026-11-20T01-00Z", files, directory, file_format)
    return home


def _write_part(folder: Path, number: int, file_format: str, bounds: tuple[int, int]) -> Path:
    connection = duckdb.connect()
    if file_format == "Parquet":
        path = folder / f"part-{number}.parquet"
        connection.execute(f"copy ({_OBJECTS}) to '{path}' (format parquet)", list(bounds))
        return path
    path = folder / f"part-{number}.csv.gz"
    encoded = f"select * replace (replace(url_encode(key), '%20', '+') as key) from ({_OBJECTS})"
    modified = "strftime(last_modified_date, '%Y-%m-%dT%H:%M:%S.000Z')"
    columns = f"select bucket, key, size, {modified}, e_tag, storage_class from ({encoded})"
    plain = path.with_suffix("")
    connection.execute(
        f"copy ({columns}) to '{plain}' (format csv, header false, force_quote *)", list(bounds)
    )
    path.write_bytes(gzip.compress(plain.read_bytes(), compresslevel=6, mtime=0))
    plain.unlink()
    return path


def _write_manifest(folder: Path, files: list[Path], root: Path, file_format: str) -> None:
    folder.mkdir()
    parquet = (
        "message s3.inventory { required binary bucket (STRING); required binary key (STRING); "
        "optional int64 size; optional int64 last_modified_date (TIMESTAMP(MILLIS,true)); "
        "optional binary e_tag (STRING); optional binary storage_class (STRING);}"
    )
    csv = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass"
    manifest = {
        "sourceBucket": BUCKET,
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": "1795136400000",
        "fileFormat": file_format,
        "fileSchema": parquet if file_format == "Parquet" else csv,
        "files": [_entry(path, root) for path in files],
    }
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.checksum").write_text(_md5(text) + "\n")


def _entry(path: Path, root: Path) -> dict[str, object]:
    data = path.read_bytes()
    return {"key": path.relative_to(root).as_posix(), "size": len(data), "MD5checksum": _md5(data)}


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
