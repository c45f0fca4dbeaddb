"""Lists of S3 in every form in which it and its likes write them: each object version lands exactly once."""

import gzip
import io
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from pipelines.domain.deliveries import in_force, in_history
from tests.contract.inventories import (
    AS_OF,
    HOSTILE_KEYS,
    LISTED_AT,
    WRITTEN_AT,
    OpenWorld,
    Row,
    World,
    md5,
    naive,
    parquet,
    run_of,
    unordered,
    write,
)

S3_COLUMNS: Mapping[str, tuple[str, pa.DataType, object, str | None]] = {
    "Bucket": ("bucket", pa.string(), "train", "bucket"),
    "Key": ("key", pa.string(), "runs/1/model.pt", "object_key"),
    "VersionId": ("version_id", pa.string(), "3sL4kqtJlcpXro", "version_id"),
    "IsLatest": ("is_latest", pa.bool_(), True, "is_latest"),
    "IsDeleteMarker": ("is_delete_marker", pa.bool_(), False, "is_delete_marker"),
    "Size": ("size", pa.int64(), 5_000_000_000, "size_bytes"),
    "LastModifiedDate": ("last_modified_date", pa.timestamp("ms", "UTC"), WRITTEN_AT, "last_modified_at"),
    "ETag": ("e_tag", pa.string(), "d41d8cd98f00b204e9800998ecf8427e-17", "etag"),
    "StorageClass": ("storage_class", pa.string(), "STANDARD_IA", "storage_class"),
    "IsMultipartUploaded": ("is_multipart_uploaded", pa.bool_(), True, "is_multipart_uploaded"),
    "ReplicationStatus": ("replication_status", pa.string(), "COMPLETED", "replication_status"),
    "EncryptionStatus": ("encryption_status", pa.string(), "SSE-KMS", "encryption_status"),
    "ObjectLockRetainUntilDate": (
        "object_lock_retain_until_date",
        pa.timestamp("ms", "UTC"),
        WRITTEN_AT + timedelta(days=365),
        "object_lock_retain_until_at",
    ),
    "ObjectLockMode": ("object_lock_mode", pa.string(), "GOVERNANCE", "object_lock_mode"),
    "ObjectLockLegalHoldStatus": (
        "object_lock_legal_hold_status",
        pa.string(),
        "On",
        "object_lock_legal_hold",
    ),
    "IntelligentTieringAccessTier": (
        "intelligent_tiering_access_tier",
        pa.string(),
        "FREQUENT",
        "intelligent_tiering_access_tier",
    ),
    "BucketKeyStatus": ("bucket_key_status", pa.string(), "DISABLED", None),
    "ChecksumAlgorithm": ("checksum_algorithm", pa.string(), "CRC64NVME", None),
    "ObjectAccessControlList": ("object_access_control_list", pa.string(), "eyJ2ZXJzaW9uIjoi", None),
    "ObjectOwner": ("object_owner", pa.string(), "75aa57f09aa0c8caeab4f8c24e99d10f", None),
    "LifecycleExpirationDate": ("lifecycle_expiration_date", pa.string(), "2027-01-01T00:00:00.000Z", None),
    "ObjectLockEventHoldStatus": ("object_lock_event_hold_status", pa.string(), "OFF", None),
}
"""Every column that S3 offers: name in CSV, name and type in columnar lists, a value, and where it lands."""

S3_REQUIRED = ("Bucket", "Key", "Size", "LastModifiedDate")
S3_VERSIONS = ("VersionId", "IsLatest", "IsDeleteMarker")
S3_TYPES = {"string": "string", "bool": "boolean", "int64": "bigint"}


def s3_row(**changes: object) -> Row:
    """Return one line of a list, by columnar names."""
    return {name: value for name, _, value, _ in S3_COLUMNS.values()} | changes


