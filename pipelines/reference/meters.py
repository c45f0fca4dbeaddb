"""How bills spell what they charge for: paths of data, storage meters, regions, services and units."""

from typing import Literal

from pydantic import Field, field_validator

from pipelines.reference.forms import Cited, Frozen, load
from pipelines.reference.tables import ReferenceTable

Place = Literal["", "here", "pair", "internet", "customer", "edge"]
Layer = Literal["compute", "storage", "retrieval", "network", "operations", "people", "other"]
MeterGroup = Literal["storage", "requests", "transfer", "retrieval", "other"]
SpreadBy = Literal["", "bytes", "padding", "overhead", "new_objects", "monitored_objects"]
_STORAGE_METERS = ("storage_meters.yaml", "storage_meters_gcp.yaml")
_TRANSFER_RULES = ("transfer_rules.yaml", "transfer_rules_gcp.yaml")


class TransferRule(Frozen):
    """One rule of an ordered list: which lines are of a category, and where their bytes go."""

    category: str
    """The `path` of the egress tables."""
    product_code: str = ""
    """RE2 pattern; empty matches anything."""
    usage_type: str = ""
    """RE2 pattern; empty matches anything."""
    operation: str = ""
    """RE2 pattern; empty matches anything."""
    sku_ids: tuple[str, ...] = ()
    """Codes that mean the same, for bills that give a code and no description."""
    comes_from: Place = Field(default="", alias="from")
    """Where the bytes leave."""
    goes_to: Place = Field(default="", alias="to")
    """Where they arrive."""
    is_transfer: bool = True
    """Whether it is network at all."""


class TransferRules(Cited):
    """The rules of one provider."""

    provider: str
    """Whose lines they read."""
    rules: tuple[TransferRule, ...]
    """In the order in which they are tried."""

    @field_validator("rules")
    @classmethod
    def _last_matches_anything(cls, rules: tuple[TransferRule, ...]) -> tuple[TransferRule, ...]:
        last = rules[-1]
        if last.product_code or last.usage_type or last.operation:
            raise ValueError("the last rule has to match anything, or a line could stay without a category")
        return rules


class Region(Frozen):
    """A code in front of usage types."""

    region_code: str
    """Such as `USE1`."""
    region_id: str
    """Such as `us-east-1`."""


class Regions(Cited):
    """All codes that are known."""

    regions: tuple[Region, ...]
    """One per code."""


class StorageMeter(Frozen):
    """What a usage type of an object store measures."""

    usage_type: str
    """RE2 pattern."""
    operation: str = ""
    """RE2 pattern; empty matches anything."""
    storage_class: str = ""
    """The class it is of, where it has one."""
    meter_group: MeterGroup
    """What kind of charge it is."""
    spread_by: SpreadBy = ""
    """What of an inventory shows which prefix caused it; empty where nothing does."""
    objects_class: str = ""
    """The class of the objects that cause it, where the meter is of another."""


class StorageMeters(Cited):
    """The meters of one service."""

    provider: str
    """Whose."""
    service_code: str
    """Of which service."""
    meters: tuple[StorageMeter, ...]
    """In the order in which they are tried."""


class Provider(Frozen):
    """A way to write a provider's name."""

    provider: str
    """Short."""
    provider_name: str
    """As bills write it."""


class Service(Frozen):
    """A service and its part of the stack."""

    provider: str
    """Whose."""
    service_code: str
    """As the Cost and Usage Report writes it."""
    service_name: str
    """As FOCUS writes it."""
    layer: Layer
    """The part of the stack."""


class UsageLayer(Frozen):
    """Usage of a service that belongs to another part of the stack than the service."""

    provider: str
    """Whose."""
    service_code: str
    """Of which service."""
    usage_type: str
    """RE2 pattern."""
    layer: Layer
    """The part of the stack."""


class Category(Frozen):
    """A FOCUS category and its part of the stack."""

    service_category: str
    """FOCUS' word."""
    layer: Layer
    """The part of the stack."""


