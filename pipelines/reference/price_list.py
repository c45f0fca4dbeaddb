"""List prices and minimums of storage classes, each with its dates and source.

List prices are what a provider asks of anybody. What a company really pays is in its bill, and beats them.
A company may also write price files of its own; they have the form of those in `prices/` and beat these.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pipelines.reference.forms import Citation, Frozen, load
from pipelines.reference.tables import ReferenceTable

FOREVER = date(9999, 12, 31)
DEFAULT_REGIONS = {"aws": "us-east-1", "gcp": "us-central1"}
"""Whose prices stand in where those of a bucket's own region are not known."""
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
    "retrieval-expedited",
    "retrieval-bulk",
    "restore-request",
    "restore-request-expedited",
    "restore-request-bulk",
    "upload",
    "monitoring",
    "internet_out",
    "inter_region_out",
    "inter_az",
    "nat_processing",
    "nat_hours",
    "endpoint_processing",
    "endpoint_hours",
    "tgw_processing",
    "tgw_hours",
    "direct_connect_out",
    "cdn_out",
    "cdn_to_origin",
    "mrap_routing",
    "transfer_acceleration",
    "replication",
]
Key = tuple[str, str, str, str, str]
"""Provider, region, region it goes to, storage class and meter: what one price is for."""


class ClassFact(Frozen):
    """Something about a storage class, and who says so."""

    storage_class: str = ""
    """The provider's name of the class; empty for bytes on their way."""
    source: str
    """Key of the file's `sources`."""


class Price(ClassFact):
    """One price in force for a time."""

    region_id: str = ""
    """The region it is of; empty for that of the file."""
    to_region_id: str = ""
    """The region that the bytes go to, where the price is for one pair."""
    meter: Meter
    """What is paid for."""
    unit: Literal["gb-month", "gb", "request", "object-month", "hour"]
    """What one of it is."""
    usd: Decimal = Field(ge=0)
    """USD for one unit."""
    from_gb: int = Field(default=0, ge=0)
    """Where the tier begins, in units of a month."""
    to_gb: int | None = None
    """Where the tier ends; none for the last."""
    valid_from: date
    """The first day for which the source shows it."""
    valid_until: date = FOREVER
    """The first day on which it is no longer in force."""
    confirmed: bool = True
    """False where sources disagree or only one of second hand is known: nothing is computed from it."""


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
    coldness: int
    """Lifecycle rules move objects to classes of a larger one."""
    needs_restore: bool = False
    """It takes a request and hours until an object can be read."""
    is_single_zone: bool = False
    """It lies in one data centre: what happens to that happens to it."""
    is_target: bool = True
    """Objects of other classes can move there."""


class PriceList(Frozen):
    """Prices of one provider, most of them of one region."""

    provider: Literal["aws", "gcp"]
    """`aws` or `gcp`."""
    region_id: str
    """The region of every price that names none."""
    sources: dict[str, Citation]
    """Where prices were read."""
    prices: tuple[Price, ...]
    """All of them, past ones too."""
    classes: tuple[StorageClass, ...] = ()
    """Minimums and overheads."""

    @model_validator(mode="after")
    def _is_cited(self) -> "PriceList":
        rows: tuple[ClassFact, ...] = (*self.prices, *self.classes)
        for row in rows:
            if row.source not in self.sources:
                raise ValueError(f"source {row.source!r} of {row.storage_class or 'a price'} is not listed")
        return self

    def key(self, price: Price) -> Key:
        """Return what a price is for."""
        region = price.region_id or self.region_id
        return self.provider, region, price.to_region_id, price.storage_class, price.meter

    def cite(self, price: Price) -> str:
        """Return where a price was read, in one line."""
        source = self.sources[price.source]
        return f"{source.title}, {source.as_of}, {source.url}"


@cache
def shipped_price_lists() -> tuple[PriceList, ...]:
    """Return every price file that is kept here."""
    folder = Path(__file__).parent / "prices"
    return tuple(load(f"prices/{path.name}", PriceList) for path in sorted(folder.glob("*.yaml")))


@cache
def s3_price_list() -> PriceList:
    """Return the list prices of S3 in us-east-1."""
    return load("prices/aws_s3.yaml", PriceList)


