"""One fault per check: what is done to the company's warehouse, so that it alone must fail."""

from dataclasses import dataclass

from pipelines.gates.tables import KEYS, UNREAD


@dataclass(frozen=True)
class Fault:
    """Statements that plant it, where it is seen and what is said of it."""

    statements: str
    says: str
    scope: str = ""
    is_first_night: bool = False
    """Nothing was published before, so that nothing is compared with it."""


def _own(table: str, schema: str = "raw") -> str:
    """Return statements that make a view a table, so that its rows can be changed."""
    return (
        f"create temp table kept as from {schema}.{table}; drop view {schema}.{table};"
        f"create table {schema}.{table} as from kept; drop table kept;"
    )


def _again(table: str, changed: str = "") -> str:
    """Return a statement that puts one row of a mart there twice."""
    return (
        f"insert into marts.{table} select * {f'replace ({changed})' if changed else ''} "
        f"from marts.{table} where rowid = (select min(rowid) from marts.{table});"
    )


def _without(table: str, column: str) -> str:
    """Return a statement that takes one value out of a mart."""
    return f"update marts.{table} set {column} = null where rowid = (select min(rowid) from marts.{table});"


_RESTATED = (
    "insert into marts.bill_restatements by name select 'aws-bill' as source, 'aws_cur2' as table_name, "
    "'2026-10' as scope, 'd2' as delivery_id, 'USD' as currency, 1 as previous_billed_cost, "
    "2 as billed_cost, {} as change, true as was_closed, timestamp '2026-11-05' as delivered_at, "
    "date '2026-10-05' as usage_date;"
)
_SAVED = (
    "insert into marts.savings by name select '2026-10-20-stale' as plan_id, 'stale' as policy, "
    "'aws' as provider, 'acme-training' as bucket, 'USD' as currency, 9 as object_count, 9 as size_bytes, "
    "0 as undone_object_count, 0 as undone_bytes, 30 as days_followed, 10 as predicted_usd_month, "
    "10 as predicted_usd, 'bill' as rate_basis, 10 as counterfactual_usd, 0 as actual_usd, "
    "0 as clean_up_usd, {} as realised_usd, {} as reading, date '2026-10-20' as applied_date;"
)
_EMPTY_BILLS = (
    _own("int_charges_attributed", "intermediate")
    + _own("aws_cur2")
    + _own("focus")
    + _own("bill_days")
    + "delete from raw.aws_cur2; delete from raw.focus;"
    "delete from raw.bill_days where usage_date is not null;"
    "update raw.deliveries set row_count = 0 where table_name in ('aws_cur2', 'focus');"
    "delete from intermediate.int_charges_summed_daily; delete from marts.costs_daily;"
    "delete from marts.prefix_costs; delete from marts.storage_daily; delete from marts.egress_daily;"
    "delete from marts.egress_findings"
)

_ARRIVAL = {
    "deliveries_are_whole": Fault(
        _own("mlflow_versions") + "insert into raw.mlflow_versions from raw.mlflow_versions",
        says="mlflow_versions: 4 of 2 rows",
    ),
    "deliveries_have_bytes": Fault(
        "update raw.deliveries set byte_count = 0 where source = 'gpu-bill' and scope = '2026-11'",
        says="1 (gpu-bill | 2026-11-",
    ),
    "sources_have_landed": Fault(
        "insert into reference.sources values ('gcp-bill', 'gcp-billing', false)",
        scope="gcp-bill",
        says="nothing was delivered; moraine ingest gcp-bill",
    ),
    "deliveries_are_sound": Fault(
        "insert into marts.ingested_deliveries select * replace ('cut' as delivery_id, "
        "'quarantined' as status) from marts.ingested_deliveries where table_name = 'mlflow_versions'",
        scope="registry",
        says="1 (cut)",
    ),
    "inventory_is_fresh": Fault(
        "update raw.deliveries set snapshot_at = '2026-11-10 01:00' "
        "where table_name = 's3_inventory' and scope = 'acme-training'",
        scope="acme-training",
        says="239 h (newest is of 2026-11-10 01:00:00)",
    ),
    "uploads_are_fresh": Fault(
        "update raw.deliveries set delivered_at = '2026-11-10 01:00' "
        "where table_name = 's3_uploads' and scope = 'acme-training'",
        scope="acme-training",
        says="239 h (last asked on 2026-11-10",
    ),
    "registry_is_fresh": Fault(
        "update raw.deliveries set delivered_at = '2026-11-10 01:00' where source = 'registry'",
        scope="registry",
        says="239 h (last answered on 2026-11-10",
    ),
    "inventory_equals_its_rollup": Fault(
        _own("s3_inventory_directories") + "delete from raw.s3_inventory_directories where rowid in ("
        "select max(rowid) from raw.s3_inventory_directories "
        "where bucket = 'acme-training' and snapshot_at = '2026-11-20 01:00')",
        scope="acme-training",
        says="2142 objects",
    ),
}

