"""The columns of the `raw` tables, in one place: what sources write and what the models read.

Names and DuckDB types, in file order. Every Parquet file of a table has all of them; what a delivery does not
hold is null.
"""

from collections.abc import Mapping

Columns = tuple[tuple[str, str], ...]

S3_INVENTORY: Columns = (
    ("bucket", "varchar"),
    ("object_key", "varchar"),
    ("directory", "varchar"),
    ("leaf", "varchar"),
    ("version_id", "varchar"),
    ("is_latest", "boolean"),
    ("is_delete_marker", "boolean"),
    ("size_bytes", "bigint"),
    ("last_modified_at", "timestamp"),
    ("etag", "varchar"),
    ("storage_class", "varchar"),
    ("encryption_status", "varchar"),
    ("replication_status", "varchar"),
    ("is_multipart_uploaded", "boolean"),
    ("object_lock_mode", "varchar"),
    ("object_lock_retain_until_at", "timestamp"),
    ("object_lock_legal_hold", "varchar"),
    ("intelligent_tiering_access_tier", "varchar"),
    ("lists_versions", "boolean"),
    ("snapshot_at", "timestamp"),
)

S3_INVENTORY_DIRECTORIES: Columns = (
    ("bucket", "varchar"),
    ("directory", "varchar"),
    ("storage_class", "varchar"),
    ("is_current", "boolean"),
    ("created_date", "date"),
    ("object_count", "bigint"),
    ("size_bytes", "bigint"),
    ("first_day_byte_seconds", "decimal(38,0)"),
    ("newest_at", "timestamp"),
    ("oldest_at", "timestamp"),
    ("snapshot_at", "timestamp"),
)

S3_UPLOADS: Columns = (
    ("bucket", "varchar"),
    ("object_key", "varchar"),
    ("upload_id", "varchar"),
    ("initiated_at", "timestamp"),
    ("storage_class", "varchar"),
    ("part_count", "bigint"),
    ("size_bytes", "bigint"),
    ("listed_at", "timestamp"),
)

AWS_CUR2: Columns = (
    ("identity_line_item_id", "varchar"),
    ("bill_payer_account_id", "varchar"),
    ("bill_invoice_id", "varchar"),
    ("bill_billing_period_start_date", "timestamp"),
    ("line_item_usage_account_id", "varchar"),
    ("line_item_line_item_type", "varchar"),
    ("line_item_usage_start_date", "timestamp"),
    ("line_item_usage_end_date", "timestamp"),
    ("line_item_product_code", "varchar"),
    ("line_item_usage_type", "varchar"),
    ("line_item_operation", "varchar"),
    ("line_item_resource_id", "varchar"),
    ("line_item_currency_code", "varchar"),
    ("line_item_line_item_description", "varchar"),
    ("line_item_usage_amount", "double"),
    ("line_item_unblended_cost", "double"),
    ("line_item_net_unblended_cost", "double"),
    ("pricing_unit", "varchar"),
    ("pricing_public_on_demand_cost", "double"),
    ("pricing_public_on_demand_rate", "varchar"),
    ("product_servicecode", "varchar"),
    ("product_region_code", "varchar"),
    ("resource_tags", "varchar"),
    ("reservation_reservation_a_r_n", "varchar"),
    ("reservation_effective_cost", "double"),
    ("reservation_net_effective_cost", "double"),
    ("reservation_unused_amortized_upfront_fee_for_billing_period", "double"),
    ("reservation_net_unused_amortized_upfront_fee_for_billing_period", "double"),
    ("reservation_unused_recurring_fee", "double"),
    ("reservation_net_unused_recurring_fee", "double"),
    ("savings_plan_savings_plan_a_r_n", "varchar"),
    ("savings_plan_savings_plan_effective_cost", "double"),
    ("savings_plan_net_savings_plan_effective_cost", "double"),
    ("savings_plan_total_commitment_to_date", "double"),
    ("savings_plan_used_commitment", "double"),
)

FOCUS: Columns = (
    ("BilledCost", "decimal(38,12)"),
    ("EffectiveCost", "decimal(38,12)"),
    ("ListCost", "decimal(38,12)"),
    ("ContractedCost", "decimal(38,12)"),
    ("BillingAccountId", "varchar"),
    ("BillingAccountName", "varchar"),
    ("BillingCurrency", "varchar"),
    ("BillingPeriodStart", "timestamp"),
    ("BillingPeriodEnd", "timestamp"),
    ("ChargePeriodStart", "timestamp"),
    ("ChargePeriodEnd", "timestamp"),
    ("ChargeCategory", "varchar"),
    ("ChargeClass", "varchar"),
    ("ChargeDescription", "varchar"),
    ("ChargeFrequency", "varchar"),
    ("ConsumedQuantity", "decimal(38,12)"),
    ("ConsumedUnit", "varchar"),
    ("PricingQuantity", "decimal(38,12)"),
    ("PricingUnit", "varchar"),
    ("PricingCategory", "varchar"),
    ("ProviderName", "varchar"),
    ("PublisherName", "varchar"),
    ("InvoiceIssuerName", "varchar"),
    ("RegionId", "varchar"),
    ("ResourceId", "varchar"),
    ("ResourceName", "varchar"),
    ("ResourceType", "varchar"),
    ("ServiceCategory", "varchar"),
    ("ServiceName", "varchar"),
    ("SkuId", "varchar"),
    ("SkuMeter", "varchar"),
    ("SkuPriceId", "varchar"),
    ("SubAccountId", "varchar"),
    ("SubAccountName", "varchar"),
    ("Tags", "varchar"),
    ("x_ServiceCode", "varchar"),
    ("x_UsageType", "varchar"),
    ("x_Operation", "varchar"),
    ("CommitmentDiscountId", "varchar"),
)

MLFLOW_VERSIONS: Columns = (
    ("name", "varchar"),
    ("version", "varchar"),
    ("stage", "varchar"),
    ("aliases", "varchar"),
    ("source", "varchar"),
    ("run_id", "varchar"),
    ("status", "varchar"),
    ("read_at", "timestamp"),
)

DELIVERIES: Columns = (
    ("source", "varchar"),
    ("kind", "varchar"),
    ("table_name", "varchar"),
    ("delivery_id", "varchar"),
    ("scope", "varchar"),
    ("delivered_at", "timestamp"),
    ("snapshot_at", "timestamp"),
    ("row_count", "bigint"),
    ("byte_count", "bigint"),
    ("checksum", "varchar"),
)
"""The ledger: not read from Parquet but from the `_delivery.json` files beside it."""

RAW_TABLES: Mapping[str, Columns] = {
    "s3_inventory": S3_INVENTORY,
    "s3_inventory_directories": S3_INVENTORY_DIRECTORIES,
    "s3_uploads": S3_UPLOADS,
    "aws_cur2": AWS_CUR2,
    "focus": FOCUS,
    "mlflow_versions": MLFLOW_VERSIONS,
}
"""The tables that sources land as Parquet."""

LANDED_AT: Columns = (("landed_file", "varchar"), ("landed_row", "bigint"))
"""Where a row stands in the lake. The `raw` views add it: bills have no row id that outlives a delivery."""
