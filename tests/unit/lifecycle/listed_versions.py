"""What a snapshot knows of the versions in a lab's bucket: listed, and read by the models themselves."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import duckdb

from lifecycle.providers import ObjectState
from pipelines.warehouse.models import shipped_models
from tests.unit.lifecycle.conftest import Lab

MODELS = ("int_versions_dated", "int_version_folders_placed", "object_versions", "bucket_listings")
_TABLES = """
    create schema staging;
    create schema intermediate;
    create table staging.stg_s3_inventory__objects (
        bucket varchar, object_key varchar, directory varchar, version_id varchar, etag varchar,
        storage_class varchar, size_bytes bigint, lists_versions boolean, is_latest boolean,
        is_current boolean, is_delete_marker boolean, last_modified_at timestamp, snapshot_at timestamp,
        object_lock_legal_hold varchar, object_lock_retain_until_at timestamp
    );
    create table staging.stg_gcs_inventory__objects (
        bucket varchar, object_key varchar, directory varchar, generation bigint, etag varchar,
        storage_class varchar, size_bytes bigint, is_current boolean, is_soft_deleted boolean,
        created_at timestamp, deleted_at timestamp, snapshot_at timestamp, is_temporary_hold boolean,
        is_event_hold boolean, retention_expires_at timestamp
    );
    create table intermediate.int_listings_chosen (provider varchar, bucket varchar, snapshot_at timestamp);
    create table intermediate.int_checkpoints_found (
        checkpoint_id varchar, provider varchar, bucket varchar, directory varchar, leaf varchar,
        grain varchar
    );
    create table intermediate.int_storage_rates_chosen as
        select *
        from (values ('aws', 'acme-datasets', 'STANDARD', 0.02), ('gcp', 'acme-gcs', 'STANDARD', 0.02))
            as rates(provider, bucket, storage_class, usd_gb_month);
    create table marts.claims (claim_kind varchar, claim_label varchar, place varchar, folder varchar);
"""


def listing(
    lab: Lab,
    bucket: str,
    *,
    claims: Sequence[tuple[str, str]] = (),
    days_old: float = 0.1,
    has_versions: bool = True,
) -> Callable[[duckdb.DuckDBPyConnection], None]:
    """Return what writes a fresh listing of a bucket into a snapshot; claims are labels and places."""

    def write(connection: duckdb.DuckDBPyConnection) -> None:
        at = lab.ends_at - timedelta(days=days_old)
        connection.execute(_TABLES)
        is_google = lab.provider.scheme == "gs"
        connection.execute(
            "insert into intermediate.int_listings_chosen values (?, ?, ?)",
            ["gcp" if is_google else "aws", bucket, at],
        )
        states = list(lab.provider.versions(bucket, ""))
        rows = google_rows(bucket, states, at) if is_google else s3_rows(bucket, states, at)
        table = "stg_gcs_inventory__objects" if is_google else "stg_s3_inventory__objects"
        for row in rows if has_versions else ():
            marks = ", ".join("?" for _ in row)
            connection.execute(f"insert into staging.{table} by position values ({marks})", row)
        for save in lab.saves:
            connection.execute(
                "insert into intermediate.int_checkpoints_found values (?, 'aws', ?, ?, '', 'directory')",
                [save.uri, save.bucket, save.uri.partition("://")[2].partition("/")[2] + "/"],
            )
        for label, place in claims:
            connection.execute("insert into marts.claims values ('pinned', ?, ?, '')", [label, place])
        models = {model.name: model for model in shipped_models()}
        for name in MODELS:
            connection.execute(f"create table {models[name].table} as {models[name].sql}")

    return write


def s3_rows(bucket: str, states: Iterable[ObjectState], at: datetime) -> list[list[object]]:
    return [
        [
            bucket, state.key, folder(state.key), state.version_id, state.etag or None,
            state.storage_class or None, state.size_bytes, True, state.is_current,
            state.is_current and not state.is_delete_marker, state.is_delete_marker, state.last_modified_at,
            at, "ON" if state.hold else "OFF", None,
        ]
        for state in states
    ]  # fmt: skip


def google_rows(bucket: str, states: Iterable[ObjectState], at: datetime) -> list[list[object]]:
    known = sorted(states, key=lambda state: (state.key, int(state.version_id or 0)))
    return [
        [
            bucket, state.key, folder(state.key), int(state.version_id or 0), state.etag,
            state.storage_class, state.size_bytes, state.is_current, state.is_soft_deleted,
            state.last_modified_at, None if state.is_current else following.last_modified_at, at, False,
            False, None,
        ]
        for state, following in zip(known, [*known[1:], *known[-1:]], strict=True)
    ]  # fmt: skip


def folder(key: str) -> str:
    return key[: key.rfind("/") + 1]
