"""Whatever is billed and whoever owns it: what teams are shown is the bill, to the last digit."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date
from decimal import Decimal

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.domain.quoting import quote_table
from pipelines.domain.raw_tables import Columns
from pipelines.domain.teams import SharedCost, SharedMatch, Teams
from pipelines.warehouse.inputs import fill_table
from pipelines.warehouse.models import Model, shipped_models
from pipelines.warehouse.owners import OWNER_TABLES, owner_rows

GIVEN = (
    "intermediate.int_charges_attributed",
    "intermediate.int_prefix_costs_spread",
    "intermediate.int_prefixes_owned",
)
MADE = (
    "intermediate.int_costs_owned_monthly",
    "intermediate.int_bucket_shares_weighed",
    "intermediate.int_costs_divided_by_prefix",
    "intermediate.int_shared_costs_divided",
    "marts.showback_monthly",
)
MODELS: Mapping[str, Model] = {model.table: model for model in shipped_models()}
TEAMS = ("nlp", "ops", "vision")
BUCKETS = ("", "b", "c")

DIVIDED = """
with pots as (
    select usage_month, currency, shared_rule, sum(effective_cost)::decimal(38, 12) as pot
    from intermediate.int_costs_divided_by_prefix group by all
),
parts as (
    select usage_month, currency, shared_rule, sum(effective_cost)::decimal(38, 12) as shared,
        list(effective_cost) as parts, min(effective_cost) as least, max(effective_cost) as most
    from intermediate.int_shared_costs_divided group by all
),
rules as (select distinct position as shared_rule, split from reference.shared_costs)
select pots.pot, parts.shared, parts.parts, parts.least, parts.most, rules.split
from parts
inner join pots using (usage_month, currency, shared_rule)
inner join rules using (shared_rule)
"""
"""Each pot of shared costs, and the parts that it was cut into."""

money = st.one_of(
    st.sampled_from(
        [Decimal(0), Decimal("0.000000000001"), Decimal("-0.01"), Decimal("99999999.999999999999")]
    ),
    st.decimals(min_value=-1000, max_value=1_000_000, places=12),
)
owners = st.one_of(
    st.tuples(st.sampled_from(TEAMS), st.sampled_from(["tag", "prefix", "account"])),
    st.just(("", "none")),
)
charges = st.lists(
    st.builds(
        lambda owner, costs, where: {
            "provider": "aws",
            "team": owner[0],
            "allocation_method": owner[1],
            "billed_cost": costs[0],
            "effective_cost": costs[1],
            **where,
        },
        owners,
        st.tuples(money, money),
        st.fixed_dictionaries(
            {
                "bucket": st.sampled_from(BUCKETS),
                "currency": st.sampled_from(["USD", "EUR"]),
                "service_code": st.sampled_from(["AmazonS3", "AmazonEKS"]),
                "service_name": st.just(""),
                "billing_account_id": st.just("p"),
                "sub_account_id": st.sampled_from(["u", "hub"]),
                "charge_category": st.sampled_from(["Usage", "Tax"]),
                "tags": st.sampled_from(["", "{broken", '{"Scope": "Shared"}', '{"scope": "own"}']),
                "usage_date": st.sampled_from([date(2026, 1, 5), date(2026, 1, 31), date(2026, 2, 1)]),
            }
        ),
    ),
    max_size=12,
)
prefixes = st.lists(
    st.fixed_dictionaries(
        {
            "provider": st.just("aws"),
            "bucket": st.sampled_from(BUCKETS[1:]),
            "currency": st.just("USD"),
            "prefix": st.sampled_from(["a/", "b/", "tmp/"]),
            "effective_cost": money,
            "usage_date": st.sampled_from([date(2026, 1, 5), date(2026, 2, 1)]),
        }
    ),
    max_size=6,
)
matches = st.sampled_from(
    [
        SharedMatch(service="AmazonEKS"),
        SharedMatch(account="hub"),
        SharedMatch(category="Tax", account="p"),
        SharedMatch(tag="scope=shared"),
    ]
)
some_teams = st.lists(st.sampled_from([*TEAMS, "idle"]), unique=True, max_size=3).map(tuple)
weights = st.dictionaries(st.sampled_from(TEAMS), st.integers(1, 1000).map(Decimal), min_size=1)
rules = st.lists(
    st.one_of(
        st.builds(
            SharedCost, match=matches, split=st.sampled_from(["even", "proportional"]), teams=some_teams
        ),
        st.builds(SharedCost, match=matches, split=st.just("fixed"), weights=weights),
    ),
    max_size=3,
)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(charges=charges, prefixes=prefixes, rules=rules)
def test_what_teams_are_shown_adds_up_to_the_bill(
    charges: list[dict[str, object]], prefixes: list[dict[str, object]], rules: list[SharedCost]
) -> None:
    owned = [
        {"bucket": bucket, "prefix": prefix, "team": team}
        for bucket in BUCKETS[1:]
        for prefix, team in (("a/", "nlp"), ("b/", "vision"))
    ]
    with closing(duckdb.connect()) as connection:
        build(
            connection, dict(zip(GIVEN, (charges, prefixes, owned), strict=True)), Teams(shared=tuple(rules))
        )
        bill, shown = totals(connection)
        nobody = connection.execute(
            "select count(distinct (usage_month, currency)) from marts.showback_monthly where team = ''"
        ).fetchall()[0][0]
        parts = connection.execute(
            "select count(*) from marts.showback_monthly where "
            "direct_billed_cost + shared_billed_cost + unallocated_billed_cost <> billed_cost or "
            "tag_effective_cost + prefix_effective_cost + account_effective_cost <> direct_effective_cost"
        ).fetchall()
        divided = connection.execute(DIVIDED).fetchall()
    assert shown == bill
    for pot, shared, parts_of_it, least, most, split in divided:
        assert shared == pot
        if split == "even":
            assert most - least <= abs(pot) * Decimal("1e-12") + Decimal("1e-9")
        if pot > 0:
            assert least >= 0, parts_of_it
    assert nobody == len(bill)
    assert parts == [(0,)]


def build(
    connection: duckdb.DuckDBPyConnection,
    given: Mapping[str, Sequence[Mapping[str, object]]],
    teams: Teams,
) -> None:
    for schema in ("intermediate", "marts", "reference"):
        connection.execute(f"create schema {schema}")
    for name, owned in owner_rows(teams).items():
        fill_table(connection, f"reference.{name}", OWNER_TABLES[name], owned)
    for table, rows in given.items():
        columns = columns_of(table)
        fill_table(connection, table, columns, ([row.get(name) for name, _ in columns] for row in rows))
    for table in MADE:
        connection.execute(f"create table {quote_table(table)} as {MODELS[table].sql}")


def columns_of(table: str) -> Columns:
    return tuple((name, column.type) for name, column in MODELS[table].description.columns.items())


def totals(connection: duckdb.DuckDBPyConnection) -> Iterable[list[tuple[object, ...]]]:
    summed = "sum(billed_cost)::decimal(38,12), sum(effective_cost)::decimal(38,12)"
    bill = (
        f"select date_trunc('month', usage_date)::date as usage_month, currency, {summed} "
        "from intermediate.int_charges_attributed group by all order by usage_month, currency"
    )
    shown = (
        f"select usage_month, currency, {summed} from marts.showback_monthly "
        "group by all order by usage_month, currency"
    )
    return [connection.execute(query).fetchall() for query in (bill, shown)]
