"""FOCUS bills of any provider: as a Data Exports delivery, or as plain files.

A plain file says nothing of when it was delivered or what it replaces. So each billing period in it is a
delivery of its own, which replaces the period when the file changes; the same period in two files at once is
refused, because nobody can tell whether they are two halves or twice the same.
"""

import hashlib
from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from pipelines.domain.deliveries import Delivery, Part
from pipelines.domain.quoting import quote, quote_name
from pipelines.domain.raw_tables import FOCUS
from pipelines.errors import NotFound, Terminal
from pipelines.sources import data_exports
from pipelines.sources.bucket_root import BucketRoot, md5_of
from pipelines.sources.columns import json_text, projection, require, utc
from pipelines.sources.places import Place
from pipelines.sources.reading import DataFile, FileForm, read_delivery, read_file
from pipelines.stores import Blob

REQUIRED = (
    "BilledCost",
    "EffectiveCost",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargePeriodStart",
    "ChargeCategory",
    "ServiceName",
)
"""Without these there is no cost, or no day, currency or service to put it on."""

PLAIN_FILE = "plain file"
"""Format of a delivery that is one billing period of a file without a manifest."""

_ENDINGS = (".csv", ".csv.gz", ".parquet")
# The official sample writes NULL without quotes; the specification wants an empty field.
_FORM = FileForm(nulls=("", "NULL"))


def find(place: Place) -> list[Delivery]:
    """Return one delivery per billing period, and per run where a manifest tells runs apart, oldest first.

    Raises:
        Transient: the first delivery is still arriving.
        NotFound: there is none.
        Terminal: a manifest or file is damaged, or two files hold the same period.
    """
    blobs = place.blobs()
    if data_exports.is_here(blobs):
        return data_exports.find(place, blobs, "focus")
    files = [blob for blob in blobs if blob.key.lower().endswith(_ENDINGS)]
    if not files:
        raise NotFound(
            f"no FOCUS bill was found: no manifest, and no file ending with {', '.join(_ENDINGS)}",
            where=f"source {place.source.name}, {place.where(place.prefix)}",
            fix="Correct the source's uri, or wait for the first export.",
        )
    deliveries = [delivery for blob in files for delivery in _periods_of(place, blob)]
    _check_periods(place, deliveries)
    return sorted(deliveries, key=lambda delivery: (delivery.delivered_at, delivery.delivery_id))


def read(place: Place, delivery: Delivery) -> pa.RecordBatchReader:
    """Return one row per charge; numbers keep the digits they were written with.

    Raises:
        NotFound: a listed file is missing.
        Terminal: a file is damaged, or lacks a column that is needed.
    """
    return read_delivery(place, delivery, partial(_query, delivery), _FORM)


def _query(delivery: Delivery, file: DataFile) -> str:
    _require(file)
    rows = f"select {projection(FOCUS, file.present)} from {_with_json_tags(file)}"
    if delivery.file_format != PLAIN_FILE:
        return rows
    return f"select * from ({rows}) where {_period('BillingPeriodStart')} = {quote(delivery.scope)}"


def _with_json_tags(file: DataFile) -> str:
    kind = {name.lower(): kind for name, kind in file.present.items()}.get("tags")
    if kind is None:
        return file.relation
    tags = json_text(quote_name("Tags"), kind)
    return f"(select * replace ({tags} as {quote_name('Tags')}) from {file.relation})"


def _require(file: DataFile) -> None:
    require(file.present, REQUIRED, where=file.where, fix="Export {} too; every FOCUS version has them.")


def _period(column: str) -> str:
    return f"strftime({column}, '%Y-%m')"


def _periods_of(place: Place, blob: Blob) -> Iterator[Delivery]:
    where = place.where(blob.key)
    with BucketRoot(place.files).verified(Part(blob.key), place.scratch) as path:
        checksum = md5_of(path)
        batches = read_file(place, path, where, _periods_query, _FORM)
        periods = [str(period) for batch in batches for period in batch.column(0).to_pylist()]
    # A file that is put back as it once was is a delivery again: the last word on its periods.
    identity = hashlib.md5(f"{checksum} {blob.modified_at}".encode(), usedforsecurity=False).hexdigest()
    for period in periods or [blob.key]:
        yield Delivery(
            source=place.source.name,
            kind=place.source.kind,
            table="focus",
            delivery_id=f"{period if periods else 'empty'}-{identity[:12]}",
            delivered_at=blob.modified_at,
            checksum=checksum,
            scope=period,
            parts=(Part(blob.key, blob.size_bytes, checksum),),
            file_format=PLAIN_FILE,
        )


def _periods_query(file: DataFile) -> str:
    _require(file)
    kinds = {name.lower(): kind for name, kind in file.present.items()}
    start = utc(quote_name("BillingPeriodStart"), kinds["billingperiodstart"])
    return f"""
        select distinct coalesce({_period(start)}, error('a BillingPeriodStart is missing')) as period
        from {file.relation}
        order by period
    """


def _check_periods(place: Place, deliveries: list[Delivery]) -> None:
    holders: dict[str, str] = {}
    for delivery in deliveries:
        key = delivery.parts[0].key
        other = holders.setdefault(delivery.scope, key)
        if other != key:
            raise Terminal(
                f"two files hold billing period {delivery.scope}: two halves, or twice the same?",
                where=f"source {place.source.name}: {place.where(other)}, {place.where(key)}",
                fix="Keep one file per billing period there; give each provider a source of its own.",
            )