MARKER = s3_row(
    key="runs/gone", is_delete_marker=True, size=None, e_tag=None, storage_class=None, version_id="m"
)
REPLACED = s3_row(key="runs/1/model.pt", is_latest=False, version_id=None, size=0)


def s3_schema(file_format: str, columns: Sequence[str]) -> str:
    names = [(S3_COLUMNS[column][0], S3_COLUMNS[column][1]) for column in columns]
    if file_format == "CSV":
        return ", ".join(columns)
    if file_format == "ORC":
        return (
            "struct<"
            + ",".join(f"{name}:{S3_TYPES.get(str(kind), 'timestamp')}" for name, kind in names)
            + ">"
        )
    fields = "".join(f"  optional binary {name} (STRING);" for name, _ in names)
    return f"message s3.inventory {{{fields}}}"


def s3_text(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        case _:
            return quote_plus(str(value), safe="/") if name == "key" else str(value)


def s3_file(file_format: str, columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    chosen = [S3_COLUMNS[column] for column in columns]
    if file_format == "CSV":
        lines = [",".join(f'"{s3_text(name, row[name])}"' for name, *_ in chosen) + "\n" for row in rows]
        middle = len(lines) // 2
        return b"".join(gzip.compress("".join(part).encode()) for part in (lines[:middle], lines[middle:]))
    schema = pa.schema([(name, kind) for name, kind, *_ in chosen])
    table = pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema)
    if file_format == "Parquet":
        return parquet(table)
    buffer = io.BytesIO()
    orc.write_table(table, buffer, compression="zlib")
    return buffer.getvalue()


def s3_delivery(
    folder: Path,
    file_format: str,
    bodies: Sequence[bytes],
    *,
    stamp: str = "2026-11-19T01-00Z",
    **changes: object,
) -> Path:
    """Write a delivery of data files below `reports/`, and return its folder."""
    ending = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}[file_format]
    files = []
    for number, body in enumerate(bodies):
        name = f"data/{stamp}-{number}.{ending}"
        write(folder / name, body)
        files.append({"key": f"reports/{name}", "size": len(body), "MD5checksum": md5(body)})
    moment = datetime.strptime(stamp, "%Y-%m-%dT%H-%MZ").replace(tzinfo=UTC)
    manifest = {
        "sourceBucket": "train",
        "destinationBucket": "arn:aws:s3:::lists",
        "version": "2016-11-30",
        "creationTimestamp": str(int(moment.timestamp() * 1000)),
        "fileFormat": file_format,
        "fileSchema": s3_schema(file_format, tuple(S3_COLUMNS)),
        "files": files,
    } | changes
    text = json.dumps(manifest).encode()
    write(folder / stamp / "manifest.json", text)
    write(folder / stamp / "manifest.checksum", f"{md5(text)}\n".encode())
    write(folder / "hive" / "dt=2026-11-19-01-00" / "symlink.txt", b"s3://lists/elsewhere\n")
    return folder / stamp


def as_landed(row: Row, columns: Sequence[str]) -> Row:
    """Return what has to land of a line of an S3 list with these columns."""
    lands = {lands: row[name] for name, _, _, lands in (S3_COLUMNS[column] for column in columns) if lands}
    key = str(lands["object_key"])
    leaf = key.rpartition("/")[2]
    expected: Row = {lands: None for _, _, _, lands in S3_COLUMNS.values() if lands}
    expected |= {
        name: naive(value) if isinstance(value, datetime) else value for name, value in lands.items()
    }
    return expected | {
        "directory": key.removesuffix(leaf),
        "leaf": leaf,
        "lists_versions": "IsLatest" in columns,
        "snapshot_at": naive(LISTED_AT),
    }


