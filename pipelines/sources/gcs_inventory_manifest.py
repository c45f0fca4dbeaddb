"""The manifest of a Cloud Storage inventory report, as values. Pure: text in, values out.

Google publishes no schema of it: names are read in camelCase as well as in snake_case, and what is not there
is not checked.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.errors import Damaged

_NAMES = ("reportShardsFileNames", "reportNames")
_MOMENT_IN_NAME = re.compile(r"_(\d{4}-\d\d-\d\dT\d\d:\d\d)_")
_SPELLED = {"\\n": "\n", "\\r\\n": "\r\n", "\\r": "\r", "\\t": "\t"}
"""Shells hand over what a person typed: a backslash and a letter."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a manifest says."""

    bucket: str | None
    """The bucket that is listed, where the manifest names it."""
    snapshot_at: datetime
    """When the listing was taken (UTC, naive)."""
    row_count: int | None
    shards: tuple[str, ...]
    """Names relative to the folder of the manifest."""
    file_format: str
    columns: tuple[str, ...]
    """Names in file order of CSV without a header line; empty where the files carry them."""
    fields: tuple[str, ...] | None
    """The metadata fields that the report has, where the manifest says so."""
    delimiter: str
    record_separator: str


def parse_report(text: bytes, key: str, *, where: str) -> Report:
    """Return the values of a manifest that is stored under `key`.

    Raises:
        Damaged: not JSON, of another family, or at odds with itself.
    """
    document = _document(text, where)
    config = _part(document, "reportConfig")
    options = _part(config, "objectMetadataReportOptions")
    listed = options.get("metadataFields")
    fields = tuple(map(str, listed)) if isinstance(listed, list) else None
    bucket = _part(options, "storageFilters").get("bucket")
    try:
        shards = _shards(document)
        csv = _csv(config, fields, shards)
        return Report(
            bucket=str(bucket).removeprefix("gs://").rstrip("/") if bucket else None,
            snapshot_at=_moment(document.get("snapshotTime"), key),
            row_count=_count(document.get("recordsProcessed")),
            shards=shards,
            file_format="Parquet" if csv is None else "CSV",
            columns=csv.columns if csv else (),
            fields=fields,
            delimiter=csv.delimiter if csv else ",",
            record_separator=csv.record_separator if csv else "",
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _foreign(f"a value in it cannot be read ({error})", where) from None


@dataclass(frozen=True, slots=True)
class _Csv:
    columns: tuple[str, ...]
    delimiter: str
    record_separator: str


def _document(text: bytes, where: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        raise _foreign("it is not JSON", where) from None
    if not isinstance(document, dict):
        raise _foreign("it is not a JSON object", where)
    known = _camel(document)
    if not any(isinstance(known.get(name), list) for name in _NAMES):
        raise _foreign("it has no report_shards_file_names", where)
    return known


def _shards(document: Mapping[str, Any]) -> tuple[str, ...]:
    named: Sequence[object] = next(document[name] for name in _NAMES if isinstance(document.get(name), list))
    count = _count(document.get("shardCount"))
    if count not in (None, len(named)):
        raise ValueError(f"it names {len(named)} shards and says that there are {count}")
    shards = tuple(_beside(str(name)) for name in named)
    if len(set(shards)) < len(shards):
        raise ValueError("it names a shard twice")
    return shards


def _beside(name: str) -> str:
    # Shards lie beside their manifest: a copy elsewhere keeps the names of the bucket it was taken from.
    relative = name.rpartition("/")[2] if name.startswith("gs://") else name
    if not relative or ".." in relative.split("/") or relative.startswith("/"):
        raise ValueError(f"{name!r} is not the name of a shard")
    return relative


def _csv(config: Mapping[str, Any], fields: tuple[str, ...] | None, shards: tuple[str, ...]) -> _Csv | None:
    options = config.get("csvOptions")
    is_parquet = "parquetOptions" in config or all(name.endswith(".parquet") for name in shards)
    if is_parquet and not options:
        return None
    said = _camel(options) if isinstance(options, dict) else {}
    # Protocol buffers leave out what is false. A wrong guess is no silent one: a column is missing then.
    has_header = bool(said.get("headerRequired", not said or not fields))
    if not has_header and not fields:
        raise ValueError("its files have no header, and it has no metadataFields")
    delimiter = _spelled(said.get("delimiter")) or ","
    separator = _spelled(said.get("recordSeparator"))
    if len(delimiter) != 1 or '"' in delimiter + separator:
        raise ValueError(f"its fields are divided by {delimiter!r} and its records by {separator!r}")
    return _Csv(() if has_header else fields or (), delimiter, separator)


def _spelled(text: object) -> str:
    return _SPELLED.get(str(text), str(text)) if text else ""


def _moment(spelled: object, key: str) -> datetime:
    if spelled is None:
        found = _MOMENT_IN_NAME.search(key.rpartition("/")[2])
        if not found:
            raise ValueError("it has no snapshot_time")
        spelled = found.group(1)
    moment = datetime.fromisoformat(str(spelled))
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _count(number: object) -> int | None:
    return None if number is None else int(str(number))


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = of.get(name)
    return _camel(part) if isinstance(part, dict) else {}


def _camel(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {_camel_name(name): value for name, value in fields.items()}


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _foreign(problem: str, where: str) -> Damaged:
    return Damaged(
        f"this is not the manifest of an inventory report that can be read: {problem}",
        where=where,
        fix="Point the source's uri at the destination of a Cloud Storage inventory report.",
    )
