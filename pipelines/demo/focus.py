"""The research subsidiary's bill as an AWS FOCUS 1.0 export: gzip CSV, a header, empty fields for null."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import date, timedelta

from pipelines.demo.aws_export import Export, Period, charges_of, periods
from pipelines.demo.charges import research_charges
from pipelines.demo.company import REGION, Company
from pipelines.demo.cur2 import TEAM_TAG
from pipelines.demo.habits import RESEARCH_PAYER
from pipelines.demo.meters import Charge
from pipelines.demo.objects import StoredObject

PREFIX = "exports/focus"
COLUMNS = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory",
    "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType",
    "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType",
    "ServiceCategory", "ServiceName", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "Tags",
    "x_CostCategories", "x_Discounts", "x_Operation", "x_ServiceCode", "x_UsageType",
)  # fmt: skip
_SERVICES = {
    "AmazonS3": ("Storage", "Amazon Simple Storage Service"),
    "AmazonEC2": ("Compute", "Amazon Elastic Compute Cloud"),
    "AWSSupportBusiness": ("Other", "AWS Support (Business)"),
}
_EXPORT = Export(PREFIX, "acme-focus", "csv.gz", COLUMNS)


def focus_deliveries(company: Company) -> Iterator[StoredObject]:
    """Yield the export as it lies in the bucket: each month's newest, cumulative delivery."""
    charges = list(research_charges(company))
    for period in periods(company):
        rows = [_row(charge, period) for charge in charges_of(period, charges)]
        yield from _EXPORT.deliver(period, [_csv(rows)])


def _row(charge: Charge, period: Period) -> dict[str, str]:
    return {**_parties(period), **_money(charge), **_subject(charge)}


def _parties(period: Period) -> dict[str, str]:
    return {
        "BillingAccountId": RESEARCH_PAYER,
        "BillingAccountName": "Acme Research",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _moment(period.end),
        "BillingPeriodStart": _moment(period.month),
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        "ProviderName": "AWS",
        "PublisherName": "AWS",
    }


def _money(charge: Charge) -> dict[str, str]:
    meter, cost = charge.meter, f"{charge.cost:f}"
    prices = dict.fromkeys(("ContractedUnitPrice", "ListUnitPrice"), meter.usd)
    costs = dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost)
    quantity = f"{charge.quantity:.12f}"
    return {
        **costs,
        **prices,
        "ChargeCategory": "Usage",
        "ChargeDescription": f"${meter.usd} per {meter.unit} - {meter.description}",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": quantity,
        "ConsumedUnit": meter.unit,
        "PricingCategory": "Standard",
        "PricingQuantity": quantity,
        "PricingUnit": meter.unit,
    }


def _subject(charge: Charge) -> dict[str, str]:
    meter = charge.meter
    category, service = _SERVICES[meter.product]
    return {
        "ChargePeriodEnd": _moment(charge.day + timedelta(days=1)),
        "ChargePeriodStart": _moment(charge.day),
        "RegionId": REGION,
        "RegionName": "US East (N. Virginia)",
        "ResourceId": charge.resource,
        "ResourceType": "Bucket" if meter.product == "AmazonS3" else "",
        "ServiceCategory": category,
        "ServiceName": service,
        "SubAccountId": charge.account,
        "SubAccountName": "research",
        "Tags": json.dumps({TEAM_TAG: charge.team}) if charge.team else "",
        "x_Operation": meter.operation,
        "x_ServiceCode": meter.product,
        "x_UsageType": meter.usage_type,
    }


def _csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _moment(day: date) -> str:
    return f"{day}T00:00:00Z"
