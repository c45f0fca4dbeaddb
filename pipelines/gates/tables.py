"""Do the published tables keep their form? Keys, values that are never missing, and columns."""

from collections.abc import Mapping, Sequence

from pipelines.domain.configuration import Gates
from pipelines.gates.check import SOME, ZERO, Check, Need, count_of

KEYS: Mapping[str, tuple[str, ...]] = {
    "costs_daily": (
        "usage_date",
        "provider",
        "billing_account_id",
        "sub_account_id",
        "service_code",
        "service_name",
        "meter",
        "operation",
        "charge_category",
        "charge_class",
        "layer",
        "region_id",
        "resource_id",
        "team",
        "allocation_method",
        "usage_unit",
        "currency",
    ),
    "prefix_costs": (
        "usage_date",
        "provider",
        "bucket",
        "prefix",
        "storage_class",
        "meter_group",
        "basis",
        "currency",
        "team",
    ),
    "run_costs": (
        "provider",
        "bucket",
        "run",
        "checkpoint_id",
        "storage_class",
        "meter_group",
        "currency",
        "is_residual",
    ),
    "storage_daily": ("usage_date", "provider", "bucket", "storage_class", "meter", "currency"),
    "egress_daily": (
        "usage_date",
        "provider",
        "path",
        "from_region",
        "to_region",
        "resource_id",
        "team",
        "currency",
    ),
    "egress_findings": ("finding_id",),
    "tier_findings": ("provider", "bucket", "prefix", "storage_class", "proposed_class"),
    "bill_restatements": ("source", "table_name", "delivery_id", "usage_date", "currency"),
    "showback_monthly": ("usage_month", "team", "currency"),
    "checkpoints": ("checkpoint_id",),
    "checkpoint_objects": ("provider", "bucket", "object_key"),
    "checkpoint_waste": ("bucket", "run", "framework", "reason_kind"),
    "checkpoint_witnesses": (
        "provider",
        "bucket",
        "save_directory",
        "framework",
        "witness_kind",
        "witness",
        "says",
        "checkpoint_id",
    ),
    "hidden_bytes": ("provider", "bucket", "kind"),
    "cost_changes": (
        "usage_date",
        "comparison",
        "provider",
        "service_name",
        "meter",
        "team",
        "bucket",
        "usage_unit",
        "currency",
        "effect",
    ),
    "cost_anomalies": ("usage_date", "scope", "scope_name", "currency"),
    "savings": ("plan_id", "provider", "bucket"),
    "uploads": ("provider", "bucket", "object_key", "upload_id"),
    "object_versions": ("provider", "bucket", "object_key", "version_id"),
    "bucket_listings": ("provider", "bucket"),
    "claims": ("claim_kind", "claim_label", "place", "folder"),
    "datasets": ("dataset_uri",),
    "dataset_objects": ("provider", "bucket", "object_key"),
    "ingested_deliveries": ("source", "table_name", "delivery_id"),
}
"""What each row of a table is called by."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "costs_daily": ("usage_quantity", "billed_cost", "effective_cost", "list_cost", "contracted_cost"),
    "showback_monthly": ("billed_cost", "direct_effective_cost", "shared_effective_cost", "effective_cost"),
    "prefix_costs": ("object_count", "size_bytes", "effective_cost", "is_residual"),
    "run_costs": ("usage_date", "effective_cost"),
    "storage_daily": ("gb_month", "effective_cost"),
    "egress_daily": ("transferred_gb", "effective_cost"),
    "egress_findings": (
        "kind",
        "path",
        "gross_usd",
        "gross_usd_month",
        "avoidable_usd_month",
        "confidence",
        "counterfactual",
        "how_to_fix",
    ),
    "tier_findings": ("size_bytes", "object_count", "is_best", "verdict", "reason"),
    "bill_restatements": (
        "scope",
        "previous_billed_cost",
        "billed_cost",
        "change",
        "was_closed",
        "delivered_at",
    ),
    "checkpoints": (
        "checkpoint_uri",
        "provider",
        "bucket",
        "run",
        "framework",
        "state",
        "kind",
        "best_from",
        "is_latest",
        "is_protected",
        "protected_because",
        "object_count",
        "size_bytes",
        "weights_bytes",
        "optimizer_bytes",
        "first_modified_at",
        "last_modified_at",
        "team",
    ),
    "checkpoint_objects": (
        "checkpoint_id",
        "framework",
        "run",
        "role",
        "size_bytes",
        "is_latest_version",
        "last_modified_at",
    ),
    "checkpoint_witnesses": ("outcome", "remark", "is_heard"),
    "checkpoint_waste": ("checkpoint_count", "complete_count", "size_bytes", "stale_bytes", "reason", "team"),
    "hidden_bytes": ("object_count", "size_bytes", "rate_basis", "how_to_fix"),
    "cost_changes": ("compared_date", "key", "amount", "compared_quantity", "usage_quantity"),
    "cost_anomalies": ("judged_by", "days_compared", "cost", "expected_cost", "impact"),
    "savings": (
        "policy",
        "currency",
        "object_count",
        "size_bytes",
        "days_followed",
        "predicted_usd",
        "rate_basis",
        "clean_up_usd",
        "reading",
        "applied_date",
    ),
    "uploads": ("part_count", "size_bytes", "listed_at"),
    "object_versions": (
        "folder",
        "size_bytes",
        "newer_noncurrent",
        "is_delete_marker",
        "is_only_version",
        "is_held",
    ),
    "bucket_listings": ("lists_versions", "listed_at"),
    "claims": ("is_in_bucket", "is_anywhere"),
    "datasets": ("prefix", "store_sign", "object_count", "size_bytes", "listed_at", "is_quiet"),
    "dataset_objects": ("dataset_uri",),
    "ingested_deliveries": ("delivered_at", "row_count", "byte_count", "checksum", "status", "reason"),
}
"""Columns besides the key that always have a value. Left out are those that may not be known: a step that no
name tells, the class of an inventory that does not list it, a cost without a rate."""

UNREAD = frozenset({"dataset_objects"})
"""As long as a bucket, and joined by nobody before it is published: a plan compares what it takes of it with
`datasets`, and keeps what does not add up."""

_NEEDS: Mapping[str, Need] = {
    "costs_daily": "bill",
    "prefix_costs": "bill",
    "run_costs": "bill",
    "storage_daily": "bill",
    "egress_daily": "bill",
    "egress_findings": "bill",
    "bill_restatements": "bill",
    "cost_changes": "bill",
    "cost_anomalies": "bill",
    "checkpoints": "inventory",
    "checkpoint_objects": "inventory",
    "checkpoint_waste": "inventory",
    "checkpoint_witnesses": "inventory",
    "hidden_bytes": "inventory",
    "object_versions": "inventory",
    "bucket_listings": "inventory",
    "datasets": "inventory",
    "dataset_objects": "inventory",
    "tier_findings": "inventory",
}

_COLUMNS_LOST = """
with
then_columns as (
    select table_name, column_name, data_type
    from duckdb_columns()
    where database_name = 'previous' and schema_name = 'marts'
),
now_columns as (
    select table_name, column_name, data_type
    from duckdb_columns()
    where database_name = current_database() and schema_name = 'marts'
)
select
    '' as scope,
    'marts.' || then_columns.table_name as table_name,
    then_columns.column_name,
    then_columns.data_type as was,
    coalesce(now_columns.data_type, 'not there') as is_now
