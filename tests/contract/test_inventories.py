"""Inventories in every form in which providers write them: each object version lands exactly once."""

import base64
import csv
import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from pipelines import raw, steps
from pipelines.domain.configuration import Endpoint
from pipelines.domain.deliveries import Landed, in_force, in_history
from pipelines.domain.uris import BucketUri
from pipelines.stores import open_store
from tests.fakes.gcs import Clock, GcsServer

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


@pytest.fixture
def world(tmp_path: Path) -> OpenWorld:
    """Return a function that opens the world of one source of a kind, called `lists`, for bucket `train`."""

    def opened(kind: str) -> World:
        folder = tmp_path / "bucket" / "reports"
        folder.mkdir(parents=True)
        return World(folder, run_of(tmp_path, kind, folder, "train"))

    return opened


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


# ── Amazon S3 ──

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


def unordered(rows: Sequence[Row]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in rows)


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


# ── Cloud Storage ──

GCS_FIELDS: Mapping[str, tuple[pa.DataType, object, str | None]] = {
    "project": (pa.string(), "123456", None),
    "bucket": (pa.string(), "train", "bucket"),
    "name": (pa.string(), "runs/1/model.pt", "object_key"),
    "location": (pa.string(), "US-CENTRAL1", None),
    "size": (pa.int64(), 5_000_000_000, "size_bytes"),
    "timeCreated": (pa.timestamp("us", "UTC"), WRITTEN_AT, "created_at"),
    "timeDeleted": (pa.timestamp("us", "UTC"), None, "deleted_at"),
    "updated": (pa.timestamp("us", "UTC"), WRITTEN_AT + timedelta(days=3), "updated_at"),
    "storageClass": (pa.string(), "NEARLINE", "storage_class"),
    "etag": (pa.string(), "CJnJ8bqR8okDEAE=", "etag"),
    "retentionExpirationTime": (
        pa.timestamp("us", "UTC"),
        WRITTEN_AT + timedelta(days=30),
        "retention_expires_at",
    ),
    "crc32c": (pa.string(), base64.b64encode(b"abcd").decode(), "crc32c"),
    "md5Hash": (pa.string(), base64.b64encode(b"0" * 16).decode(), "md5_hash"),
    "generation": (pa.int64(), 1_730_464_200_250_000, "generation"),
    "metageneration": (pa.int64(), 2, "metageneration"),
    "contentType": (pa.string(), "application/octet-stream", None),
    "contentEncoding": (pa.string(), None, None),
    "timeStorageClassUpdated": (
        pa.timestamp("us", "UTC"),
        WRITTEN_AT + timedelta(days=2),
        "class_changed_at",
    ),
}
"""Every metadata field, in the order in which gcloud asks for them: type, a value, and where it lands."""

GCS_REQUIRED = ("name", "size", "timeCreated")


def gcs_row(**changes: object) -> Row:
    return {name: value for name, (_, value, _) in GCS_FIELDS.items()} | changes


GCS_ROWS = [
    *(gcs_row(name=key) for key in HOSTILE_KEYS),
    gcs_row(generation=7, timeDeleted=WRITTEN_AT + timedelta(days=1)),
]


def gcs_as_landed(row: Row, fields: Sequence[str]) -> Row:
    lands = {lands: row[name] for name in fields if (lands := GCS_FIELDS[name][2])}
    leaf = str(row["name"]).rpartition("/")[2]
    unknown = ("soft_deleted_at", "hard_deleted_at", "is_temporary_hold", "is_event_hold")
    expected = dict.fromkeys([lands for _, _, lands in GCS_FIELDS.values() if lands] + list(unknown))
    expected |= {
        name: naive(value) if isinstance(value, datetime) else value for name, value in lands.items()
    }
    return expected | {
        "bucket": "train",
        "directory": str(row["name"]).removesuffix(leaf),
        "leaf": leaf,
        "snapshot_at": naive(LISTED_AT),
    }


def gcs_csv(
    fields: Sequence[str],
    rows: Sequence[Row],
    *,
    delimiter: str = ",",
    separator: str = "\n",
    header: bool = True,
) -> bytes:
    buffer = io.StringIO(newline="")
    # The module takes any terminator when it writes; it does not quote another end of a line than its own.
    writer = csv.writer(
        buffer,
        delimiter=delimiter,
        lineterminator=separator,
        quoting=csv.QUOTE_ALL if separator == "\n" else csv.QUOTE_MINIMAL,
    )
    if header:
        writer.writerow(fields)
    for row in rows:
        writer.writerow(
            [
                value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
                for value in map(row.__getitem__, fields)
            ]
        )
    return buffer.getvalue().encode()


