"""Tiny deliveries, written as the providers write them."""

import gzip
import hashlib
import io
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote_plus

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from pipelines.domain.configuration import Endpoint, Source, SourceKind
from pipelines.domain.deliveries import Delivery
from pipelines.sources import Place, convert, open_place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Rows = list[dict[str, Any]]

# CSV name, name in Parquet lists, Parquet type.
INVENTORY_COLUMNS = (
    ("Bucket", "bucket", pa.string()),
    ("Key", "key", pa.string()),
    ("VersionId", "version_id", pa.string()),
    ("IsLatest", "is_latest", pa.bool_()),
    ("IsDeleteMarker", "is_delete_marker", pa.bool_()),
    ("Size", "size", pa.int64()),
    ("LastModifiedDate", "last_modified_date", pa.timestamp("ms", "UTC")),
    ("ETag", "e_tag", pa.string()),
    ("StorageClass", "storage_class", pa.string()),
)


class OpenedPlace(Protocol):
    """Opens a place of made-up deliveries."""

    def __call__(self, kind: SourceKind, uri: object, bucket: str | None = None) -> Place:
        """Return the place."""


@pytest.fixture
def samples() -> Path:
    """Real files of providers."""
    repository = Path(__file__).parents[4]
    folder = Path(os.environ.get("MORAINE_SAMPLES", repository.parent / "shared" / "samples"))
    if not folder.is_dir():
        pytest.skip(f"no samples in {folder}; MORAINE_SAMPLES names another place")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> OpenedPlace:
    """Return a function that opens a directory as a source called `bills`."""

    def opened(kind: SourceKind, uri: object, bucket: str | None = None) -> Place:
        source = Source(name="bills", kind=kind, uri=str(uri), bucket=bucket)
        return open_place(source, tmp_path, (), tmp_path / "scratch")

    return opened


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[[Place, Delivery], Rows]:
    """Return a function that reads a delivery whole."""

    def rows(opened: Place, delivery: Delivery) -> Rows:
        read: Rows = []
        for index in range(len(delivery.parts)):
            with TemporaryDirectory(dir=tmp_path) as into:
                for file in convert(opened, delivery, index, Path(into)).files:
                    read += pq.read_table(file).to_pylist()
        return read

    return rows


@pytest.fixture
def deliver_inventory(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes one inventory below `bucket/` and returns its configuration's folder."""

    def deliver(
        rows: Sequence[Mapping[str, Any]] = (),
        *,
        file_format: str = "Parquet",
        stamp: str = "2026-11-19T01-00Z",
        columns: Sequence[str] = tuple(name for name, _, _ in INVENTORY_COLUMNS),
        **changes: object,
    ) -> Path:
        folder = tmp_path / "bucket" / "lists" / "train" / "daily"
        chosen = [column for column in INVENTORY_COLUMNS if column[0] in columns]
        body = _inventory_csv(rows, chosen) if file_format == "CSV" else _inventory_parquet(rows, chosen)
        name = f"{stamp}.{'csv.gz' if file_format == 'CSV' else 'parquet'}"
        _write(folder / "data" / name, body)
        moment = datetime.strptime(stamp, "%Y-%m-%dT%H-%MZ").replace(tzinfo=UTC)
        manifest = {
            "sourceBucket": "train",
            "destinationBucket": "arn:aws:s3:::lists",
            "version": "2016-11-30",
            "creationTimestamp": str(int(moment.timestamp() * 1000)),
            "fileFormat": file_format,
            "fileSchema": _inventory_schema(file_format, chosen),
            "files": [
                {"key": f"lists/train/daily/data/{name}", "size": len(body), "MD5checksum": _md5(body)}
            ],
        } | changes
        text = json.dumps({key: value for key, value in manifest.items() if value is not None}).encode()
        _write(folder / stamp / "manifest.json", text)
        _write(folder / stamp / "manifest.checksum", f"{_md5(text)}\n".encode())
        return folder

    return deliver


@pytest.fixture
def deliver_export(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes one run of a Data Exports export and returns the export's folder."""

    def deliver(
        *bodies: bytes,
        period: str = "2026-11",
        run: str = "",
        ending: str = "csv.gz",
        newest: bool = True,
        **changes: object,
    ) -> Path:
        export = tmp_path / "bucket" / "exports" / "cur2"
        folder = f"BILLING_PERIOD={period}/{run}/" if run else f"BILLING_PERIOD={period}/"
        names = [f"data/{folder}cur2-{index:05d}.{ending}" for index in range(1, len(bodies) + 1)]
        for name, body in zip(names, bodies, strict=True):
            _write(export / name, body)
        files = [f"s3://billing/exports/cur2/{name}" for name in names]
        manifest = {"executionId": run or None, "dataFiles": files} | changes
        text = json.dumps({key: value for key, value in manifest.items() if value is not None}).encode()
        _write(export / "metadata" / folder / "cur2-Manifest.json", text)
        if run and newest:
            _write(export / "metadata" / f"BILLING_PERIOD={period}" / "cur2-Manifest.json", text)
        return export

    return deliver


@pytest.fixture
def parquet() -> Callable[..., bytes]:
    """Return a function that makes a Parquet file of rows."""

    def made(rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None) -> bytes:
        return _parquet(pa.Table.from_pylist(list(rows), schema=schema))

    return made


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """An S3 endpoint on this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


_bucket_numbers = itertools.count(1)


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> "S3Client":
    """A client of the endpoint, with credentials that the code under test finds too."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    return boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1")


@pytest.fixture
def bucket(s3: "S3Client") -> str:
    """An empty bucket."""
    name = f"sources-{next(_bucket_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def upload(s3: "S3Client") -> Callable[[Path, str], None]:
    """Return a function that copies a directory into a bucket."""

    def uploaded(directory: Path, bucket: str) -> None:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            s3.put_object(Bucket=bucket, Key=path.relative_to(directory).as_posix(), Body=path.read_bytes())

    return uploaded


@pytest.fixture
def s3_place(s3: "S3Client", tmp_path: Path) -> OpenedPlace:
    """Return a function that opens a place in a bucket of the endpoint."""
    endpoints = (Endpoint(match="s3://*", endpoint_url=s3.meta.endpoint_url),)

    def opened(kind: SourceKind, uri: object, bucket: str | None = None) -> Place:
        source = Source(name="bills", kind=kind, uri=str(uri), bucket=bucket)
        return open_place(source, tmp_path, endpoints, tmp_path / "scratch")

    return opened


def _inventory_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str, Any]]) -> bytes:
    lines = [",".join(f'"{_csv_text(name, row.get(name))}"' for _, name, _ in columns) for row in rows]
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def _csv_text(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        case _:
            return quote_plus(str(value), safe="/") if name == "key" else str(value)


def _inventory_parquet(rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str, Any]]) -> bytes:
    schema = pa.schema([(name, kind) for _, name, kind in columns])
    return _parquet(
        pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)
    )


def _inventory_schema(file_format: str, columns: Sequence[tuple[str, str, Any]]) -> str:
    if file_format == "CSV":
        return ", ".join(name for name, _, _ in columns)
    fields = "".join(f"  optional binary {name} (STRING);" for _, name, _ in columns)
    return f"message s3.inventory {{{fields}}}"


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