@pytest.mark.parametrize("versions", ["all versions", "current only"])
@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
def test_s3_lists_land_row_by_row(world: OpenWorld, file_format: str, versions: str) -> None:
    opened = world("s3-inventory")
    columns = [name for name in S3_COLUMNS if versions == "all versions" or name not in S3_VERSIONS]
    rows = [s3_row(key=key) for key in HOSTILE_KEYS]
    if versions == "all versions":
        rows += [MARKER, REPLACED]
    bodies = [s3_file(file_format, columns, part) for part in (rows[:3], rows[3:])]
    s3_delivery(opened.folder, file_format, bodies, fileSchema=s3_schema(file_format, columns))
    assert (opened.ingest().rows, opened.ingest().known) == (len(rows), 1)
    assert unordered(opened.only_rows()) == unordered([as_landed(row, columns) for row in rows])


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
def test_every_optional_column_of_s3_may_be_absent_and_the_others_come_in_any_order(
    world: OpenWorld, file_format: str
) -> None:
    opened = world("s3-inventory")
    optional = [name for name in S3_COLUMNS if name not in S3_REQUIRED]
    expected = {}
    for day, absent in enumerate(optional, start=1):
        # Without its versions a list says nothing about them at all.
        left_out = S3_VERSIONS if absent in S3_VERSIONS else (absent,)
        columns = [name for name in reversed(tuple(S3_COLUMNS)) if name not in left_out]
        stamp = f"2026-10-{day:02d}T01-00Z"
        body = s3_file(file_format, columns, [s3_row()])
        s3_delivery(
            opened.folder, file_format, [body], stamp=stamp, fileSchema=s3_schema(file_format, columns)
        )
        moment = datetime.strptime(stamp, "%Y-%m-%dT%H-%MZ")  # noqa: DTZ007
        expected[stamp] = as_landed(s3_row(), columns) | {"snapshot_at": moment}
    opened.ingest()
    assert {entry.delivery_id[:17]: opened.rows(entry) for entry in opened.landed()} == {
        stamp: [row] for stamp, row in expected.items()
    }


MOMENTS = {
    "ISO with milliseconds": WRITTEN_AT.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    "ISO without": "2026-11-01T12:30:00Z",
    "seconds": str(int(WRITTEN_AT.timestamp())),
    "milliseconds": str(int(WRITTEN_AT.timestamp() * 1000)),
}


@pytest.mark.parametrize("spelled", MOMENTS.values(), ids=MOMENTS.keys())
def test_s3_compatible_stores_write_times_as_they_like(world: OpenWorld, spelled: str) -> None:
    opened = world("s3-inventory")
    body = gzip.compress(f'"train","runs/a","10","{spelled}"\n'.encode())
    s3_delivery(opened.folder, "CSV", [body], fileSchema=", ".join(S3_REQUIRED))
    opened.ingest()
    [row] = opened.only_rows()
    assert row["last_modified_at"] in (naive(WRITTEN_AT), naive(WRITTEN_AT.replace(microsecond=0)))


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize("unit", [1, 1000], ids=["seconds", "milliseconds"])
def test_columnar_lists_may_hold_times_as_numbers(world: OpenWorld, file_format: str, unit: int) -> None:
    opened = world("s3-inventory")
    values = {
        "bucket": ["train"],
        "key": ["a%20b+c"],
        "size": pa.array([10], pa.int64()),
        "last_modified_date": pa.array([int(WRITTEN_AT.timestamp() * unit)], pa.int64()),
    }
    buffer = io.BytesIO()
    writer = orc.write_table if file_format == "ORC" else pq.write_table
    writer(pa.table(values), buffer)
    schema = s3_schema(file_format, S3_REQUIRED)
    s3_delivery(opened.folder, file_format, [buffer.getvalue()], fileSchema=schema)
    opened.ingest()
    [row] = opened.only_rows()
    assert row["object_key"] == "a%20b+c"
    assert row["last_modified_at"].replace(microsecond=0) == naive(WRITTEN_AT.replace(microsecond=0))


