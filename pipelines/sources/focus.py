"""FOCUS bills of any provider and version: with a manifest of AWS or of Azure, or as plain files.

A version adds columns, and the names of some: what is not known is left out, what is not there is null. Who
sells, and where, has had other names; both are read.
"""

from pipelines.domain.deliveries import Delivery
from pipelines.domain.quoting import quote, quote_name
from pipelines.domain.raw_tables import FOCUS
from pipelines.errors import NotFound
from pipelines.sources import azure_exports, data_exports, plain_bills, spellings
from pipelines.sources.columns import Present, projection, require
from pipelines.sources.places import Found, Place, found
from pipelines.sources.plain_bills import PLAIN_FILE
from pipelines.sources.reading import DataFile, FileForm

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

ALIASES = {
    # Oracle's names, and those of versions from 1.3 on.
    "ProviderName": ("Provider", "ServiceProviderName"),
    "PublisherName": ("Publisher",),
    "InvoiceIssuerName": ("InvoiceIssuer",),
    "RegionId": ("Region",),
}
"""Other names of columns, where the first is not there."""

_ENDINGS = (".csv", ".csv.gz", ".parquet")
# The official samples write NULL or null; the specification wants an empty field.
FORM = FileForm(nulls=("", "NULL", "null", "-"))


def find(place: Place) -> Found:
    """Return one delivery per billing period, and per run where a manifest tells runs apart, oldest first.

    Raises:
        Transient: the first delivery is still arriving.
        NotFound: there is none.
        Terminal: two files hold the same period, or the place holds several exports.
    """
    blobs = place.blobs()
    if data_exports.is_here(blobs):
        return data_exports.find(place, blobs, "focus")
    if azure_exports.is_here(blobs):
        return azure_exports.find(place, blobs, "focus")
    files = [blob for blob in blobs if blob.key.lower().endswith(_ENDINGS)]
    if not files:
        raise NotFound(
            f"no FOCUS bill was found: no manifest, and no file ending with {', '.join(_ENDINGS)}",
            where=f"source {place.source.name}, {place.where(place.prefix)}",
            fix="Correct the source's uri, or wait for the first export.",
        )
    return found(plain_bills.find(place, files, "focus", _periods_query, FORM))


def query(delivery: Delivery, file: DataFile) -> str:
    """Return the SQL of one row per charge; numbers keep the digits they were written with.

    Raises:
        Damaged: the file lacks a column that is needed.
    """
    _require(file)
    replaced = _replaced(file.present)
    listed = ", ".join(f"{expression} as {quote_name(name)}" for name, (expression, _) in replaced.items())
    present = {**file.present, **{name: kind for name, (_, kind) in replaced.items()}}
    rows = (
        f"select {projection(FOCUS, present, _spelled(file.present))} "
        f"from (select * replace ({listed}) from {file.relation})"
    )
    if delivery.file_format != PLAIN_FILE:
        return rows
    return f"select * from ({rows}) where {_period('BillingPeriodStart')} = {quote(delivery.scope)}"


def _require(file: DataFile) -> None:
    require(file.present, REQUIRED, where=file.where, fix="Export {} too; every FOCUS version has them.")


def _spelled(present: Present) -> dict[str, str]:
    there = {name.lower() for name in present}
    return {
        name: next(alias for alias in aliases if alias.lower() in there)
        for name, aliases in ALIASES.items()
        if name.lower() not in there and any(alias.lower() in there for alias in aliases)
    }


def _replaced(present: Present) -> dict[str, tuple[str, str]]:
    """Return the columns that need more than a cast: their SQL and its type, by name."""
    kinds = {name.lower(): kind for name, kind in FOCUS}
    replaced = {}
    for name, kind in present.items():
        column, wanted = quote_name(name), kinds.get(name.lower(), "")
        if name.lower() == "tags":
            replaced[name] = spellings.tags(column, kind), "VARCHAR"
        elif wanted == "decimal(38,12)" and kind == "VARCHAR":
            replaced[name] = spellings.amount(column, kind), "DECIMAL(38,12)"
        elif wanted == "timestamp":
            replaced[name] = _moment(name, present), "TIMESTAMP"
    return replaced


def _moment(name: str, present: Present) -> str:
    column, kind = quote_name(name), present[name]
    period = {"billingperiodstart", "billingperiodend"}
    if kind != "VARCHAR" or not period <= {each.lower() for each in present}:
        return spellings.moment(column, kind)
    read = spellings.month_first(column)
    if name.lower() not in period:
        return read
    # Months or days first? Periods begin on the first of a month, so a wrong guess is seen here.
    problem = "a billing period that is not whole months: are its dates written with the day first?"
    is_odd = f"contains({column}, '/') and day({read}) <> 1"
    return f"case when {is_odd} then error({quote(problem)}) else {read} end"


def _period(column: str) -> str:
    return f"strftime({column}, '%Y-%m')"


def _periods_query(file: DataFile) -> str:
    _require(file)
    name = next(name for name in file.present if name.lower() == "billingperiodstart")
    period = _period(_moment(name, file.present))
    return f"""
        select distinct coalesce({period}, error('a BillingPeriodStart is missing')) as period
        from {file.relation}
        order by period
    """
