"""The peer: daily costs and egress in pandas, as one would write them without thinking of speed."""

import re
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from pipelines.reference import reference_tables

COLUMNS = (
    "line_item_usage_account_id",
    "line_item_line_item_type",
    "line_item_usage_start_date",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_operation",
    "line_item_resource_id",
    "line_item_usage_amount",
    "line_item_unblended_cost",
    "pricing_unit",
    "product_region_code",
    "resource_tags",
)


def pandas_hourly(work: Path) -> object:
    """Read the hourly bill, name each row's path and team, and sum by day."""
    bill = pd.read_parquet(work / "bill-hourly.parquet", columns=list(COLUMNS))
    bill["usage_date"] = bill["line_item_usage_start_date"].dt.date
    for column in ("line_item_usage_amount", "line_item_unblended_cost"):
        bill[column] = bill[column].astype("float64")
    bill["team"] = bill["resource_tags"].str.extract(r'"user_team":"([^"]*)"', expand=False).fillna("")
    bill["path"] = _paths(bill)
    path = work / "costs-pandas.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.register("costs", _costs(bill))
        connection.register("egress", _egress(bill))
        connection.execute("create schema marts")
        connection.execute("create table marts.costs_daily as from costs")
        connection.execute("create table marts.egress_daily as from egress")
    return path


CASES = {"pandas_hourly": pandas_hourly}


def _paths(bill: pd.DataFrame) -> pd.Series:
    rules = next(table for table in reference_tables() if table.name == "transfer_rules")
    conditions, paths = [], []
    for row in rules.rows:
        rule = dict(zip(rules.column_names, row, strict=True))
        if rule["provider"] != "aws":
            continue
        conditions.append(
            _matches(bill["line_item_product_code"], rule["product_pattern"])
            & _matches(bill["line_item_usage_type"], rule["usage_type_pattern"])
            & _matches(bill["line_item_operation"], rule["operation_pattern"])
        )
        paths.append(str(rule["category"]) if rule["is_transfer"] else "")
    return pd.Series(np.select(conditions, paths, default=""), index=bill.index)


def _matches(column: pd.Series, pattern: object) -> pd.Series:
    if not pattern:
        return pd.Series(data=True, index=column.index)
    # Groups would make pandas warn that it does not extract them.
    return column.str.contains(re.sub(r"\((?!\?)", "(?:", str(pattern)), regex=True)


def _costs(bill: pd.DataFrame) -> pd.DataFrame:
    named = bill.rename(
        columns={
            "line_item_usage_account_id": "sub_account_id",
            "line_item_usage_type": "meter",
            "line_item_operation": "operation",
            "product_region_code": "region_id",
            "line_item_resource_id": "resource_id",
        }
    )
    keys = ["usage_date", "sub_account_id", "meter", "operation", "region_id", "resource_id", "team"]
    summed = named.groupby(keys, as_index=False).agg(
        usage_quantity=("line_item_usage_amount", "sum"), billed_cost=("line_item_unblended_cost", "sum")
    )
    return summed.assign(effective_cost=summed["billed_cost"])


def _egress(bill: pd.DataFrame) -> pd.DataFrame:
    moved = bill[bill["path"] != ""].rename(columns={"line_item_resource_id": "resource_id"})
    moved = moved.assign(gb=moved["line_item_usage_amount"].where(moved["pricing_unit"] == "GB", 0.0))
    return moved.groupby(["usage_date", "path", "resource_id", "team"], as_index=False).agg(
        transferred_gb=("gb", "sum"), effective_cost=("line_item_unblended_cost", "sum")
    )


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
