"""Google Cloud's detailed and standard billing export, as people write it to a bucket.

BigQuery holds the export; `EXPORT DATA` or a script writes it out as Parquet, as JSON lines, or as CSV whose
columns are named by their path. There is no manifest, and the export only grows: a correction is a new row.
So every file is a delivery that adds up with all others. A file replaces only itself.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipelines.domain.deliveries import Delivery, Part
from pipelines.domain.quoting import quote, quote_name
from pipelines.domain.raw_tables import GCP_BILLING
from pipelines.errors import Damaged, NotFound
from pipelines.sources import spellings
from pipelines.sources.bucket_root import BucketRoot, md5_of
from pipelines.sources.columns import Present
from pipelines.sources.places import Found, Place, found
from pipelines.sources.reading import DataFile, FileForm
from pipelines.stores import Blob, LocalStore

FIELDS: Mapping[str, str] = {
    "billing_account_id": "billing_account_id",
    "service_id": "service.id",
    "service_description": "service.description",
    "sku_id": "sku.id",
    "sku_description": "sku.description",
    "usage_start_at": "usage_start_time",
    "usage_end_at": "usage_end_time",
    "project_id": "project.id",
    "project_name": "project.name",
    "project_labels": "project.labels",
    "labels": "labels",
    "system_labels": "system_labels",
    "tags": "tags",
    "location": "location.location",
    "region": "location.region",
    "zone": "location.zone",
    "resource_name": "resource.name",
    "resource_global_name": "resource.global_name",
    "transaction_type": "transaction_type",
    "seller_name": "seller_name",
    "exported_at": "export_time",
    "cost": "cost",
    "cost_at_list": "cost_at_list",
    "currency": "currency",
    "usage_amount": "usage.amount",
    "usage_unit": "usage.unit",
    "usage_amount_in_pricing_units": "usage.amount_in_pricing_units",
    "usage_pricing_unit": "usage.pricing_unit",
    "list_price": "price.list_price",
    "effective_price": "price.effective_price",
    "credits_amount": "credits",
    "promotions_amount": "credits",
    "credits": "credits",
    "invoice_month": "invoice.month",
    "cost_type": "cost_type",
    "adjustment_type": "adjustment_info.type",
    "adjustment_description": "adjustment_info.description",
}
"""Where the export has what the raw table calls otherwise."""

REQUIRED = ("cost", "currency", "usage_start_time", "service.description", "sku.description")
"""Without these there is no cost, or no day, currency, service or meter to put it on."""

_TAGS = frozenset({"project_labels", "labels", "system_labels", "tags"})
_NEEDED = frozenset({"cost", "currency", "usage_start_at"})
_CREDIT = quote('[{"amount": "VARCHAR", "type": "VARCHAR"}]')
_TOP_LEVEL = tuple(dict.fromkeys(path.partition(".")[0] for path in FIELDS.values()))

_FORMATS = {"csv": "CSV", "json": "JSONL", "jsonl": "JSONL", "ndjson": "JSONL", "parquet": "Parquet"}
_NAME = re.compile(r"\.(?:(csv|json|jsonl|ndjson)(?:\.gz)?|(parquet))$", re.IGNORECASE)
_DAY = re.compile(r"(?<!\d)(20\d\d)([-/]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


def find(place: Place) -> Found:
    """Return one delivery per file, oldest first. The same file under two names counts once, with a warning.

    Raises:
        NotFound: there is no file.
    """
    files = [blob for blob in place.blobs() if _NAME.search(blob.key)]
    if not files:
        raise NotFound(
            "no billing export was found: no file that ends with .parquet, .jsonl, .json or .csv, or .gz",
            where=f"source {place.source.name}, {place.where(place.prefix)}",
            fix="Correct the source's uri, or write the export there: EXPORT DATA in BigQuery does it.",
        )
    files.sort(key=lambda blob: (blob.modified_at, blob.key))
    contents, firsts = _contents(place, files), dict[str, str]()
    deliveries, warnings = [], []
    for blob in files:
        first = firsts.setdefault(contents[blob.key], blob.key)
        if first == blob.key:
            deliveries.append(_delivery(place, blob, contents[blob.key]))
        else:
            warnings.append(
                f"{place.where(blob.key)} is the same file as {place.where(first)}: it counts once"
            )
    return found(deliveries, tuple(warnings))


def form(delivery: Delivery) -> FileForm:
    """Return how the delivery's file is written."""
    is_json = delivery.file_format == "JSONL"
    return FileForm(delivery.file_format, _TOP_LEVEL if is_json else (), nulls=("", "NULL", "null"))


def query(file: DataFile) -> str:
    """Return the SQL of one row per line of the bill; credits are summed beside it, never multiplied with it.

    Raises:
        Damaged: the file lacks a column that is needed.
    """
    absent = [path for path in REQUIRED if _cell(file.present, path) is None]
    if absent:
        raise Damaged(
            f"required columns are missing: {', '.join(absent)}",
            where=file.where,
            fix=f"Export {', '.join(absent)} too; every billing export to BigQuery has them.",
        )
    columns = [f"{_column(file.present, name, kind)} as {quote_name(name)}" for name, kind in GCP_BILLING]
    return f"select {', '.join(columns)} from {file.relation}"


@dataclass(frozen=True, slots=True)
class _Cell:
    """A field of the export in a file: its SQL and type."""

    sql: str
    kind: str


