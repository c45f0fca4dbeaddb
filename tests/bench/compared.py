"""What two ways of doing the same work are compared by: one hash of all rows, costs to the millionth.

Asked by a process of its own: to compare is no part of the work that is measured.
"""

import sys
from pathlib import Path

import duckdb

_COSTS = "usage_date, sub_account_id, meter, operation, region_id, resource_id, team"
_SAVES = (
    "run, framework, step, is_complete, is_latest, object_count, size_bytes, weights_bytes, optimizer_bytes, "
    "epoch_ms(first_modified_at), epoch_ms(last_modified_at)"
)
_EGRESS = "usage_date, path, resource_id, team"


def same_answer(path: Path) -> object:
    """Return how many rows `costs_daily` and `egress_daily` in a file have in a common grain, and a hash."""
    costs_hash = f"hash({_COSTS}, {_micro('quantity')}, {_micro('billed')}, {_micro('effective')})"
    egress_hash = f"hash({_EGRESS}, {_micro('quantity')}, {_micro('effective')})"
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            f"""
            with costs as (
                select {_COSTS}, sum(usage_quantity) as quantity, sum(billed_cost) as billed,
                    sum(effective_cost) as effective
                from marts.costs_daily group by all
            ),
            egress as (
                select {_EGRESS}, sum(transferred_gb) as quantity, sum(effective_cost) as effective
                from marts.egress_daily group by all
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


def same_checkpoints(connection: duckdb.DuckDBPyConnection, checkpoints: str) -> object:
    """Return how many checkpoints a table has, how many are complete and the latest, and a hash of them."""
    # Nobody tells how wide an integer is in another library's table.
    wide = ", ".join(f"({column.strip()})::varchar" for column in _SAVES.split(","))
    return connection.execute(
        f"select count(*), count(*) filter (where is_complete), count(*) filter (where is_latest), "
        f"md5(sum(hash({wide}, {_micro('cost_usd_month')}))::varchar) from {checkpoints}"
    ).fetchone()


def _micro(column: str) -> str:
    return f"round({column} * 1000000)::bigint"


if __name__ == "__main__":
    sys.stdout.write(f"{same_answer(Path(sys.argv[1]))}\n")