_DAYS = {
    "bill_is_fresh": Fault(
        "insert into marts.costs_daily select * replace ('gpus' as provider, usage_date - 5 as usage_date, "
        "0 as billed_cost, 0 as effective_cost) from marts.costs_daily where usage_date > '2026-11-01'",
        scope="gpus",
        says="5 days (last day is 2026-11-14)",
    ),
    "bill_sources_are_fresh": Fault(
        # The days of one bill are told by the other: the provider is as fresh as ever.
        _own("bill_days")
        + "update raw.bill_days set source = 'aws-bill', table_name = 'aws_cur2', delivery_id = ("
        "select delivery_id from raw.deliveries where source = 'aws-bill' and scope = '2026-11') "
        "where source = 'gpu-bill' and usage_date > '2026-11-14'",
        scope="gpu-bill",
        says="5 days (last day is 2026-11-14)",
    ),
    "slow_bills_keep_coming": Fault(
        _own("bill_days") + "insert into raw.deliveries by name select 'colo' as source, 'focus' as kind, "
        "'focus' as table_name, 'c1' as delivery_id, '2026-09' as scope, "
        "timestamp '2026-10-09' as delivered_at, 0 as row_count;"
        "insert into raw.bill_days by name select 'colo' as source, 'focus' as table_name, "
        "'c1' as delivery_id, date '2026-09-30' as usage_date, 0 as billed_cost, 0 as row_count",
        scope="colo",
        says="50 days (last day is 2026-09-30)",
    ),
    "bill_has_every_day": Fault(
        "delete from marts.storage_daily where usage_date = '2026-11-05'",
        scope="aws",
        says="1 days (the first is 2026-11-05)",
    ),
    "costs_are_like_the_weekday": Fault(
        _own("int_charges_attributed", "intermediate")
        + "update intermediate.int_charges_summed_daily set effective_cost = 5 * effective_cost "
        "where usage_date = '2026-11-18' and charge_id in "
        "(select charge_id from intermediate.int_charges_named where service_code = 'AmazonEC2');"
        "update marts.costs_daily set effective_cost = 5 * effective_cost "
        "where usage_date = '2026-11-18' and service_code = 'AmazonEC2'",
        scope="aws",
        says=" times (",
    ),
    "rows_are_like_the_weekday": Fault(
        "insert into marts.costs_daily select * replace ('m' || n as meter, 0 as billed_cost, "
        "0 as effective_cost) from (from marts.costs_daily where usage_date = '2026-11-18' limit 1) "
        "cross join range(60) as numbers(n)".replace("select * replace", "select * exclude (n) replace"),
        scope="aws",
        says="3 times (90.00, usually 30.00)",
    ),
}