def gcs_parquet(fields: Sequence[str], rows: Sequence[Row]) -> bytes:
    schema = pa.schema([(name, GCS_FIELDS[name][0]) for name in fields])
    return parquet(pa.Table.from_pylist([{name: row[name] for name in fields} for row in rows], schema))


def gcs_report(
    folder: Path,
    bodies: Sequence[bytes],
    *,
    rows: int,
    options: Mapping[str, object] | None = None,
    config: Mapping[str, object] | None = None,
    uuid: str = "6a8f4c3e-1b2d-4e5f-9a0b-c1d2e3f40516",
    moment: datetime = LISTED_AT,
    **changes: object,
) -> list[str]:
    """Write a report and return the names of its shards; Parquet unless `options` are those of CSV."""
    prefix = f"{uuid}_{moment:%Y-%m-%dT%H:%M}"
    ending = "parquet" if options is None else "csv"
    names = [f"{prefix}_{number}.{ending}" for number in range(len(bodies))]
    for name, body in zip(names, bodies, strict=True):
        write(folder / name, body)
    manifest = {
        "report_config": {
            "name": f"projects/1/locations/us-central1/reportConfigs/{uuid}",
            **({"parquetOptions": {}} if options is None else {"csvOptions": options}),
            "objectMetadataReportOptions": {
                "metadataFields": list(GCS_FIELDS),
                "storageFilters": {"bucket": "train"},
                "storageDestinationOptions": {"bucket": "reports", "destinationPath": "train"},
            },
            **(config or {}),
        },
        "records_processed": rows,
        "snapshot_time": moment.isoformat().replace("+00:00", "Z"),
        "shard_count": len(names),
        "report_shards_file_names": names,
    } | changes
    text = json.dumps({name: value for name, value in manifest.items() if value is not None})
    write(folder / f"{prefix}_manifest.json", text.encode())
    return names


def test_gcs_reports_in_parquet_land_row_by_row(world: OpenWorld) -> None:
    opened = world("gcs-inventory")
    bodies = [gcs_parquet(tuple(GCS_FIELDS), part) for part in (GCS_ROWS[:3], GCS_ROWS[3:])]
    gcs_report(opened.folder / "train", bodies, rows=len(GCS_ROWS))
    assert (opened.ingest().rows, opened.ingest().known) == (len(GCS_ROWS), 1)
    expected = [gcs_as_landed(row, tuple(GCS_FIELDS)) for row in GCS_ROWS]
    assert unordered(opened.only_rows()) == unordered(expected)
    [entry] = opened.landed()
    assert (entry.scope, entry.byte_count) == ("train", sum(map(len, bodies)))
    assert entry.delivered_at == entry.snapshot_at == naive(LISTED_AT)
    summed = opened.rows(entry, "gcs_inventory_directories")
    assert sum(row["object_count"] for row in summed) == len(GCS_ROWS)
    assert sum(row["object_count"] for row in summed if not row["is_current"]) == 1


@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
@pytest.mark.parametrize(
    "delimiter, separator",
    [(",", "\n"), ("\t", "\n"), (",", "\r\n"), ("|", "\r"), (";", "~"), (",", "~"), ("|", "\x1e\x1f")],
)
def test_gcs_reports_in_csv_land_row_by_row(
    world: OpenWorld, delimiter: str, separator: str, *, header: bool
) -> None:
    opened = world("gcs-inventory")
    body = gcs_csv(tuple(GCS_FIELDS), GCS_ROWS, delimiter=delimiter, separator=separator, header=header)
    options = {"delimiter": delimiter, "recordSeparator": separator} | (
        {"headerRequired": True} if header else {}
    )
    gcs_report(opened.folder, [body], rows=len(GCS_ROWS), options=options)
    assert opened.ingest().quarantined == ()
    expected = [gcs_as_landed(row, tuple(GCS_FIELDS)) for row in GCS_ROWS]
    assert unordered(opened.only_rows()) == unordered(expected)


