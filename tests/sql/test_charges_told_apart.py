"""Charges are summed by a hash of their texts: texts that share one are told apart all the same."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipelines.domain.configuration import Engine
from pipelines.domain.teams import Teams
from pipelines.warehouse.build import build_warehouse
from pipelines.warehouse.inputs import Inputs
from pipelines.warehouse.models import Model
from tests.sql.conftest import landed, needed_for

HASH = re.compile(r"\bhash\(([^()]*)\)")
TEXTS = (
    "line_item_resource_id",
    "line_item_line_item_type",
    "line_item_operation",
    "product_region_code",
    "resource_tags",
)
LINES = [
    {
        "line_item_usage_type": "BoxUsage",
        "line_item_usage_start_date": datetime(2026, 2, day, hour),
        "line_item_unblended_cost": 100 * number + day,
        "line_item_usage_amount": 1,
        **dict.fromkeys(texts, "Tax"),
    }
    for number, texts in enumerate([(), *((text,) for text in TEXTS), TEXTS])
    for day in (1, 2)
    for hour in (3, 4)
]
"""Two hours of two days of charges that differ in which texts they have."""
CHARGES = [
    {
        "ProviderName": provider,
        "ServiceName": service,
        "SkuMeter": "m",
        "BilledCost": cost,
        "ChargePeriodStart": datetime(2026, 2, 1),
    }
    for cost, (provider, service) in enumerate(
        [("Neo", None), (None, "Neo"), ("AWS", None), ("AWS", None)], start=1
    )
]


def test_charges_whose_texts_all_have_one_hash_keep_their_own_sums(tmp_path: Path) -> None:
    models = needed_for(("marts.costs_daily",))
    expected = costs(tmp_path, models)
    assert len(expected) == 17
    one_hash = [replace(model, sql=HASH.sub("(0 * strlen(concat(\\1)))", model.sql)) for model in models]
    assert sum(was.sql != now.sql for was, now in zip(models, one_hash, strict=True)) == 2
    assert costs(tmp_path, one_hash) == expected
    some_hashes = [replace(model, sql=HASH.sub("(strlen(concat(\\1)) % 7)", model.sql)) for model in models]
    assert costs(tmp_path, some_hashes) == expected


def costs(tmp_path: Path, models: Sequence[Model]) -> list[tuple[object, ...]]:
    path = tmp_path / "warehouse.duckdb"
    bill, export = landed(tmp_path, "aws_cur2", LINES), landed(tmp_path, "focus", CHARGES)
    inputs = Inputs({"aws_cur2": (bill,), "focus": (export,)}, teams=Teams())
    engine = Engine(memory_limit="1GB", temp_directory=str(tmp_path / "spill"))
    build_warehouse(path, inputs=inputs, as_of=date(2026, 2, 5), engine=engine, models=models)
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "select * exclude (charge_id) from intermediate.int_charges_attributed order by all"
        ).fetchall()