_MONEY = {
    "costs_equal_the_bill": Fault(
        "delete from marts.costs_daily where rowid = (select min(rowid) from marts.costs_daily "
        "where usage_date = '2026-11-05' and layer = 'compute')",
        says="USD (on 2026-11-05)",
    ),
    "bill_equals_its_rollup": Fault(
        _own("bill_days") + "update raw.bill_days set billed_cost = billed_cost + 1 "
        "where source = 'gpu-bill' and usage_date = '2026-11-05'",
        says="1 (2026-11-05 | 1.0",
    ),
    "costs_daily_is_not_empty": Fault(_EMPTY_BILLS, says="0"),
    "cost_changes_close": Fault(
        "update marts.cost_changes set amount = amount + 0.000000000001 where rowid = (select min(rowid) "
        "from marts.cost_changes where usage_date = '2026-11-19' and comparison = 'same_weekday')",
        says="0.000000000001 USD (2026-11-19 same_weekday)",
    ),
    "costs_have_one_currency": Fault(
        "update marts.costs_daily set currency = 'EUR' where layer = 'compute'", says="2 (EUR, USD)"
    ),
    "bytes_have_prices": Fault(
        "delete from intermediate.int_storage_rates_chosen "
        "where bucket = 'acme-datasets' and storage_class = 'STANDARD'",
        says="(acme-datasets STANDARD)",
    ),
    "transfers_are_classified": Fault(
        "update marts.egress_daily set path = 'unclassified_transfer' where path = 'inter_region_out'",
        says="%",
    ),
    "egress_findings_within_the_bill": Fault(
        "update marts.egress_findings set gross_usd = gross_usd + 100000 where kind = 'cross_region_reads'",
        says="1 (aws | (all))",
    ),
    "meters_are_named": Fault(
        "update marts.costs_daily set meter = 'HB5V2X8TXQUTDZBV' where service_code = 'AmazonEC2'", says="%"
    ),
    "egress_is_in_dollars": Fault(
        "update marts.egress_daily set currency = 'EUR' where path = 'nat_processing'", says="1 (aws | EUR)"
    ),
    "showback_adds_up": Fault(
        "update marts.showback_monthly set billed_cost = billed_cost + 0.000000000001 "
        "where team = '' and usage_month = '2026-11-01'",
        says="0.000000000001 (in 2026-11 USD)",
    ),
    "costs_have_owners": Fault(
        "update marts.showback_monthly set unallocated_effective_cost = effective_cost, "
        "direct_effective_cost = 0, shared_effective_cost = 0",
        says="100%",
    ),
}

_PREFIXES = {
    "prefix_costs_close": Fault(
        "update marts.prefix_costs set effective_cost = effective_cost + 0.000000000001 "
        "where bucket = 'acme-training' and usage_date = '2026-11-05' and is_residual "
        "and meter_group = 'storage'",
        scope="acme-training",
        says="0.000000000001 USD (on 2026-11-05)",
    ),
    "residual_is_small": Fault(
        "update marts.prefix_costs set effective_cost = effective_cost + 1 where bucket = 'acme-training' "
        "and is_residual and meter_group = 'storage' and usage_date > '2026-11-12';"
        "update marts.prefix_costs set effective_cost = effective_cost - 1 where rowid in ("
        "select min(rowid) from marts.prefix_costs where bucket = 'acme-training' and not is_residual "
        "and meter_group = 'storage' and usage_date > '2026-11-12' group by usage_date)",
        scope="acme-training",
        says="($7.53 of $109.63 in 7 days)",
    ),
    "inventory_matches_the_bill": Fault(
        "update marts.prefix_costs set byte_seconds = byte_seconds + 5e17 where bucket = 'acme-datasets' "
        "and is_residual and basis = 'bytes' and storage_class = 'STANDARD_IA'",
        scope="acme-datasets",
        says="(STANDARD_IA: 13411.0 GiB listed, 18800.6 GiB billed)",
    ),
    "run_costs_close": Fault(
        "update marts.run_costs set effective_cost = effective_cost + 0.000000000001 "
        "where rowid = (select min(rowid) from marts.run_costs where bucket = 'acme-training')",
        scope="acme-training",
        says="(storage ",
    ),
    "prefix_costs_name_billed_buckets": Fault(
        "insert into marts.prefix_costs select * replace ('ghost' as bucket, 0 as effective_cost) "
        "from (from marts.prefix_costs where meter_group = 'storage' and usage_date = '2026-11-05' limit 1)",
        says="1 (ghost | prefix_costs has it, storage_daily has not)",
    ),
}