@pytest.mark.parametrize("form", ["Parquet", "CSV", "CSV without header"])
def test_every_optional_field_of_gcs_may_be_absent_and_the_others_come_in_any_order(
    world: OpenWorld, form: str
) -> None:
    opened = world("gcs-inventory")
    expected: dict[datetime, Row] = {}
    optional = [name for name in GCS_FIELDS if name not in GCS_REQUIRED]
    for day, absent in enumerate(optional, start=1):
        fields = [name for name in reversed(tuple(GCS_FIELDS)) if name != absent]
        moment = LISTED_AT.replace(month=10, day=day)
        has_header = form == "CSV"
        rows = [gcs_row()]
        body = gcs_parquet(fields, rows) if form == "Parquet" else gcs_csv(fields, rows, header=has_header)
        gcs_report(
            opened.folder,
            [body],
            rows=1,
            moment=moment,
            options=None if form == "Parquet" else {"headerRequired": has_header},
            config={
                "objectMetadataReportOptions": {
                    "metadataFields": fields,
                    "storageFilters": {"bucket": "train"},
                }
            },
        )
        expected[naive(moment)] = gcs_as_landed(gcs_row(), fields) | {"snapshot_at": naive(moment)}
    assert opened.ingest().quarantined == ()
    assert {entry.snapshot_at: opened.rows(entry) for entry in opened.landed()} == {
        moment: [row] for moment, row in expected.items()
    }


def test_shards_may_be_named_as_uris_and_lie_beside_their_manifest(world: OpenWorld) -> None:
    opened = world("gcs-inventory")
    names = gcs_report(opened.folder, [gcs_parquet(tuple(GCS_FIELDS), [gcs_row()])], rows=1)
    uris = [f"gs://reports/elsewhere/{name}" for name in names]
    gcs_report(
        opened.folder,
        [gcs_parquet(tuple(GCS_FIELDS), [gcs_row()])],
        rows=1,
        report_shards_file_names=None,
        reportNames=uris,
    )
    opened.ingest()
    assert [row["object_key"] for row in opened.only_rows()] == ["runs/1/model.pt"]


def test_an_empty_bucket_has_a_report_without_shards(world: OpenWorld) -> None:
    opened = world("gcs-inventory")
    gcs_report(opened.folder, [], rows=0)
    assert opened.ingest().landed == 1
    [entry] = opened.landed()
    assert (entry.row_count, entry.files) == (0, ())


def test_of_many_reports_in_one_folder_those_about_the_bucket_land(world: OpenWorld) -> None:
    opened = world("gcs-inventory")
    fields = tuple(GCS_FIELDS)
    other = {"objectMetadataReportOptions": {"storageFilters": {"bucket": "serve"}}}
    body = gcs_parquet(fields, [gcs_row(bucket="serve", name="not ours")])
    gcs_report(opened.folder, [body], rows=1, config=other, uuid="0")
    # Here only the rows say which bucket it is.
    silent: dict[str, object] = {"objectMetadataReportOptions": {}}
    gcs_report(opened.folder, [body], rows=1, config=silent, uuid="1")
    ours = gcs_parquet(fields, [gcs_row(name="ours")])
    gcs_report(opened.folder, [ours], rows=1, config=silent, uuid="2")
    report = opened.ingest()
    assert (report.landed, report.quarantined) == (1, ())
    assert [row["object_key"] for row in opened.only_rows()] == ["ours"]


def test_a_report_whose_shards_hold_fewer_rows_than_it_promises_is_quarantined_until_it_is_whole(
    world: OpenWorld,
) -> None:
    opened = world("gcs-inventory")
    fields = tuple(GCS_FIELDS)
    whole = [gcs_parquet(fields, [gcs_row(name="a"), gcs_row(name="b")]), gcs_parquet(fields, [gcs_row()])]
    names = gcs_report(opened.folder, whole, rows=3)
    write(opened.folder / names[0], gcs_parquet(fields, [gcs_row(name="a")]))
    [rejected] = opened.ingest().quarantined
    assert "hold 2 rows, and its manifest says 3" in rejected.reason
    assert (opened.landed(), len(raw.quarantined(opened.run.lake))) == ([], 1)
    write(opened.folder / names[0], whole[0])
    assert opened.ingest().rows == 3
    assert {row["object_key"] for row in opened.only_rows()} == {"a", "b", "runs/1/model.pt"}
    assert raw.quarantined(opened.run.lake) == []


def test_several_workers_find_a_report_that_is_cut_short_as_well(world: OpenWorld) -> None:
    opened = world("gcs-inventory")
    gcs_report(opened.folder, [gcs_parquet(tuple(GCS_FIELDS), [gcs_row()])], rows=2)
    _, [chunk] = steps.find(opened.run, "lists")
    assert steps.land(opened.run, chunk) is None
    [rejected] = steps.finish(opened.run, "lists", [chunk]).quarantined
    assert "hold 1 rows, and its manifest says 2" in rejected.reason


