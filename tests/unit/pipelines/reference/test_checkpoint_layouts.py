from collections.abc import Mapping

import pytest

from pipelines.reference.checkpoint_layouts import layout_tables

TABLES = {table.name: table for table in layout_tables()}


def rows(table: str) -> list[Mapping[str, object]]:
    return [dict(zip(TABLES[table].column_names, row, strict=True)) for row in TABLES[table].rows]


@pytest.mark.parametrize("name", TABLES)
def test_every_row_fills_every_column(name: str) -> None:
    assert {len(row) for row in TABLES[name].rows} == {len(TABLES[name].columns)}


@pytest.mark.parametrize(
    "name, key",
    [
        ("layouts", ("layout_id",)),
        ("layout_names", ("layout_id", "name_rule")),
        ("layout_files", ("layout_id", "file_rule")),
        ("layout_files", ("layout_id", "rule_order")),
        ("layout_anchors", ("layout_id", "file_rule", "levels_up")),
        ("layout_requirements", ("layout_id", "requirement", "file_rule")),
        ("metric_words", ("word",)),
    ],
)
def test_keys_are_unique(name: str, key: tuple[str, ...]) -> None:
    keys = [tuple(row[column] for column in key) for row in rows(name)]
    assert len(keys) == len(set(keys))


def test_the_rules_of_a_layout_have_a_bit_each() -> None:
    # The models keep which rules a checkpoint has files of as one signed number of 64 bits.
    places = [row["rule_order"] for row in rows("layout_files")]
    assert all(isinstance(place, int) and 0 <= place < 63 for place in places)


def test_both_forms_of_a_nested_layout_are_there() -> None:
    shapes = {row["shape"] for row in rows("layout_files") if row["layout_id"] == "hf_trainer"}
    assert {"model-#-of-#.safetensors", "mp_rank_#_model_states.pt"} <= shapes


def test_a_name_rule_says_where_its_numbers_stand() -> None:
    rule = next(row for row in rows("layout_names") if row["shape"] == "epoch=#-step=#.ckpt")
    assert (rule["step_after"], rule["epoch_after"], rule["is_exact"]) == ("-step=", "epoch=", True)


def test_google_cloud_requires_the_commit_and_others_only_beside_siblings_that_have_it() -> None:
    commit = [row for row in rows("layout_requirements") if row["what"] == "commit_success.txt"]
    assert [(row["provider"], row["is_where_siblings_have_it"]) for row in commit] == [
        ("gcp", False),
        (None, True),
    ]