_CHECKPOINTS = {
    "checkpoints_are_found": Fault(
        "delete from marts.checkpoints; delete from marts.checkpoint_objects;"
        "delete from marts.checkpoint_waste",
        says="0",
        is_first_night=True,
    ),
    "checkpoints_equal_their_objects": Fault(
        "update marts.checkpoints set size_bytes = size_bytes + 1 "
        "where checkpoint_id = (select max(checkpoint_id) from marts.checkpoints)",
        says="1 (s3://acme-training/runs/",
    ),
    "objects_belong_to_checkpoints": Fault(
        "insert into marts.checkpoint_objects select * replace ('s3://ghost' as checkpoint_id, "
        "'ghost' as object_key) from (from marts.checkpoint_objects limit 1)",
        says="1 (s3://ghost)",
    ),
    "waste_names_runs_of_checkpoints": Fault(
        "delete from marts.checkpoint_waste where run = (select min(run) from marts.checkpoint_waste)",
        says="checkpoints has it, checkpoint_waste has not",
    ),
    "state_files_are_fresh": Fault(
        "update raw.deliveries set snapshot_at = '2026-11-10 01:00' "
        "where table_name = 'checkpoint_states' and scope = 'acme-training'",
        scope="acme-training",
        says="240 h (read for the list of 2026-11-10 01:00:00)",
    ),
    "checkpoint_counts_are_steady": Fault(
        "delete from marts.checkpoints where checkpoint_id not in ("
        "select checkpoint_id from marts.checkpoints qualify "
        "row_number() over (partition by bucket, run, framework order by checkpoint_id) <= 3);"
        "delete from marts.checkpoint_objects "
        "where checkpoint_id not in (select checkpoint_id from marts.checkpoints)",
        scope="acme-training",
        says="(153 before, 25 now)",
    ),
}

_AGAIN = {
    "costs_daily": _again("costs_daily", "0 as billed_cost, 0 as effective_cost"),
    "prefix_costs": _again("prefix_costs", "0 as effective_cost, 0 as byte_seconds"),
    "run_costs": _again("run_costs", "0 as effective_cost"),
    "egress_daily": _again("egress_daily", "0 as effective_cost"),
    "showback_monthly": _again("showback_monthly", "0 as billed_cost, 0 as effective_cost"),
    "egress_findings": _again("egress_findings", "0.000001 as gross_usd"),
    "cost_changes": _again("cost_changes", "0 as amount"),
    "bill_restatements": 2 * _RESTATED.format(1),
    "savings": 2 * _SAVED.format(10, "'the bill fell with it'"),
    "checkpoint_objects": _again("checkpoint_objects")
    + "update marts.checkpoints set object_count = listed.n, size_bytes = listed.b from ("
    "select checkpoint_id, count(*) as n, sum(size_bytes) as b from marts.checkpoint_objects group by all"
    ") as listed "
    "where checkpoints.checkpoint_id = listed.checkpoint_id",
}
_EMPTIED = {
    "showback_monthly": "shared_effective_cost",
    "costs_daily": "list_cost",
    "prefix_costs": "object_count",
    "run_costs": "usage_date",
    "storage_daily": "gb_month",
    "egress_daily": "effective_cost",
    "egress_findings": "how_to_fix",
    "tier_findings": "verdict",
    "checkpoints": "team",
    "checkpoint_objects": "role",
    "checkpoint_waste": "reason",
    "checkpoint_witnesses": "outcome",
    "uploads": "part_count",
    "object_versions": "folder",
    "bucket_listings": "listed_at",
    "claims": "is_anywhere",
    "datasets": "prefix",
    "hidden_bytes": "how_to_fix",
    "cost_changes": "usage_quantity",
    "cost_anomalies": "judged_by",
    "ingested_deliveries": "checksum",
}

_TABLES = {
    **{
        f"{table}_keys_are_unique": Fault(_AGAIN.get(table, _again(table)), says="1 (")
        for table in KEYS
        if table not in UNREAD
    },
    **{
        f"{table}_has_its_values": Fault(_without(table, column), says=f"1 ({column})")
        for table, column in _EMPTIED.items()
    },
    "bill_restatements_has_its_values": Fault(_RESTATED.format("null"), says="1 (change)"),
    "savings_has_its_values": Fault(_SAVED.format(10, "null"), says="1 (reading)"),
    "savings_come_true": Fault(
        _SAVED.format("4.99", "'nothing was saved: versions stay billed'"),
        says="1 (2026-10-20-stale | acme-training)",
    ),
    "ingested_deliveries_is_not_empty": Fault("delete from marts.ingested_deliveries", says="0"),
    "columns_are_stable": Fault(
        "alter table marts.hidden_bytes drop column cost_usd_month",
        says="1 (marts.hidden_bytes | cost_usd_month)",
    ),
}

FAULTS = {**_ARRIVAL, **_DAYS, **_MONEY, **_PREFIXES, **_CHECKPOINTS, **_TABLES}
"""By the id of the check that must see it."""
