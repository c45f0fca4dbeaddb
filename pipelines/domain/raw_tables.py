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
    ("small_object_count", "bigint"),
    ("small_object_bytes", "bigint"),
    ("newest_at", "timestamp"),
    ("oldest_at", "timestamp"),
    ("snapshot_at", "timestamp"),
)

"""Small objects are below 128 KiB: some classes bill them as if they had that size."""

GCS_INVENTORY: Columns = (
    ("bucket", "varchar"),
    ("object_key", "varchar"),
    ("directory", "varchar"),
    ("leaf", "varchar"),
    ("generation", "bigint"),
    ("metageneration", "bigint"),
    ("size_bytes", "bigint"),
    ("created_at", "timestamp"),
    ("updated_at", "timestamp"),
    ("deleted_at", "timestamp"),
    ("soft_deleted_at", "timestamp"),
    ("hard_deleted_at", "timestamp"),
    ("storage_class", "varchar"),
    ("class_changed_at", "timestamp"),
    ("etag", "varchar"),
    ("md5_hash", "varchar"),
    ("crc32c", "varchar"),
    ("retention_expires_at", "timestamp"),
    ("is_temporary_hold", "boolean"),
    ("is_event_hold", "boolean"),
    ("snapshot_at", "timestamp"),
)
"""One row per generation. `deleted_at` is when it stopped being current. `soft_deleted_at` is when it was
deleted so that it can be restored, until `hard_deleted_at`: only a listing of the bucket knows these two, and
the holds."""

GCS_INVENTORY_DIRECTORIES: Columns = S3_INVENTORY_DIRECTORIES

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

CHECKPOINT_STATES: Columns = (
    ("provider", "varchar"),
    ("bucket", "varchar"),
    ("object_key", "varchar"),
    ("directory", "varchar"),
    ("leaf", "varchar"),
    ("subject_directory", "varchar"),
    ("framework", "varchar"),
    ("state_file", "varchar"),
    ("place", "varchar"),
    ("tells", "varchar"),
    ("field_holds", "varchar"),
    ("etag", "varchar"),
    ("size_bytes", "bigint"),
    ("last_modified_at", "timestamp"),
    ("listed_at", "timestamp"),
    ("read_at", "timestamp"),
    ("status", "varchar"),
    ("latest_value", "varchar"),
    ("best_value", "varchar"),
    ("metric_name", "varchar"),
    ("metric_value", "double"),
    ("message", "varchar"),
    ("read_by", "varchar"),
)
"""One row per small file in which a framework writes down which checkpoint counts, framework that names its
files so, and metric in it. `etag` is what the listing calls its content: an ETag, or a generation."""

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
    ("line_item_usage_amount", "decimal(38,12)"),
    ("line_item_unblended_cost", "decimal(38,12)"),
    ("line_item_net_unblended_cost", "decimal(38,12)"),
    ("pricing_unit", "varchar"),
    ("pricing_public_on_demand_cost", "decimal(38,12)"),
    ("pricing_public_on_demand_rate", "varchar"),
    ("product_servicecode", "varchar"),
    ("product_region_code", "varchar"),
    ("resource_tags", "varchar"),
    ("reservation_reservation_a_r_n", "varchar"),
    ("reservation_effective_cost", "decimal(38,12)"),
    ("reservation_net_effective_cost", "decimal(38,12)"),
    ("reservation_unused_amortized_upfront_fee_for_billing_period", "decimal(38,12)"),
    ("reservation_net_unused_amortized_upfront_fee_for_billing_period", "decimal(38,12)"),
    ("reservation_unused_recurring_fee", "decimal(38,12)"),
    ("reservation_net_unused_recurring_fee", "decimal(38,12)"),
    ("savings_plan_savings_plan_a_r_n", "varchar"),
    ("savings_plan_savings_plan_effective_cost", "decimal(38,12)"),
    ("savings_plan_net_savings_plan_effective_cost", "decimal(38,12)"),
    ("savings_plan_total_commitment_to_date", "decimal(38,12)"),
    ("savings_plan_used_commitment", "decimal(38,12)"),
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
    ("CommitmentDiscountStatus", "varchar"),
)