class ServiceLayers(Cited):
    """Who is who among providers and services."""

    providers: tuple[Provider, ...]
    """Spellings."""
    services: tuple[Service, ...]
    """Services that bills name by code or by name."""
    usage_types: tuple[UsageLayer, ...]
    """Usage that stands apart from its service."""
    categories: tuple[Category, ...]
    """For services that are not listed."""


class Unit(Frozen):
    """A spelling of an amount of data."""

    spelled: str
    """Lower case."""
    size_bytes: int = Field(alias="bytes", gt=0)
    """Bytes in one."""
    per: Literal["", "second", "hour", "month"] = ""
    """The time it is multiplied by; empty for data that moves."""


class Units(Cited):
    """All spellings that are known."""

    units: tuple[Unit, ...]
    """One per spelling."""


def meter_tables() -> tuple[ReferenceTable, ...]:
    """Return the tables by which bills are understood."""
    return (_transfer_rules(), _regions(), _storage_meters(), *_services(), _units())


def _transfer_rules() -> ReferenceTable:
    rows = (
        (
            listed.provider,
            position,
            rule.category,
            rule.product_code,
            _usage_type(rule),
            rule.operation,
            rule.comes_from,
            rule.goes_to,
            rule.is_transfer,
        )
        for listed in (load(name, TransferRules) for name in _TRANSFER_RULES)
        for position, rule in enumerate(listed.rules, start=1)
    )
    names = "category product_pattern usage_type_pattern operation_pattern comes_from goes_to"
    columns = (("provider", "varchar"), ("position", "bigint"), *_texts(names), ("is_transfer", "boolean"))
    return ReferenceTable("transfer_rules", columns, tuple(rows))


def _usage_type(rule: TransferRule) -> str:
    if not rule.sku_ids:
        return rule.usage_type
    codes = "|".join(sku_id.lower() for sku_id in rule.sku_ids)
    return f"{rule.usage_type}|^({codes})$"


def _regions() -> ReferenceTable:
    rows = ((region.region_code, region.region_id) for region in load("region_codes.yaml", Regions).regions)
    return ReferenceTable("region_codes", _texts("region_code region_id"), tuple(rows))


def _storage_meters() -> ReferenceTable:
    rows = (
        (
            listed.provider,
            listed.service_code,
            position,
            meter.usage_type,
            meter.operation,
            meter.storage_class,
            meter.meter_group,
            meter.spread_by,
            meter.objects_class or meter.storage_class,
            meter.spread_by == "bytes",
        )
        for listed in (load(name, StorageMeters) for name in _STORAGE_METERS)
        for position, meter in enumerate(listed.meters, start=1)
    )
    columns = (
        *_texts("provider service_code"),
        ("position", "bigint"),
        *_texts("usage_type_pattern operation_pattern storage_class meter_group spread_by objects_class"),
        ("holds_objects", "boolean"),
    )
    return ReferenceTable("storage_meters", columns, tuple(rows))


def _services() -> tuple[ReferenceTable, ...]:
    listed = load("service_layers.yaml", ServiceLayers)
    return (
        ReferenceTable(
            "providers",
            _texts("provider provider_name"),
            tuple((row.provider, row.provider_name) for row in listed.providers),
        ),
        ReferenceTable(
            "service_layers",
            _texts("provider service_code service_name layer"),
            tuple((row.provider, row.service_code, row.service_name, row.layer) for row in listed.services),
        ),
        ReferenceTable(
            "usage_layers",
            _texts("provider service_code usage_type_pattern layer"),
            tuple((row.provider, row.service_code, row.usage_type, row.layer) for row in listed.usage_types),
        ),
        ReferenceTable(
            "category_layers",
            _texts("service_category layer"),
            tuple((row.service_category, row.layer) for row in listed.categories),
        ),
    )


def _units() -> ReferenceTable:
    rows = ((unit.spelled, unit.size_bytes, unit.per) for unit in load("units.yaml", Units).units)
    columns = (("spelled", "varchar"), ("size_bytes", "bigint"), ("per", "varchar"))
    return ReferenceTable("units", columns, tuple(rows))


def _texts(names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, "varchar") for name in names.split())
