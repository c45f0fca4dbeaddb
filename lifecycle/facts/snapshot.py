"""What a snapshot knows besides artifacts (prices, sizes of buckets, failed checks), and how it is read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from lifecycle.model import (
    FailedGate,
    Price,
    PriceList,
    Scheme,
    Surroundings,
)
from lifecycle.policy import Match
from pipelines import published
from pipelines.domain.configuration import Engine
from pipelines.domain.quoting import quote
from pipelines.domain.snapshots import Snapshot
from pipelines.errors import Terminal

_ROWS_AT_ONCE = 2_000
_PROVIDERS: Mapping[str, Scheme] = {"aws": "s3", "gcp": "gs"}
_BUCKET_BYTES = """
    with

    billed as (
        select if(provider = 'gcp', 'gs://', 's3://') || bucket as place, sum(size_bytes) as size_bytes
        from marts.prefix_costs
        where meter_group = 'storage' and not is_residual
        group by provider, bucket, usage_date
        qualify row_number() over (partition by provider, bucket order by usage_date desc) = 1
    ),

    -- Where no bill is read, the checkpoints are all that is known of a bucket.
    found as (
        select
            if(starts_with(checkpoint_uri, 'gs://'), 'gs://', 's3://') || bucket as place,
            sum(size_bytes) as size_bytes
        from marts.checkpoints
        group by all
    )

    select place, max(size_bytes)::bigint as size_bytes
    from (select * from billed union all select * from found)
    group by all
"""
_FAILED_GATES = """
    select
        check_id,
        case
            when excludes then scope
            -- What speaks for something else than a bucket speaks against all of them.
            when scope in (select bucket from marts.checkpoints) then scope
            else ''
        end as bucket,
        observed || ', expected ' || expected || '. ' || reason as reason
    from marts.quality_results
    where not passed and (level = 'block' or excludes)
    order by all
"""
_PRICES = """
    select storage_class, meter, usd, valid_from, coalesce(confirmed, true) as is_confirmed
    from reference.prices
    where
        provider = ? and region_id = if(provider = 'gcp', 'us-central1', 'us-east-1')
        and coalesce(from_gb, 0) = 0 and meter in ('storage', 'put', 'retrieval')
    qualify row_number() over (
        partition by storage_class, meter
        -- The price in force on the day; before the first known one, the first known.
        order by (valid_from <= ? and ? < valid_until) desc, valid_from
    ) = 1
"""
_CLASSES = """
    select
        storage_class, minimum_days, coalesce(overhead_bytes, 0) as overhead_bytes,
        coalesce(overhead_standard_bytes, 0) as overhead_standard_bytes
    from reference.storage_classes
    where provider = ?
"""
_GIB = Decimal(1024**3)


def keep_within(connection: duckdb.DuckDBPyConnection, engine: Engine, scratch: Path) -> None:
    """Hold the connection to the memory and the threads of the settings; what is more goes to `scratch`."""
    for name, value in (
        ("memory_limit", engine.memory_limit),
        ("threads", str(engine.threads)),
        ("temp_directory", str(scratch / "spilled")),
    ):
        connection.execute(f"set {name} = {quote(value)}")


def read_surroundings(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> Surroundings:
    """Return what the snapshot knows besides the checkpoints themselves.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    with explained(snapshot):
        return Surroundings(
            snapshot_id=snapshot.snapshot_id,
            as_of=snapshot.as_of,
            prices={
                scheme: _price_list(connection, provider, snapshot.as_of)
                for provider, scheme in _PROVIDERS.items()
            },
            bucket_bytes={
                row["place"]: row["size_bytes"] for row in published.rows(connection, _BUCKET_BYTES)
            },
            failed_gates=read_failed_gates(connection),
        )


def scope(match: Match) -> dict[str, object]:
    """Return what a policy is about, as values of a query."""
    return {"anywhere": not match.places, "places": sorted(match.places)}


@contextmanager
def explained(snapshot: Snapshot) -> Iterator[None]:
    """Say what is wrong with a snapshot that a query fails on.

    Raises:
        Terminal: with the fix.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Terminal(
            "planning needs more memory than DuckDB may take",
            where=f"snapshot {snapshot.snapshot_id}",
            fix="Write a larger 'memory_limit' below 'engine' in moraine.yaml; 512MB do for a million.",
        ) from error
    except duckdb.Error as error:
        raise Terminal(
            f"the snapshot lacks something that a plan needs: {str(error).splitlines()[0]}",
            where=f"snapshot {snapshot.snapshot_id}",
            fix="Publish a day with this version: moraine run.",
        ) from error


def streamed(
    cursor: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    """Yield rows by column name, some thousand in memory at a time."""
    answer = cursor.execute(query, dict(values))
    names = [column[0] for column in answer.description or []]
    while rows := answer.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            yield dict(zip(names, row, strict=True))


def read_failed_gates(connection: duckdb.DuckDBPyConnection) -> tuple[FailedGate, ...]:
    """Return the checks that failed and block, or that keep one bucket out of the clean-up."""
    return tuple(FailedGate(**row) for row in published.rows(connection, _FAILED_GATES))


def _price_list(connection: duckdb.DuckDBPyConnection, provider: str, day: date) -> PriceList:
    listed = published.rows(connection, _PRICES, [provider, day, day])
    classes = {row["storage_class"]: row for row in published.rows(connection, _CLASSES, [provider])}
    usd = {(row["storage_class"], row["meter"]): row["usd"] for row in listed if row["is_confirmed"]}
    unconfirmed = {(row["storage_class"], row["meter"]) for row in listed if not row["is_confirmed"]}
    prices = {
        storage_class: Price(
            storage_class=storage_class,
            usd_gib_month=amount,
            minimum_days=classes.get(storage_class, {}).get("minimum_days", 0),
            usd_per_request=usd.get((storage_class, "put"), Decimal(0)),
            usd_gib_retrieved=usd.get((storage_class, "retrieval"), Decimal(0)),
            usd_per_object_month=_beside(
                classes.get(storage_class, {}), amount, usd.get(("STANDARD", "storage"), amount)
            ),
            is_confirmed=(storage_class, "retrieval") not in unconfirmed,
            takes_confirmed=(storage_class, "put") in usd,
        )
        for (storage_class, meter), amount in usd.items()
        if meter == "storage"
    }
    return PriceList(max((row["valid_from"] for row in listed), default=day), prices)


def _beside(row: Mapping[str, Any], usd: Decimal, usd_standard: Decimal) -> Decimal:
    """Return what the index that a class keeps of each object costs a month."""
    in_class, in_standard = row.get("overhead_bytes", 0), row.get("overhead_standard_bytes", 0)
    return (Decimal(in_class) * usd + Decimal(in_standard) * usd_standard) / _GIB