GCP_BILLING: Columns = (
    ("billing_account_id", "varchar"),
    ("service_id", "varchar"),
    ("service_description", "varchar"),
    ("sku_id", "varchar"),
    ("sku_description", "varchar"),
    ("usage_start_at", "timestamp"),
    ("usage_end_at", "timestamp"),
    ("project_id", "varchar"),
    ("project_name", "varchar"),
    ("project_labels", "varchar"),
    ("labels", "varchar"),
    ("system_labels", "varchar"),
    ("tags", "varchar"),
    ("location", "varchar"),
    ("region", "varchar"),
    ("zone", "varchar"),
    ("resource_name", "varchar"),
    ("resource_global_name", "varchar"),
    ("transaction_type", "varchar"),
    ("seller_name", "varchar"),
    ("exported_at", "timestamp"),
    ("cost", "decimal(38,12)"),
    ("cost_at_list", "decimal(38,12)"),
    ("currency", "varchar"),
    ("usage_amount", "decimal(38,12)"),
    ("usage_unit", "varchar"),
    ("usage_amount_in_pricing_units", "decimal(38,12)"),
    ("usage_pricing_unit", "varchar"),
    ("list_price", "decimal(38,12)"),
    ("effective_price", "decimal(38,12)"),
    ("credits_amount", "decimal(38,12)"),
    ("promotions_amount", "decimal(38,12)"),
    ("credits", "varchar"),
    ("invoice_month", "varchar"),
    ("cost_type", "varchar"),
    ("adjustment_type", "varchar"),
    ("adjustment_description", "varchar"),
)
"""One row per line of the billing export. Labels are JSON objects; `credits_amount` is the sum of all
credits, which are negative, and `promotions_amount` of those that are no discount but somebody's gift."""

BILL_DAYS: Columns = (
    ("source", "varchar"),
    ("table_name", "varchar"),
    ("delivery_id", "varchar"),
    ("scope", "varchar"),
    ("delivered_at", "timestamp"),
    ("usage_date", "date"),
    ("currency", "varchar"),
    ("billed_cost", "decimal(38,12)"),
    ("row_count", "bigint"),
)
"""What each file of a bill's delivery says of a day; one row of a file has no day and no cost."""

MLFLOW_VERSIONS: Columns = (
    ("name", "varchar"),
    ("version", "varchar"),
    ("stage", "varchar"),
    ("aliases", "varchar"),
    ("source", "varchar"),
    ("run_id", "varchar"),
    ("status", "varchar"),
    ("model_id", "varchar"),
    ("location", "varchar"),
    ("read_at", "timestamp"),
)
"""`source` is what the registry says, `location` where that is; see `pipelines.domain.claims`."""

MLFLOW_RUNS: Columns = (
    ("run_id", "varchar"),
    ("name", "varchar"),
    ("status", "varchar"),
    ("started_at", "timestamp"),
    ("named_by", "varchar"),
    ("location", "varchar"),
    ("folder", "varchar"),
    ("read_at", "timestamp"),
)
"""One row per run that has not ended and place that it names: a location, or the name of a folder."""

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
    ("fault", "varchar"),
    ("fix", "varchar"),
)
"""The ledger: not read from Parquet but from the `_delivery.json` and `_rejected.json` files beside it."""

CLEAN_UPS: Columns = (
    ("plan_id", "varchar"),
    ("policy", "varchar"),
    ("fingerprint", "varchar"),
    ("snapshot_id", "varchar"),
    ("provider", "varchar"),
    ("bucket", "varchar"),
    ("storage_class", "varchar"),
    ("target_class", "varchar"),
    ("path", "varchar"),
    ("left_behind", "varchar"),
    ("window_days", "bigint"),
    ("object_count", "bigint"),
    ("size_bytes", "bigint"),
    ("undone_object_count", "bigint"),
    ("undone_bytes", "bigint"),
    ("saving_usd_month", "decimal(38,6)"),
    ("tail_usd_month", "decimal(38,6)"),
    ("one_off_usd", "decimal(38,6)"),
    ("began_date", "date"),
    ("ended_date", "date"),
)
"""What clean-ups did: not read from Parquet but from the `clean-ups/*.json` files of the lake."""

RAW_TABLES: Mapping[str, Columns] = {
    "s3_inventory": S3_INVENTORY,
    "s3_inventory_directories": S3_INVENTORY_DIRECTORIES,
    "gcs_inventory": GCS_INVENTORY,
    "gcs_inventory_directories": GCS_INVENTORY_DIRECTORIES,
    "s3_uploads": S3_UPLOADS,
    "checkpoint_states": CHECKPOINT_STATES,
    "aws_cur2": AWS_CUR2,
    "focus": FOCUS,
    "gcp_billing": GCP_BILLING,
    "bill_days": BILL_DAYS,
    "mlflow_versions": MLFLOW_VERSIONS,
    "mlflow_runs": MLFLOW_RUNS,
}
"""The tables that sources land as Parquet."""

ADDED_COLUMNS: Mapping[str, frozenset[str]] = {
    "s3_inventory_directories": frozenset({"small_object_count", "small_object_bytes"}),
    "gcs_inventory_directories": frozenset({"small_object_count", "small_object_bytes"}),
    "gcp_billing": frozenset({"promotions_amount"}),
    "focus": frozenset({"CommitmentDiscountStatus"}),
    "mlflow_versions": frozenset({"model_id", "location"}),
}
"""Columns that files of an older version lack: they read as null, because no provider keeps lists so long."""

LANDED_AT: Columns = (("landed_file", "varchar"), ("landed_row", "bigint"))
"""Where a row stands in the lake. The `raw` views add it: bills have no row id that outlives a delivery."""
