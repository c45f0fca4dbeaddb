"""The company's bill as a CUR 2.0 Data Export: Parquet, maps for tags and product, daily lines."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.demo.aws_export import Export, Period, charges_of, periods
from pipelines.demo.chance import digest
from pipelines.demo.charges import company_charges, monthly_charges
from pipelines.demo.company import REGION, Company
from pipelines.demo.habits import PAYER
from pipelines.demo.meters import Charge
from pipelines.demo.objects import StoredObject

TEAM_TAG = "user_team"
"""How the cost-allocation tag `team` is spelled in the map `resource_tags`."""
PREFIX = "exports/cur2"

_TEXT_MAP = pa.map_(pa.string(), pa.string())
_MOMENT = pa.timestamp("ms", tz="UTC")
_SCHEMA = pa.schema(
    [
        ("bill_bill_type", pa.string()),
        ("bill_billing_entity", pa.string()),
        ("bill_billing_period_end_date", _MOMENT),
        ("bill_billing_period_start_date", _MOMENT),
        ("bill_invoice_id", pa.string()),
        ("bill_payer_account_id", pa.string()),
        ("cost_category", _TEXT_MAP),
        ("identity_line_item_id", pa.string()),
        ("identity_time_interval", pa.string()),
        ("line_item_currency_code", pa.string()),
        ("line_item_line_item_description", pa.string()),
        ("line_item_line_item_type", pa.string()),
        ("line_item_operation", pa.string()),
        ("line_item_product_code", pa.string()),
        ("line_item_resource_id", pa.string()),
        ("line_item_unblended_cost", pa.float64()),
        ("line_item_unblended_rate", pa.string()),
        ("line_item_usage_account_id", pa.string()),
        ("line_item_usage_amount", pa.float64()),
        ("line_item_usage_end_date", _MOMENT),
        ("line_item_usage_start_date", _MOMENT),
        ("line_item_usage_type", pa.string()),
        ("pricing_public_on_demand_cost", pa.float64()),
        ("pricing_public_on_demand_rate", pa.string()),
        ("pricing_unit", pa.string()),
        ("product", _TEXT_MAP),
        ("product_region_code", pa.string()),
        ("product_servicecode", pa.string()),
        ("reservation_effective_cost", pa.float64()),
        ("reservation_reservation_a_r_n", pa.string()),
        ("resource_tags", _TEXT_MAP),
        ("savings_plan_savings_plan_a_r_n", pa.string()),
        ("savings_plan_savings_plan_effective_cost", pa.float64()),
    ]
)
_EXPORT = Export(PREFIX, "acme-cur2", "snappy.parquet", tuple(_SCHEMA.names))


def cur2_deliveries(company: Company) -> Iterator[StoredObject]:
    """Yield the export as it lies in the bucket: each month's newest, cumulative delivery."""
    charges = list(company_charges(company))
    for number, period in enumerate(periods(company)):
        of_month = charges_of(period, charges)
        lines = [*of_month, *monthly_charges(period.month, of_month)]
        chunks = [_parquet([_row(line, period) for line in lines])]
        if number == 0:
            # An earlier run of that month needed two files; the surplus one is overwritten with nothing.
            chunks.append(_parquet([]))
        yield from _EXPORT.deliver(period, chunks)


def _row(charge: Charge, period: Period) -> dict[str, object]:
    meter = charge.meter
    return {
        **_bill(period),
        **_identity(charge, period),
        "cost_category": [],
        "line_item_currency_code": "USD",
        "line_item_line_item_description": f"${meter.usd} per {meter.unit} - {meter.description}",
        "line_item_line_item_type": charge.kind,
        "line_item_operation": meter.operation,
        "line_item_product_code": meter.product,
        "line_item_resource_id": charge.resource,
        "line_item_unblended_cost": float(charge.cost),
        "line_item_unblended_rate": meter.usd,
        "line_item_usage_account_id": charge.account,
        "line_item_usage_amount": float(charge.quantity),
        "line_item_usage_type": meter.usage_type,
        "pricing_public_on_demand_cost": float(charge.cost) if charge.kind == "Usage" else 0.0,
        "pricing_public_on_demand_rate": meter.usd if charge.kind == "Usage" else "",
        "pricing_unit": meter.unit,
        "product": [("region", REGION), ("servicecode", meter.product)] if charge.kind == "Usage" else [],
        "product_region_code": REGION if charge.kind == "Usage" else "",
        "product_servicecode": meter.product,
        "resource_tags": [(TEAM_TAG, charge.team)] if charge.team else [],
        "reservation_reservation_a_r_n": "",
        "savings_plan_savings_plan_a_r_n": "",
    }


def _bill(period: Period) -> dict[str, object]:
    return {
        "bill_bill_type": "Anniversary",
        "bill_billing_entity": "AWS",
        "bill_billing_period_end_date": _moment(period.end),
        "bill_billing_period_start_date": _moment(period.month),
        "bill_invoice_id": period.invoice_id,
        "bill_payer_account_id": PAYER,
    }


def _identity(charge: Charge, period: Period) -> dict[str, object]:
    start, end = charge.day, charge.day + timedelta(days=1)
    if charge.kind != "Usage":
        end = period.end
    meter = charge.meter
    names = (charge.account, meter.product, meter.usage_type, meter.operation, charge.resource, charge.team)
    return {
        "identity_line_item_id": digest("line", period.delivered_at, charge.kind, start, *names),
        "identity_time_interval": f"{start}T00:00:00Z/{end}T00:00:00Z",
        "line_item_usage_end_date": _moment(end),
        "line_item_usage_start_date": _moment(start),
    }


def _parquet(rows: list[dict[str, object]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), sink, compression="snappy")
    return sink.getvalue()


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
