"""Reports of Cloud Storage in every form: each object version lands exactly once."""

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pipelines import raw, steps
from pipelines.domain.configuration import Endpoint
from pipelines.domain.deliveries import in_force
from pipelines.domain.uris import BucketUri
from pipelines.stores import open_store
from tests.contract.inventories import (
    AS_OF,
    HOSTILE_KEYS,
    LISTED_AT,
    WRITTEN_AT,
    OpenWorld,
    Row,
    World,
    naive,
    parquet,
    unordered,
    write,
)
from tests.fakes.gcs import Clock, GcsServer

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
