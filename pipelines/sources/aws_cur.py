"""Legacy AWS Cost and Usage Reports: the whole month again with every delivery, CSV or Parquet.

    <report>/yyyymmdd-yyyymmdd/<report>-Manifest.json                    the newest delivery of the month
    <report>/yyyymmdd-yyyymmdd/<assembly>/<report>-Manifest.json         one that is kept: never changes
    <report>/yyyymmdd-yyyymmdd/[<assembly>/]<report>-1.csv.gz | .csv.zip
    <report>/<report>/year=YYYY/month=M/<report>-Manifest.json           for Athena, beside *.snappy.parquet

Manifests are known by what they say, and data files by the keys they list: AWS' own descriptions of the
folders disagree. A single file without a manifest is a bill too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipelines.domain.deliveries import Delivery, Rejected
from pipelines.domain.quoting import quote
from pipelines.errors import Damaged, NotFound, Terminal, Transient
from pipelines.sources import aws_line_items, plain_bills
from pipelines.sources.columns import require, utc
from pipelines.sources.manifests import (
    LEGACY_REPORT,
    Manifest,
    ManifestText,
    delivery_of,
    read_all,
    rejection_of,
)
from pipelines.sources.places import Found, Place, found
from pipelines.sources.plain_bills import PLAIN_FILE
from pipelines.sources.reading import DataFile, FileForm
from pipelines.stores import Blob

_TABLE = "aws_cur2"
_PERIOD_COLUMN = "bill_billing_period_start_date"
_MANIFEST = re.compile(r"(?:^|[/-])Manifest\.json$", re.IGNORECASE)
_FOLDER = re.compile(
    r"(?:^|/)(?:(?P<from>\d{6}01)-\d{8}|year=(?P<year>\d{4})/month=(?P<month>\d{1,2}))/", re.IGNORECASE
)
_STARTS = re.compile(r"(?P<year>\d{4})-?(?P<month>0[1-9]|1[0-2])-?01(?:T|$)")
_FIX = "Point the source's uri at the folder of one legacy Cost and Usage Report; CUR 2.0 is kind aws-cur2."
_ENDINGS = (".csv", ".csv.gz", ".csv.zip", ".zip", ".parquet")
# A report of no line items still has its header.
_FORM = FileForm(blank_files="refused", ragged_header=True)
_MISSING = "Check what wrote this file: every Cost and Usage Report has {}."


def find(place: Place) -> Found:
    """Return one delivery per kept assembly, else one per billing period, oldest first.

    Raises:
        Transient: the first delivery is still arriving.
        NotFound: there is none.
        Terminal: the place holds several reports, or two files of the same period.
    """
    blobs = place.blobs()
    # The folder of an assembly lies deeper than the month's: the manifest there never changes, so it counts.
    manifests = sorted(
        (blob for blob in blobs if _MANIFEST.search(blob.key)), key=lambda blob: blob.key.count("/")
    )
    if not manifests:
        return _without_manifest(place, blobs)
    return found(_deliveries(place, manifests, {blob.key: blob for blob in blobs}))


def form(delivery: Delivery) -> FileForm:
    """Return how the files of a delivery are written."""
    return replace(_FORM, file_format="" if delivery.file_format == PLAIN_FILE else delivery.file_format)


def query(delivery: Delivery, file: DataFile) -> str:
    """Return the SQL of one row per line item, under the names of CUR 2.0.

    Raises:
        Damaged: the file lacks a column that is needed.
    """
    rows = aws_line_items.query(file, fix=_MISSING)
    if delivery.file_format != PLAIN_FILE:
        return rows
    return f"select * from ({rows}) where {_month(_PERIOD_COLUMN)} = {quote(delivery.scope)}"


def _without_manifest(place: Place, blobs: Sequence[Blob]) -> Found:
    if any(_FOLDER.search(blob.key) for blob in blobs):
        raise Transient(
            "a report is still arriving: there is data, and no manifest yet",
            where=f"source {place.source.name}, {place.where(place.prefix)}",
            fix="Run again later; the manifest is the last file of a delivery.",
        )
    files = [blob for blob in blobs if blob.key.lower().endswith(_ENDINGS)]
    if not files:
        raise NotFound(
            f"no Cost and Usage Report was found: no manifest, and no file ending with {', '.join(_ENDINGS)}",
            where=f"source {place.source.name}, {place.where(place.prefix)}",
            fix="End the uri with the report's folder, the one that holds yyyymmdd-yyyymmdd/.",
        )
    return found(plain_bills.find(place, files, _TABLE, _periods_query, _FORM))


def _deliveries(
    place: Place, manifests: Sequence[Blob], listed: Mapping[str, Blob]
) -> Iterable[Delivery | Rejected]:
    reports: dict[str, str] = {}
    each: dict[str, Delivery | Rejected] = {}
    for text in read_all(place, manifests):
        one: Delivery | Rejected
        try:
            document = text.document(LEGACY_REPORT, _FIX)
            one = delivery_of(place, _TABLE, _manifest(document, text, listed), listed)
            reports.setdefault(_report(document), text.where)
        except Damaged as error:
            one = rejection_of(place, _TABLE, text, error, _period_of_folder(text.blob.key))
        each[one.delivery_id] = one
    _check_one_report(place, reports)
    return each.values()


def _manifest(document: Mapping[str, object], text: ManifestText, listed: Mapping[str, Blob]) -> Manifest:
    assembly = str(document.get("assemblyId") or "")
    keys = _data_keys(document, text, listed)
    return Manifest(
        read_from=text,
        scope=_period(document, text),
        run=[assembly, _report(document)],
        keys=keys,
        file_format="Parquet" if str(document.get("compression")).lower() == "parquet" else "CSV",
        is_immutable=bool(assembly) and all(f"/{assembly}/" in f"/{key}" for key in keys),
    )


def _data_keys(
    document: Mapping[str, object], text: ManifestText, listed: Mapping[str, Blob]
) -> tuple[str, ...]:
    keys = document.get("reportKeys")
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        raise text.unreadable("it has no list of reportKeys", LEGACY_REPORT, _FIX)
    # A report without a prefix may write its keys with a slash in front, whether they have one or not.
    return tuple(sorted({key if key in listed else key.lstrip("/") for key in keys}))


def _period(document: Mapping[str, object], text: ManifestText) -> str:
    period = document.get("billingPeriod")
    start = _STARTS.match(str(period.get("start"))) if isinstance(period, dict) else None
    if start is None:
        raise text.unreadable("it has no billingPeriod that starts with a month", LEGACY_REPORT, _FIX)
    return f"{start['year']}-{start['month']}"


def _period_of_folder(key: str) -> str | None:
    found = _FOLDER.search(key)
    if found is None:
        return None
    year, month = (
        (found["year"], found["month"]) if found["month"] else (found["from"][:4], found["from"][4:6])
    )
    return f"{year}-{int(month):02d}"


def _report(document: Mapping[str, object]) -> str:
    return f"{document.get('reportName')} of account {document.get('account')}"


def _check_one_report(place: Place, reports: Mapping[str, str]) -> None:
    if len(reports) > 1:
        named = ", ".join(f"{name} ({where})" for name, where in sorted(reports.items()))
        raise Terminal(
            f"there are {len(reports)} reports here, and a newer delivery of one would replace the other's",
            where=f"source {place.source.name}: {named}",
            fix="Write one source per report, its uri ending with the report's own folder.",
        )


def _periods_query(file: DataFile) -> str:
    aws_line_items.query(file, fix=_MISSING)
    start = aws_line_items.column(file, _PERIOD_COLUMN)
    require([_PERIOD_COLUMN] if start else [], [_PERIOD_COLUMN], where=file.where, fix=_MISSING)
    month = _month(utc(*start)) if start else "null"
    return f"""
        select distinct coalesce({month}, error('a {_PERIOD_COLUMN} is missing')) as period
        from {file.relation}
        order by period
    """


def _month(moment: str) -> str:
    return f"strftime({moment}, '%Y-%m')"