def list_price(storage_class: str, meter: Meter, day: date) -> Decimal | None:
    """Return the first-tier price of S3 in us-east-1 on a day; before the first known, that one."""
    known = [
        price
        for price in s3_price_list().prices
        if price.storage_class == storage_class and price.meter == meter and price.from_gb == 0
    ]
    in_force = [price for price in known if price.valid_from <= day < price.valid_until]
    chosen = in_force or sorted(known, key=lambda price: price.valid_from)
    return chosen[0].usd if chosen else None


def price_tables(own: Sequence[PriceList] = ()) -> tuple[ReferenceTable, ...]:
    """Return `reference.prices`, `storage_classes` and `price_regions`.

    A price of a later file takes the place of all earlier ones for the same provider, region, class and
    meter; a company's own files are later than those kept here.
    """
    lists = (*shipped_price_lists(), *own)
    prices: dict[Key, list[tuple[object, ...]]] = {}
    classes: dict[tuple[str, str], tuple[object, ...]] = {}
    for listed in lists:
        prices |= _price_rows(listed)
        classes |= {(listed.provider, row.storage_class): _class_row(listed, row) for row in listed.classes}
    regions = sorted({(provider, region) for provider, region, *_ in prices} | set(DEFAULT_REGIONS.items()))
    return (
        _prices_table(row for rows in prices.values() for row in rows),
        _classes_table(classes.values()),
        ReferenceTable(
            "price_regions",
            (("provider", "varchar"), ("region_id", "varchar"), ("is_default", "boolean")),
            tuple(
                (provider, region, DEFAULT_REGIONS.get(provider) == region) for provider, region in regions
            ),
        ),
    )


def cost(tiers: Iterable[Price], quantity: Decimal) -> Iterator[Decimal]:
    """Yield what each tier that a quantity reaches costs, in USD."""
    for tier in sorted(tiers, key=lambda tier: tier.from_gb):
        end = quantity if tier.to_gb is None else min(quantity, Decimal(tier.to_gb))
        if end > tier.from_gb:
            yield (end - tier.from_gb) * tier.usd


def _prices_table(rows: Iterable[tuple[object, ...]]) -> ReferenceTable:
    return ReferenceTable(
        "prices",
        (
            ("provider", "varchar"),
            ("region_id", "varchar"),
            ("to_region_id", "varchar"),
            ("storage_class", "varchar"),
            ("meter", "varchar"),
            ("unit", "varchar"),
            ("from_gb", "bigint"),
            ("to_gb", "bigint"),
            ("usd", "decimal(38,12)"),
            ("valid_from", "date"),
            ("valid_until", "date"),
            ("confirmed", "boolean"),
            ("source", "varchar"),
        ),
        tuple(rows),
    )


def _classes_table(rows: Iterable[tuple[object, ...]]) -> ReferenceTable:
    return ReferenceTable(
        "storage_classes",
        (
            ("provider", "varchar"),
            ("storage_class", "varchar"),
            ("minimum_days", "bigint"),
            ("minimum_object_bytes", "bigint"),
            ("overhead_bytes", "bigint"),
            ("overhead_standard_bytes", "bigint"),
            ("coldness", "bigint"),
            ("needs_restore", "boolean"),
            ("is_single_zone", "boolean"),
            ("is_target", "boolean"),
        ),
        tuple(rows),
    )


def _price_rows(listed: PriceList) -> dict[Key, list[tuple[object, ...]]]:
    rows: dict[Key, list[tuple[object, ...]]] = {}
    for price in listed.prices:
        key = listed.key(price)
        rows.setdefault(key, []).append(
            (
                *key,
                price.unit,
                price.from_gb,
                price.to_gb,
                price.usd,
                price.valid_from,
                price.valid_until,
                price.confirmed,
                listed.cite(price),
            )
        )
    return rows


def _class_row(listed: PriceList, row: StorageClass) -> tuple[object, ...]:
    return (
        listed.provider,
        row.storage_class,
        row.minimum_days,
        row.minimum_object_bytes,
        row.overhead_bytes,
        row.overhead_standard_bytes,
        row.coldness,
        row.needs_restore,
        row.is_single_zone,
        row.is_target,
    )
