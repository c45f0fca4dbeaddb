"""Deliveries of every kind, as their providers write them: a good one, and ways to spoil it."""

import csv
import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

Row = Mapping[str, object]

FIRST = datetime(2026, 11, 18, 4, tzinfo=UTC)
"""When delivery 1 is written; each further one a day later."""


@dataclass(frozen=True)
class Delivered:
    """The files of one delivery."""

    data: tuple[Path, ...]
    manifest: Path | None = None
    written_at: datetime = FIRST

    def settle(self) -> None:
        """Date the files: a copy or a change of one would be of now."""
        for path in (*self.data, *([self.manifest] if self.manifest else [])):
            if path.exists():
                os.utime(path, (self.written_at.timestamp(), self.written_at.timestamp()))

    def sign(self) -> None:
        """Write the checksum that S3 puts beside a manifest."""
        if self.manifest is not None and self.manifest.with_suffix(".checksum").exists():
            self.manifest.with_suffix(".checksum").write_text(md5(self.manifest.read_bytes()) + "\n")

    def change_manifest(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change what the manifest says; it stays well signed."""
        assert self.manifest is not None
        document = json.loads(self.manifest.read_bytes())
        change(document)
        self.manifest.write_text(json.dumps(document))
        self.sign()


@dataclass(frozen=True)
class Provider:
    """One kind of source, in one format."""

    name: str
    kind: str
    deliver: Callable[[Path, int, Sequence[Row]], Delivered]
    """Write the delivery of that number below a folder."""
    rows: Callable[[int], Sequence[Row]]
    """What delivery of that number holds, unless said."""
    bucket: str | None = None
    columns: tuple[str, str] = ("", "")
    """What the raw table calls a column that tells rows apart, and how the provider calls it."""

    def settings(self, folder: Path) -> str:
        """Return the source as moraine.yaml says it."""
        bucket = f", bucket: {self.bucket}" if self.bucket else ""
        return f"{{name: {self.name}, kind: {self.kind}, uri: 'file:{folder}'{bucket}}}"


def written_at(number: int) -> datetime:
    """Return when the delivery of that number is written."""
    return FIRST + timedelta(days=number - 1)


def write(path: Path, body: bytes) -> Path:
    """Write a file of a delivery."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def md5(body: bytes) -> str:
    """Return the MD5 in hex."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def csv_gz(rows: Sequence[Row], columns: Sequence[str], *, header: bool = True) -> bytes:
    """Return rows as the CSV of billing exports."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def parquet(rows: Sequence[Row], schema: pa.Schema) -> bytes:
    """Return rows as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema), buffer)
    return buffer.getvalue()


# S3 Inventory

_OBJECT = pa.schema(
    [
        ("bucket", pa.string()),
        ("key", pa.string()),
        ("size", pa.int64()),
        ("last_modified_date", pa.timestamp("ms", "UTC")),
        ("storage_class", pa.string()),
    ]
)
_CSV_NAMES = "Bucket, Key, Size, LastModifiedDate, StorageClass"


def objects(*keys: str) -> list[Row]:
    """Return rows of an inventory."""
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    return [
        {"bucket": "train", "key": key, "size": 5, "last_modified_date": moment, "storage_class": "STANDARD"}
        for key in keys
    ]


def _inventory_csv(rows: Sequence[Row]) -> bytes:
    lines = (
        f'"train","{quote_plus(str(row["key"]), safe="/")}","{row["size"]}",'
        f'"{row["last_modified_date"]:%Y-%m-%dT%H:%M:%S}.000Z","STANDARD"\n'
        for row in rows
    )
    return gzip.compress("".join(lines).encode(), mtime=0)


def _inventory_orc(rows: Sequence[Row]) -> bytes:
    sink = pa.BufferOutputStream()
    orc.write_table(pa.Table.from_pylist([dict(row) for row in rows], _OBJECT), sink)
    return bytes(sink.getvalue().to_pybytes())


_INVENTORY_BODY: Mapping[str, Callable[[Sequence[Row]], bytes]] = {
    "CSV": _inventory_csv,
    "Parquet": lambda rows: parquet(rows, _OBJECT),
    "ORC": _inventory_orc,
}
_INVENTORY_SCHEMA = {
    "CSV": _CSV_NAMES,
    "Parquet": f"message s3 {{{' '.join(f'optional binary {name};' for name in _OBJECT.names)}}}",
    "ORC": f"struct<{','.join(f'{name}:string' for name in _OBJECT.names)}>",
}


def s3_inventory(file_format: str) -> Provider:
    """Return S3 Inventory in one of its formats."""

    def deliver(folder: Path, number: int, rows: Sequence[Row]) -> Delivered:
        home = folder / "lists" / "train" / "daily"
        moment = written_at(number)
        data = write(home / "data" / f"{number}.{file_format.lower()}", _INVENTORY_BODY[file_format](rows))
        stamp = home / f"{moment:%Y-%m-%dT%H-%MZ}"
        manifest = write(stamp / "manifest.json", b"{}")
        write(stamp / "manifest.checksum", b"")
        delivered = Delivered((data,), manifest, moment)
        said = {
            "sourceBucket": "train",
            "destinationBucket": "arn:aws:s3:::lists",
            "version": "2016-11-30",
            "creationTimestamp": str(int(moment.timestamp() * 1000)),
            "fileFormat": file_format,
            "fileSchema": _INVENTORY_SCHEMA[file_format],
            "files": [listed(data, folder)],
        }
        delivered.change_manifest(lambda document: document.update(said))
        return delivered

    return Provider(
        f"s3-inventory-{file_format}".lower(),
        "s3-inventory",
        deliver,
        lambda number: objects(f"runs/{number}"),
        bucket="train",
        columns=("object_key", "key"),
    )


def listed(data: Path, folder: Path) -> dict[str, object]:
    """Return what an S3 inventory's manifest says of a file."""
    body = data.read_bytes()
    return {"key": data.relative_to(folder).as_posix(), "size": len(body), "MD5checksum": md5(body)}


# Bills

_LINE = pa.schema(
    [
        ("identity_line_item_id", pa.string()),
        ("line_item_usage_start_date", pa.timestamp("ms", "UTC")),
        ("line_item_line_item_type", pa.string()),
        ("line_item_product_code", pa.string()),
        ("line_item_usage_type", pa.string()),
        ("line_item_unblended_cost", pa.float64()),
        ("line_item_currency_code", pa.string()),
    ]
)
_CHARGE = pa.schema(
    [
        ("BilledCost", pa.decimal128(30, 10)),
        ("EffectiveCost", pa.decimal128(30, 10)),
        ("BillingCurrency", pa.string()),
        ("BillingPeriodStart", pa.timestamp("ms", "UTC")),
        ("ChargePeriodStart", pa.timestamp("ms", "UTC")),
        ("ChargeCategory", pa.string()),
        ("ServiceName", pa.string()),
    ]
)


def line(name: str, cost: object = 1.5, currency: str = "USD") -> Row:
    """Return a line of a CUR 2.0."""
    return {
        "identity_line_item_id": name,
        "line_item_usage_start_date": datetime(2026, 11, 3, tzinfo=UTC),
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonS3",
        "line_item_usage_type": "TimedStorage-ByteHrs",
        "line_item_unblended_cost": cost,
        "line_item_currency_code": currency,
    }


def charge(name: str, cost: object = Decimal("1.5"), currency: str = "USD") -> Row:
    """Return a line of a FOCUS bill."""
    return {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "BillingCurrency": currency,
        "BillingPeriodStart": datetime(2026, 11, 1, tzinfo=UTC),
        "ChargePeriodStart": datetime(2026, 11, 3, tzinfo=UTC),
        "ChargeCategory": "Usage",
        "ServiceName": name,
    }


def data_export(kind: str, ending: str) -> Provider:
    """Return an export that keeps every run."""
    schema, make = (_LINE, line) if kind == "aws-cur2" else (_CHARGE, charge)

    def deliver(folder: Path, number: int, rows: Sequence[Row]) -> Delivered:
        export, moment = folder / "exports" / "bill", written_at(number)
        period = f"BILLING_PERIOD=2026-11/run-{number}"
        body = parquet(rows, schema) if ending == "parquet" else csv_gz(rows, schema.names)
        data = write(export / "data" / period / f"bill-00001.{ending}", body)
        said = {"executionId": f"run-{number}", "dataFiles": [f"s3://billing/{data.relative_to(folder)}"]}
        manifest = write(export / "metadata" / period / "bill-Manifest.json", json.dumps(said).encode())
        return Delivered((data,), manifest, moment)

    return Provider(
        f"{kind}-{ending.partition('.')[0]}",
        kind,
        deliver,
        lambda number: [make(f"line {number}")],
        columns=(
            ("identity_line_item_id", "identity_line_item_id")
            if kind == "aws-cur2"
            else ("ServiceName", "ServiceName")
        ),
    )


def focus_file() -> Provider:
    """Return a bill that is one file, written anew every time."""

    def deliver(folder: Path, number: int, rows: Sequence[Row]) -> Delivered:
        body = csv_gz(rows, _CHARGE.names)
        return Delivered((write(folder / "november.csv.gz", body),), None, written_at(number))

    return Provider(
        "focus-file",
        "focus",
        deliver,
        lambda number: [charge(f"service {number}")],
        columns=("ServiceName", "ServiceName"),
    )


_LEGACY = {
    "identity_line_item_id": "identity/LineItemId",
    "bill_billing_period_start_date": "bill/BillingPeriodStartDate",
    "line_item_usage_start_date": "lineItem/UsageStartDate",
    "line_item_line_item_type": "lineItem/LineItemType",
    "line_item_product_code": "lineItem/ProductCode",
    "line_item_usage_type": "lineItem/UsageType",
    "line_item_unblended_cost": "lineItem/UnblendedCost",
    "line_item_currency_code": "lineItem/CurrencyCode",
}


def legacy_report() -> Provider:
    """Return a legacy Cost and Usage Report that keeps every assembly."""

    def deliver(folder: Path, number: int, rows: Sequence[Row]) -> Delivered:
        home = folder / "reports" / "bill" / "20261101-20261201" / f"assembly-{number}"
        dated: list[Row] = [
            {
                **row,
                "bill_billing_period_start_date": "2026-11-01T00:00:00Z",
                "line_item_usage_start_date": "2026-11-03T00:00:00Z",
            }
            for row in rows
        ]
        spelled: list[Row] = [{_LEGACY[name]: value for name, value in row.items()} for row in dated]
        data = write(home / "bill-1.csv.gz", csv_gz(spelled, list(_LEGACY.values())))
        said = {
            "assemblyId": f"assembly-{number}",
            "account": "123456789012",
            "reportName": "bill",
            "compression": "GZIP",
            "contentType": "text/csv",
            "billingPeriod": {"start": "20261101T000000.000Z", "end": "20261201T000000.000Z"},
            "bucket": "billing",
            "reportKeys": [data.relative_to(folder).as_posix()],
        }
        manifest = write(home / "bill-Manifest.json", json.dumps(said).encode())
        return Delivered((data,), manifest, written_at(number))

    return Provider(
        "aws-cur",
        "aws-cur",
        deliver,
        lambda number: [line(f"line {number}")],
        columns=("identity_line_item_id", "identity_line_item_id"),
    )


def gcp_lines(name: str) -> list[Row]:
    """Return lines of Google's billing export."""
    return [
        {
            "service": {"id": "95FF", "description": "Cloud Storage"},
            "sku": {"id": "5F7A", "description": name},
            "usage_start_time": "2026-11-03 05:00:00 UTC",
            "cost": 1.5,
            "currency": "USD",
        }
    ]


def gcp_billing() -> Provider:
    """Return Google's billing export as JSON lines, one file a day."""

    def deliver(folder: Path, number: int, rows: Sequence[Row]) -> Delivered:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        data = write(folder / f"export-{number}.jsonl.gz", gzip.compress(text.encode(), mtime=0))
        return Delivered((data,), None, written_at(number))

    return Provider(
        "gcp-billing",
        "gcp-billing",
        deliver,
        lambda number: gcp_lines(f"sku {number}"),
        columns=("sku_description", "sku"),
    )


_GENERATION = pa.schema(
    [
        ("bucket", pa.string()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("timeCreated", pa.timestamp("us", "UTC")),
        ("storageClass", pa.string()),
    ]
)


def generations(*names: str) -> list[Row]:
    """Return rows of a report about a bucket of Cloud Storage."""
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    return [
        {"bucket": "train", "name": name, "size": 5, "timeCreated": moment, "storageClass": "STANDARD"}
        for name in names
    ]


def gcs_inventory(file_format: str) -> Provider:
    """Return inventory reports of Cloud Storage in one of their formats."""
    is_csv = file_format == "CSV"

    def deliver(folder: Path, number: int, rows: Sequence[Row]) -> Delivered:
        moment = written_at(number)
        if is_csv:
            dated = [{**row, "timeCreated": "2026-11-01T00:00:00Z"} for row in rows]
            body = gzip.decompress(csv_gz(dated, _GENERATION.names))
        else:
            body = parquet(rows, _GENERATION)
        name = f"fc95c52f_{moment:%Y-%m-%dT%H:%M}"
        data = write(folder / f"{name}_0.{file_format.lower()}", body)
        said = {
            "report_config": {
                "csvOptions" if is_csv else "parquetOptions": {"headerRequired": True} if is_csv else {},
                "objectMetadataReportOptions": {
                    "metadataFields": _GENERATION.names,
                    "storageFilters": {"bucket": "train"},
                },
            },
            "records_processed": len(rows),
            "snapshot_time": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "shard_count": 1,
            "report_shards_file_names": [data.name],
        }
        manifest = write(folder / f"{name}_manifest.json", json.dumps(said).encode())
        return Delivered((data,), manifest, moment)

    return Provider(
        f"gcs-inventory-{file_format}".lower(),
        "gcs-inventory",
        deliver,
        lambda number: generations(f"runs/{number}"),
        bucket="train",
        columns=("object_key", "name"),
    )


# Faults


@dataclass(frozen=True)
class Fault:
    """One way to spoil a delivery, and words that the message about it has."""

    name: str
    spoil: Callable[[Delivered, Path], None]
    says: tuple[str, ...] = field(default=())


def cut(delivered: Delivered, _: Path) -> None:
    """Break the data off in the middle."""
    data = delivered.data[0]
    data.write_bytes(data.read_bytes()[: max(1, data.stat().st_size // 2)])


def cut_and_admitted(delivered: Delivered, folder: Path) -> None:
    """Break the data off, and let the manifest list what is left: only the format can tell."""
    cut(delivered, folder)
    delivered.change_manifest(
        lambda document: document.update(files=[listed(path, folder) for path in delivered.data])
    )


def flipped(delivered: Delivered, _: Path) -> None:
    """Change one byte; the size stays."""
    body = bytearray(delivered.data[0].read_bytes())
    body[len(body) // 2] ^= 0xFF
    delivered.data[0].write_bytes(bytes(body))


def gone(delivered: Delivered, _: Path) -> None:
    """Remove a file that is listed."""
    delivered.data[0].unlink()


def emptied(delivered: Delivered, _: Path) -> None:
    """Leave nothing of a file."""
    delivered.data[0].write_bytes(b"")


def noise(delivered: Delivered, _: Path) -> None:
    """Put something else in a file's place."""
    delivered.data[0].write_bytes(b"\x00\xff<html>Service unavailable</html>\x1f\x8b")


def badly_signed(delivered: Delivered, _: Path) -> None:
    """Change the manifest and not its checksum."""
    assert delivered.manifest is not None
    delivered.manifest.write_bytes(delivered.manifest.read_bytes() + b" ")


def not_json(delivered: Delivered, _: Path) -> None:
    """Break the manifest off."""
    assert delivered.manifest is not None
    delivered.manifest.write_bytes(delivered.manifest.read_bytes()[:-5])
    delivered.sign()


def storage_lens(delivered: Delivered, _: Path) -> None:
    """Put a manifest of S3 Storage Lens in its place."""

    def change(document: dict[str, Any]) -> None:
        document.clear()
        document.update(reportFormat="CSV", reportSchema="version_number,…", reportFiles=[{"key": "x"}])

    delivered.change_manifest(change)


def without(*columns: str, of: Provider) -> Callable[[Delivered, Path], None]:
    """Write the delivery again without some columns; it agrees with its manifest in everything else."""

    def spoil(delivered: Delivered, folder: Path) -> None:
        data = delivered.data[0]
        if data.suffix == ".gz":
            rows = list(csv.DictReader(io.StringIO(gzip.decompress(data.read_bytes()).decode())))
            kept = [name for name in rows[0] if name not in columns]
            data.write_bytes(csv_gz(rows, kept))
        else:
            table = pq.read_table(data)
            pq.write_table(table.drop_columns(list(columns)), data)
        if of.kind == "s3-inventory":
            delivered.change_manifest(lambda document: document.update(files=[listed(data, folder)]))

    return spoil


def manifest_says(**changes: object) -> Callable[[Delivered, Path], None]:
    """Let the manifest say something else; None for nothing."""

    def spoil(delivered: Delivered, _: Path) -> None:
        def change(document: dict[str, Any]) -> None:
            for name, value in changes.items():
                if value is None:
                    del document[name]
                else:
                    document[name] = value

        delivered.change_manifest(change)

    return spoil
