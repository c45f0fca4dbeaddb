"""What two ways of doing the same work are compared by: one hash of all rows, costs to the millionth."""

import duckdb

_COSTS = "usage_date, sub_account_id, meter, operation, region_id, resource_id, team"
_EGRESS = "usage_date, path, resource_id, team"


def same_answer(connection: duckdb.DuckDBPyConnection, costs: str, egress: str) -> object:
    """Return how many rows two tables have in a common grain, and a hash of them."""
    costs_hash = f"hash({_COSTS}, {_micro('quantity')}, {_micro('billed')}, {_micro('effective')})"
    egress_hash = f"hash({_EGRESS}, {_micro('quantity')}, {_micro('effective')})"
    return connection.execute(
        f"""
        with costs as (
            select {_COSTS}, sum(usage_quantity) as quantity, sum(billed_cost) as billed,
                sum(effective_cost) as effective
            from {costs} group by all
        ),
        egress as (
            select {_EGRESS}, sum(transferred_gb) as quantity, sum(effective_cost) as effective
            from {egress} group by all
        )
        select
            (select count(*) from costs),
            (select count(*) from egress),
            md5(
                (select sum({costs_hash}) from costs)::varchar
                || (select sum({egress_hash}) from egress)::varchar
            )
        """
    ).fetchone()


def _micro(column: str) -> str:
    return f"round({column} * 1000000)::bigint"
