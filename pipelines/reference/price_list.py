"""List prices and minimums of storage classes, each with its dates and source.

List prices are what a provider asks of anybody. What a company really pays is in its bill, and beats them.
"""

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Literal

from pydantic import Field, model_validator

from pipelines.reference.forms import Citation, Frozen, load
from pipelines.reference.tables import ReferenceTable

FOREVER = date(9999, 12, 31)
Meter = Literal[
    "storage",
    "storage-infrequent",
    "storage-archive-instant",
    "storage-archive",
    "storage-deep-archive",
    "put",
    "get",
    "transition-in",
    "retrieval",
    "monitoring",
]


class ClassFact(Frozen):
    """Something about a storage class, and who says so."""

    storage_class: str
    """The provider's name of the class."""
    source: str
    """Key of the file's `sources`."""


class Price(ClassFact):
    """One price in force for a time."""

    meter: Meter
    """What is paid for."""
    unit: Literal["gb-month", "gb", "request", "object-month"]
    """What one of it is."""
    usd: Decimal = Field(ge=0)
    """USD for one unit."""
    from_gb: int = 0
    """Where the tier begins, in units of a month."""
    to_gb: int | None = None
    """Where the tier ends; none for the last."""
    valid_from: date
    """The first day for which the source shows it."""
    valid_until: date = FOREVER
    """The first day on which it is no longer in force."""


class StorageClass(ClassFact):
    """What a class bills beyond the bytes of an object."""

    minimum_days: int
    """Storage is billed for at least so long."""
    minimum_object_bytes: int
    """A smaller object is billed as if it had this size."""
    overhead_bytes: int
    """Index bytes billed per object at this class's rate."""
    overhead_standard_bytes: int
    """Index bytes billed per object at the rate of STANDARD."""


class PriceList(Frozen):
    """One provider's prices in one region."""

    provider: str
    """`aws` or `gcp`."""
    region_id: str
    """The region the prices are of."""
    sources: dict[str, Citation]
    """Where prices were read."""
    prices: tuple[Price, ...]
    """All of them, past ones too."""
    classes: tuple[StorageClass, ...]
    """Minimums and overheads."""

    @model_validator(mode="after")
    def _is_cited(self) -> "PriceList":
        rows: tuple[ClassFact, ...] = (*self.prices, *self.classes)
        for row in rows:
            if row.source not in self.sources:
                raise ValueError(f"source {row.source!r} of {row.storage_class} is not listed")
        return self


@cache
def s3_price_list() -> PriceList:
    """Return the list prices of S3 that are kept here."""
    return load("prices/aws_s3.yaml", PriceList)


@cache
def gcs_price_list() -> PriceList:
    """Return the list prices of Cloud Storage that are kept here."""
    return load("prices/gcp_gcs.yaml", PriceList)


def list_price(storage_class: str, meter: Meter, day: date) -> Decimal | None:
    """Return the first-tier price of S3 in force on a day; before the first known day, the first known."""
    known = [
        price
        for price in s3_price_list().prices
        if price.storage_class == storage_class and price.meter == meter and price.from_gb == 0
    ]
    in_force = [price for price in known if price.valid_from <= day < price.valid_until]
    chosen = in_force or sorted(known, key=lambda price: price.valid_from)
    return chosen[0].usd if chosen else None


def price_tables() -> tuple[ReferenceTable, ...]:
    """Return `reference.prices` and `reference.storage_classes`."""
    lists = (s3_price_list(), gcs_price_list())
    return (
        ReferenceTable(
            "prices",
            (
                ("provider", "varchar"),
                ("region_id", "varchar"),
                ("storage_class", "varchar"),
                ("meter", "varchar"),
                ("unit", "varchar"),
                ("from_gb", "bigint"),
                ("to_gb", "bigint"),
                ("usd", "decimal(38,12)"),
                ("valid_from", "date"),
                ("valid_until", "date"),
                ("source", "varchar"),
            ),
            tuple(_price_row(listed, price) for listed in lists for price in listed.prices),
        ),
        ReferenceTable(
            "storage_classes",
            (
                ("provider", "varchar"),
                ("storage_class", "varchar"),
                ("minimum_days", "bigint"),
                ("minimum_object_bytes", "bigint"),
                ("overhead_bytes", "bigint"),
                ("overhead_standard_bytes", "bigint"),
            ),
            tuple(_class_row(listed, row) for listed in lists for row in listed.classes),
        ),
    )


def _price_row(listed: PriceList, price: Price) -> tuple[object, ...]:
    source = listed.sources[price.source]
    return (
        listed.provider,
        listed.region_id,
        price.storage_class,
        price.meter,
        price.unit,
        price.from_gb,
        price.to_gb,
        price.usd,
        price.valid_from,
        price.valid_until,
        f"{source.title}, {source.as_of}, {source.url}",
    )


def _class_row(listed: PriceList, row: StorageClass) -> tuple[object, ...]:
    return (
        listed.provider,
        row.storage_class,
        row.minimum_days,
        row.minimum_object_bytes,
        row.overhead_bytes,
        row.overhead_standard_bytes,
    )