def _column(present: Present, name: str, wanted: str) -> str:
    cell = _cell(present, FIELDS[name])
    if cell is None:
        return f"null::{wanted}"
    value = _value(cell, name, wanted)
    if name in _NEEDED:
        return f"coalesce({value}, error({quote(f'a row has no {FIELDS[name]}')}))"
    return value


def _value(cell: _Cell, name: str, wanted: str) -> str:
    match name, wanted:
        case "credits_amount" | "promotions_amount", _:
            return _credited(cell, kind="PROMOTION" if name == "promotions_amount" else None)
        case "credits", _:
            listed = spellings.entries(cell.sql, cell.kind)
            text = f"to_json({listed[0]})::varchar" if listed else cell.sql
            return f"nullif({text}, '[]')"
        case _, "timestamp":
            return spellings.moment(cell.sql, cell.kind)
        case _, "decimal(38,12)":
            return spellings.amount(cell.sql, cell.kind)
        case _ if name in _TAGS:
            return spellings.tags(cell.sql, cell.kind)
        case _:
            return cell.sql if cell.kind == "VARCHAR" else f"{cell.sql}::varchar"


def _credited(cell: _Cell, kind: str | None = None) -> str:
    """Return the SQL of the sum of a line's credits; of one kind, where the file tells kinds at all."""
    listed = spellings.entries(cell.sql, cell.kind)
    if listed is None:
        is_one = f"starts_with(ltrim({cell.sql}), '{{')"
        text = f"case when {is_one} then '[' || {cell.sql} || ']' else {cell.sql} end"
        listed = f"from_json({text}, {_CREDIT})", {"amount": "VARCHAR", "type": "VARCHAR"}
    entries, kinds = listed
    if kind is not None:
        of_kind = f"struct_extract(entry, 'type') = {quote(kind)}" if "type" in kinds else "false"
        entries = f"list_filter({entries}, lambda entry: {of_kind})"
    amount = spellings.amount("struct_extract(entry, 'amount')", kinds.get("amount", "VARCHAR"))
    return f"coalesce(list_sum(list_transform({entries}, lambda entry: {amount})), 0)::decimal(38,12)"


def _cell(present: Present, path: str) -> _Cell | None:
    """Return a field wherever it is: a column of its name, or inside a struct or JSON."""
    names = {name.lower(): name for name in present}
    for spelled in (path, path.replace(".", "_")):
        if spelled in names:
            return _whole(quote_name(names[spelled]), present[names[spelled]])
    head, _, rest = path.partition(".")
    if not rest or head not in names:
        return None
    return _inside(quote_name(names[head]), present[names[head]], rest)


def _whole(sql: str, kind: str) -> _Cell:
    if kind.startswith('"NULL"'):
        # A field that is null in every row; DuckDB fails to cast one inside a struct.
        return _Cell("null::varchar", "VARCHAR")
    return _Cell(f"json_extract_string({sql}, '$')", "VARCHAR") if kind == "JSON" else _Cell(sql, kind)


def _inside(sql: str, kind: str, field: str) -> _Cell | None:
    extracted = f"json_extract_string({sql}, {quote(f'$.{field}')})"
    if kind == "JSON":
        return _Cell(extracted, kind="VARCHAR")
    if kind == "VARCHAR":
        return _Cell(f"case when json_valid({sql}) then {extracted} end", kind="VARCHAR")
    fields = {name.lower(): (name, child) for name, child in spellings.fields_of(kind).items()}
    if field not in fields:
        return None
    name, child = fields[field]
    return _whole(f"struct_extract({sql}, {quote(name)})", child)


def _contents(place: Place, blobs: Sequence[Blob]) -> dict[str, str]:
    """Return what tells the content of each file: its MD5, or what the bucket says of it.

    A bucket's file is only fetched where another has its size: most cannot be the same.
    """
    sizes = Counter(blob.size_bytes for blob in blobs)
    is_here = isinstance(place.files, LocalStore)
    return {
        blob.key: _md5(place, blob) if is_here or sizes[blob.size_bytes] > 1 else blob.etag for blob in blobs
    }


def _md5(place: Place, blob: Blob) -> str:
    with BucketRoot(place.files).verified(Part(blob.key), place.scratch) as path:
        return md5_of(path)


def _delivery(place: Place, blob: Blob, content: str) -> Delivery:
    # A file that is put back as it once was is a delivery again: the last word on itself.
    identity = f"{blob.key}\n{blob.size_bytes} {blob.etag} {blob.modified_at}"
    loaded_at = _load_day(blob.key)
    return Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table="gcp_billing",
        delivery_id=hashlib.md5(identity.encode(), usedforsecurity=False).hexdigest()[:16],
        delivered_at=blob.modified_at,
        checksum=content,
        scope=blob.key,
        parts=(Part(blob.key, blob.size_bytes),),
        snapshot_at=min(loaded_at, blob.modified_at) if loaded_at else None,
        file_format=_FORMATS[_ending(blob.key)],
    )


def _ending(key: str) -> str:
    found_ending = _NAME.search(key)
    return (found_ending[1] or found_ending[2]).lower() if found_ending else ""


def _load_day(key: str) -> datetime | None:
    days = [f"{year}-{month}-{day}" for year, _, month, day in _DAY.findall(key)]
    return _last_valid(days)


def _last_valid(days: Iterable[str]) -> datetime | None:
    last = None
    for day in days:
        try:
            last = datetime.fromisoformat(day)
        except ValueError:
            continue
    return last