def test_the_lists_of_alibaba_s_object_store_are_read(world: OpenWorld) -> None:
    opened = world("s3-inventory")
    names = (
        "Bucket,Key,VersionId,IsLatest,IsDeleteMarker,Size,StorageClass,LastModifiedDate,ETag,"
        "IsMultipartUploaded,EncryptionStatus,ObjectAcl,TaggingCount,ObjectType,CRC64"
    )
    line = (
        '"train","runs%2Fa%20b","CAEQ","true","false","10","Standard","2026-11-01T12:30:00.250Z","AB12",'
        '"false","None","default","0","Normal","12345678901234567890"\n'
    )
    s3_delivery(
        opened.folder,
        "CSV",
        [gzip.compress(line.encode())],
        fileSchema=names,
        version="2019-09-01",
        destinationBucket="lists",
        creationTimestamp=str(int(LISTED_AT.timestamp())),
    )
    opened.ingest()
    [row] = opened.only_rows()
    told = ("object_key", "version_id", "is_latest", "size_bytes", "storage_class", "etag", "snapshot_at")
    assert tuple(row[name] for name in told) == (
        "runs/a b",
        "CAEQ",
        True,
        10,
        "STANDARD",
        "AB12",
        naive(LISTED_AT),
    )
    assert row["last_modified_at"] == naive(WRITTEN_AT)


def test_an_empty_bucket_has_a_list_without_files(world: OpenWorld) -> None:
    opened = world("s3-inventory")
    s3_delivery(opened.folder, "CSV", [])
    assert opened.ingest().landed == 1
    [entry] = opened.landed()
    assert (entry.row_count, entry.files, entry.scope) == (0, (), "train")


def test_a_list_that_is_replaced_in_place_counts_once_and_the_newer_one(world: OpenWorld) -> None:
    opened = world("s3-inventory")
    older, newer = (s3_file("Parquet", tuple(S3_COLUMNS), [s3_row(key=key)]) for key in ("old", "new"))
    for minutes, body in enumerate((older, newer, older)):
        folder = s3_delivery(opened.folder, "Parquet", [body])
        written = LISTED_AT.timestamp() + minutes * 60
        os.utime(folder / "manifest.json", (written, written))
        opened.ingest()
        if body is newer:
            break
    assert len(opened.landed()) == 2
    [entry] = in_force(opened.landed(), AS_OF)
    assert [row["object_key"] for row in opened.rows(entry)] == ["new"]
    assert in_history(opened.landed(), AS_OF) == [entry]


def test_a_row_of_another_bucket_is_damage(world: OpenWorld) -> None:
    opened = world("s3-inventory")
    body = s3_file("Parquet", tuple(S3_COLUMNS), [s3_row(), s3_row(bucket="other")])
    s3_delivery(opened.folder, "Parquet", [body])
    [rejected] = opened.ingest().quarantined
    assert "a row is of another bucket" in rejected.reason
    assert opened.landed() == []


@pytest.mark.parametrize("folder", ["csv-all-versions", "orc", "parquet"])
def test_real_lists_land_as_their_source_describes_them(tmp_path: Path, folder: str) -> None:
    repository = Path(__file__).parents[2]
    samples = Path(os.environ.get("MORAINE_SAMPLES", repository.parent / "shared" / "samples"))
    place = samples / "s3-inventory" / folder
    if not place.is_dir():
        pytest.skip(f"no samples in {samples}; MORAINE_SAMPLES names another place")
    opened = World(place, run_of(tmp_path, "s3-inventory", place, "filemanager-inventory-test"))
    assert opened.ingest().rows == 5
    rows = opened.only_rows()
    # A folder key, an old version, a current one, a delete marker and what it hides.
    assert sum(row["size_bytes"] or 0 for row in rows) == 10
    assert sum(row["is_delete_marker"] for row in rows) == 1
    assert sum(not row["is_latest"] for row in rows) == 2
    [entry] = opened.landed()
    summed = opened.rows(entry, "s3_inventory_directories")
    assert sum(row["object_count"] for row in summed) == 4
    assert sum(row["size_bytes"] for row in summed) == 10
