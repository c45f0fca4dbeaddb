"""Inventories of any size for the benchmarks: made-up objects in the proportions of a training bucket.

The usual columns of a list of all versions are there, as S3 fills them: version ids and ETags that do not
compress, and columns that are nearly always empty.
"""

import json
import sys
from pathlib import Path

import duckdb

from pipelines.sources.bucket_root import md5_of

BUCKET = "bench"

# Eleven objects to a checkpoint, fifty checkpoints to a run; every fourth object is a dataset shard, of which
# some are old versions or delete markers. `j` counts the objects that are no shards. A few keys need
# decoding.
_OBJECTS = """
with numbered as (
    select i, (i // 4) * 3 + i % 4 as j, i % 400 = 399 as is_marker from range(?, ?) as numbers (i)
)
select
    'bench' as bucket,
    case
        when i % 4 = 3
            then 'datasets/d' || (i % 40) || '/train-' || lpad((i // 40)::varchar, 7, '0') || '.parquet'
        else 'runs/team-' || (j // 550 % 7) || '/run-' || lpad((j // 550)::varchar, 6, '0') || '/checkpoint-'
            || ((j // 11 % 50 + 1) * 500) || '/'
            || case
                when j % 11 < 5 then 'model-0000' || (j % 11 + 1) || '-of-00005.safetensors'
                when j % 11 = 5 then 'trainer_state.json'
                when j % 11 = 6 then 'optimizer.pt'
                when j % 11 = 7 then 'scheduler.pt'
                when j % 11 = 8 then 'model.safetensors.index.json'
                else 'rng_state_' || (j % 11 - 9) || '.pth'
            end
    end || case when i % 9973 = 0 then ' + ' || i else '' end as key,
    translate(to_base64(unhex(left(sha256(i::varchar), 48))), '+/', '._') as version_id,
    i % 400 <> 199 as is_latest,
    is_marker as is_delete_marker,
    case when not is_marker then (md5_number_lower(i::varchar) % 5000000000)::bigint end as size,
    timestamptz '2026-09-01 00:00:00+00'
        + to_seconds((i * 37) % 6000000 + (md5_number_upper(i::varchar) % 60)::bigint) as last_modified_date,
    case when not is_marker then md5(i::varchar) || case when i % 3 = 0 then '-17' else '' end end as e_tag,
    case when is_marker then null when i % 5 = 0 then 'STANDARD_IA' else 'STANDARD' end as storage_class,
    case when not is_marker then i % 3 = 0 end as is_multipart_uploaded,
    null::varchar as replication_status,
    case when not is_marker then 'SSE-S3' end as encryption_status,
    null::timestamptz as object_lock_retain_until_date,
    null::varchar as object_lock_mode,
    null::varchar as object_lock_legal_hold_status,
    null::varchar as intelligent_tiering_access_tier,
    'DISABLED' as bucket_key_status,
    case when i % 2 = 0 then 'CRC64NVME' end as checksum_algorithm
from numbered
"""
_ISO = "%Y-%m-%dT%H:%M:%S.000Z"
_CSV = f"""
select coalesce(columns(*)::varchar, '')
from (
    select * replace (
        replace(replace(url_encode(key), '%2F', '/'), '%20', '+') as key,
        strftime(last_modified_date, '{_ISO}') as last_modified_date
    )
    from ({_OBJECTS})
)
"""
_COLUMNS = (
    ("Bucket", "bucket", "required binary {} (STRING)"),
    ("Key", "key", "required binary {} (STRING)"),
    ("VersionId", "version_id", "optional binary {} (STRING)"),
    ("IsLatest", "is_latest", "optional boolean {}"),
    ("IsDeleteMarker", "is_delete_marker", "optional boolean {}"),
    ("Size", "size", "optional int64 {}"),
    ("LastModifiedDate", "last_modified_date", "optional int64 {} (TIMESTAMP(MILLIS,true))"),
    ("ETag", "e_tag", "optional binary {} (STRING)"),
    ("StorageClass", "storage_class", "optional binary {} (STRING)"),
    ("IsMultipartUploaded", "is_multipart_uploaded", "optional boolean {}"),
    ("ReplicationStatus", "replication_status", "optional binary {} (STRING)"),
    ("EncryptionStatus", "encryption_status", "optional binary {} (STRING)"),
    (
        "ObjectLockRetainUntilDate",
        "object_lock_retain_until_date",
        "optional int64 {} (TIMESTAMP(MILLIS,true))",
    ),
    ("ObjectLockMode", "object_lock_mode", "optional binary {} (STRING)"),
    ("ObjectLockLegalHoldStatus", "object_lock_legal_hold_status", "optional binary {} (STRING)"),
    ("IntelligentTieringAccessTier", "intelligent_tiering_access_tier", "optional binary {} (STRING)"),
    ("BucketKeyStatus", "bucket_key_status", "optional binary {} (STRING)"),
    ("ChecksumAlgorithm", "checksum_algorithm", "optional binary {} (STRING)"),
)


def write_inventory(directory: Path, rows: int, file_format: str, *, part_rows: int) -> Path:
    """Write one delivery of `rows` objects (`Parquet` or `CSV`); return the folder a source would name."""
    home = directory / "inv" / BUCKET / "daily"
    (home / "data").mkdir(parents=True)
    step = min(part_rows, max(1, -(-rows // 4)))
    bounds = [(start, min(rows, start + step)) for start in range(0, rows, step)]
    files = [_write_part(home / "data", number, file_format, bound) for number, bound in enumerate(bounds)]
    _write_manifest(home / "2026-11-20T01-00Z", files, directory, file_format)
    return home


def _write_part(folder: Path, number: int, file_format: str, bounds: tuple[int, int]) -> Path:
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as connection:
        connection.execute("set timezone = 'UTC'")
        if file_format == "Parquet":
            path = folder / f"part-{number}.parquet"
            connection.execute(f"copy ({_OBJECTS}) to '{path}' (format parquet)", list(bounds))
        else:
            path = folder / f"part-{number}.csv.gz"
            options = "format csv, header false, force_quote *, compression gzip"
            connection.execute(f"copy ({_CSV}) to '{path}' ({options})", list(bounds))
    return path


def _write_manifest(folder: Path, files: list[Path], root: Path, file_format: str) -> None:
    folder.mkdir()
    parquet = "; ".join(kind.format(name) for _, name, kind in _COLUMNS)
    csv = ", ".join(name for name, _, _ in _COLUMNS)
    manifest = {
        "sourceBucket": BUCKET,
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": "1795136400000",
        "fileFormat": file_format,
        "fileSchema": f"message s3.inventory {{ {parquet}; }}" if file_format == "Parquet" else csv,
        "files": [_entry(path, root) for path in files],
    }
    text = folder / "manifest.json"
    text.write_text(json.dumps(manifest))
    (folder / "manifest.checksum").write_text(md5_of(text) + "\n")


def _entry(path: Path, root: Path) -> dict[str, object]:
    key = path.relative_to(root).as_posix()
    return {"key": key, "size": path.stat().st_size, "MD5checksum": md5_of(path)}


if __name__ == "__main__":
    write_inventory(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], part_rows=int(sys.argv[4]))
