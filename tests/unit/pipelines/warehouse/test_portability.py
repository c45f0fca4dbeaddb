"""SQL that two engines understand alike."""

import pytest

from pipelines.warehouse.portability import unportable


@pytest.mark.parametrize(
    "sql, reason",
    [
        pytest.param("select * from t where a like 'x_%'", "like", id="like"),
        pytest.param("select * from t where a ilike 'x'", "like", id="ilike"),
        pytest.param(
            "select regexp_extract(a, '(.)(.)', ['x', 'y']) from t", "named groups", id="named-groups"
        ),
        pytest.param("select quantile_cont(a, 0.5) from t", "percentile", id="quantile"),
        pytest.param("select * from t asof join u on t.a >= u.a", "asof", id="asof"),
        pytest.param("select len(string_split(a, '/')) from t", "array_length", id="len-of-a-list"),
        pytest.param("select date_diff('day', a_at, b_at) from t", "date_diff", id="borders-of-timestamps"),
        pytest.param("select list(distinct a) from t", "keeps nulls", id="distinct-list"),
        pytest.param("pivot t on a using sum(b)", "", id="pivot"),
    ],
)
def test_what_means_something_else_elsewhere_is_named(sql: str, reason: str) -> None:
    assert any(reason in found for found in unportable(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "select regexp_extract(a, '(.)(.)', 2) from t",
        "select date_diff('day', a_date, b_at::date) from t",
        "select length(a), array_length(string_split(a, '/')) from t",
        "select max_by(a, b) from t qualify row_number() over (partition by a order by b) = 1",
        "select sum(a) filter (where b) from t group by all",
    ],
)
def test_the_common_part_is_allowed(sql: str) -> None:
    assert unportable(sql) == []