from then_columns
left outer join now_columns
    on
        then_columns.table_name = now_columns.table_name
        and then_columns.column_name = now_columns.column_name
where
    then_columns.data_type is distinct from now_columns.data_type
    -- This very check is still to write it.
    and then_columns.table_name <> 'quality_results'
order by all
"""


def tables(limits: Gates) -> Sequence[Check]:
    """Return the checks that every published table has."""
    return (
        *(_unique(table) for table in KEYS if table not in UNREAD),
        *(_never_null(table) for table in KEYS if table not in UNREAD),
        Check(
            "ingested_deliveries_is_not_empty",
            "marts.ingested_deliveries",
            "block",
            "select '' as scope, count(*) as measured, null as example from marts.ingested_deliveries",
            SOME,
            "at least 1 row",
            "Facts come from deliveries; without one there are none.",
            "select '' as scope, source, kind from reference.sources order by all",
        ),
        Check(
            "columns_are_stable",
            "marts",
            "warn" if limits.allow_schema_change else "block",
            count_of(_COLUMNS_LOST, ("table_name", "column_name")),
            ZERO,
            "0 columns of the last snapshot lost or of another type",
            "People's queries name columns: one that goes breaks them, one that changes its type may change "
            "their sums. New ones are fine. Where it is meant, tell the readers, then set "
            "gates.allow_schema_change for a night.",
            _COLUMNS_LOST,
            needs="previous",
        ),
    )


def _unique(table: str) -> Check:
    key = ", ".join(KEYS[table])
    repeated = (
        f"select '' as scope, {key}, count(*) as times from marts.{table} "
        f"group by all having count(*) > 1 order by times desc, {key}"
    )
    return Check(
        f"{table}_keys_are_unique",
        f"marts.{table}",
        "block",
        count_of(repeated, KEYS[table]),
        ZERO,
        "0 repeated keys",
        "A row that stands twice counts its dollars twice.",
        repeated,
        _NEEDS.get(table),
    )


def _never_null(table: str) -> Check:
    promised = (*KEYS[table], *REQUIRED[table])
    # Of a column whose statistics know of no null, DuckDB counts the values without reading them.
    counts = ", ".join(f"count(*) - count({column}) as {column}" for column in promised)
    named = ", ".join(f"case when {column} > 0 then '{column}' end" for column in promised)
    is_null = " or ".join(f"{column} is null" for column in promised)
    shown = ", ".join(f"case when {column} is null then '{column}' end" for column in promised)
    return Check(
        f"{table}_has_its_values",
        f"marts.{table}",
        "block",
        f"select '' as scope, {' + '.join(promised)} as measured, concat_ws(', ', {named}) as example "
        f"from (select {counts} from marts.{table})",
        ZERO,
        "0 values missing",
        "A key or amount that is missing leaves its row out of joins and sums, without a word.",
        f"select '' as scope, concat_ws(', ', {shown}) as missing, {', '.join(KEYS[table])} "
        f"from marts.{table} where {is_null} order by all",
        _NEEDS.get(table),
    )