def test_a_damaged_report_does_not_keep_the_others_back(world: OpenWorld) -> None:
    opened = world("gcs-inventory")
    body = gcs_parquet(tuple(GCS_FIELDS), [gcs_row()])
    gcs_report(opened.folder, [body], rows=1, moment=LISTED_AT - timedelta(days=2))
    gcs_report(opened.folder, [body], rows=1, moment=LISTED_AT - timedelta(days=1), shard_count=2)
    [missing] = gcs_report(opened.folder, [body], rows=1)
    (opened.folder / missing).unlink()
    report = opened.ingest()
    assert report.landed == 1
    reasons = sorted(rejected.reason for rejected in report.quarantined)
    assert "a data file that the manifest lists is missing" in reasons[0]
    assert "it names 1 shards and says that there are 2" in reasons[1]
    [entry] = in_force(opened.landed(), AS_OF)
    assert entry.snapshot_at == naive(LISTED_AT - timedelta(days=2))


def test_a_report_is_read_from_a_bucket_of_google(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    bodies = [gcs_parquet(tuple(GCS_FIELDS), part) for part in (GCS_ROWS[:3], GCS_ROWS[3:])]
    gcs_report(folder, bodies, rows=len(GCS_ROWS))
    with GcsServer(Clock(LISTED_AT)) as server:
        server.add_bucket("reports")
        endpoints = (Endpoint(match="gs://*", endpoint_url=server.url),)
        store = open_store(BucketUri("gs", "reports", "train"), endpoints)
        for path in folder.iterdir():
            store.upload(path, path.name)
        config = tmp_path / "moraine.yaml"
        config.write_text(
            "lake: lake\n"
            "sources: [{name: lists, kind: gcs-inventory, uri: 'gs://reports/train', bucket: train}]\n"
            f"endpoints: [{{match: 'gs://*', endpoint_url: '{server.url}'}}]\n"
        )
        opened = World(tmp_path, steps.open_run(config, AS_OF, datetime(2026, 11, 20, 6)))
        assert opened.ingest().rows == len(GCS_ROWS)
    expected = [gcs_as_landed(row, tuple(GCS_FIELDS)) for row in GCS_ROWS]
    assert unordered(opened.only_rows()) == unordered(expected)


# ── Both, in the warehouse ──


def test_the_marts_speak_of_a_bucket_of_google(world: OpenWorld) -> None:
    opened = world("gcs-inventory")
    save = "runs/a/checkpoint-500/"
    files = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
    gib = 2**30
    rows = [
        *(gcs_row(name=f"{save}{name}", size=gib, storageClass="STANDARD") for name in files),
        gcs_row(name=f"{save}{files[0]}", generation=1, size=gib, timeDeleted=WRITTEN_AT),
    ]
    bodies = [gcs_parquet(tuple(GCS_FIELDS), part) for part in (rows[:2], rows[2:])]
    gcs_report(opened.folder, bodies, rows=len(rows))
    opened.ingest()
    steps.build(opened.run)
    with duckdb.connect(str(opened.run.settings.scratch / "unused.duckdb")) as connection:
        path = next((opened.folder.parents[1] / "lake").rglob("warehouse.duckdb"))
        connection.execute(f"attach '{path}' as made (read_only)")
        connection.execute("use made")
        checkpoints = connection.execute(
            "select checkpoint_id, provider, state, object_count, size_bytes, cost_usd_month "
            "from marts.checkpoints"
        ).fetchall()
        members = connection.execute(
            "select provider, version_id, count(*) from marts.checkpoint_objects group by all"
        ).fetchall()
        hidden = connection.execute(
            "select provider, bucket, kind, object_count, size_bytes, cost_usd_month from marts.hidden_bytes"
        ).fetchall()
    [checkpoint] = checkpoints
    assert checkpoint[:5] == ("gs://train/runs/a/checkpoint-500", "gcp", "complete", 5, 5 * gib)
    assert float(checkpoint[5]) == pytest.approx(5 * 0.02)
    assert members == [("gcp", "1730464200250000", 5)]
    assert [(*row[:5], float(row[5])) for row in hidden] == [("gcp", "train", "noncurrent", 1, gib, 0.01)]
