"""Fresh listings show a whole checkpoint, and nothing of its neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lifecycle import steps
from lifecycle.apply.survey import listing_prefix
from pipelines.demo.objects import declare

if TYPE_CHECKING:
    from tests.unit.lifecycle.conftest import Lab, Save


@pytest.mark.parametrize(
    "uri, keys, prefix",
    [
        (
            "s3://b/runs/a/checkpoint-1",
            ["runs/a/checkpoint-1/x", "runs/a/checkpoint-1/y/z"],
            "runs/a/checkpoint-1/",
        ),
        ("s3://b/runs/a/checkpoint-1/", ["runs/a/checkpoint-1/x"], "runs/a/checkpoint-1/"),
        ("s3://b/runs/a/last.ckpt", ["runs/a/last.ckpt"], "runs/a/last.ckpt"),
        (
            "s3://b/runs/a/ckpt-5",
            ["runs/a/ckpt-5.data-00000-of-00001", "runs/a/ckpt-5.index"],
            "runs/a/ckpt-5.",
        ),
        ("s3://b/runs/a#root", ["runs/a/config.json", "runs/a/model.bin"], "runs/a/"),
        ("s3://b/runs/a/checkpoint-1", [], "runs/a/checkpoint-1/"),
    ],
    ids=["folder", "slash", "file", "files", "root", "empty"],
)
def test_a_listing_is_as_narrow_as_its_checkpoint(uri: str, keys: list[str], prefix: str) -> None:
    assert listing_prefix(uri, keys) == prefix


def single_file(lab: Lab, step: int, days_old: float) -> Save:
    made = lab.save(step, days_old, files={"x": 1024**3})
    lab.saves.remove(made)
    key = f"runs/vision/checkpoints/step={step}.ckpt"
    item = declare("acme-training", key, 1024**3, made.objects[0].modified_at)
    return lab.add(replace(made, uri=f"s3://acme-training/{key}", run="runs/vision", objects=(item,)))


def test_a_file_that_begins_like_a_single_file_checkpoint_is_no_growth(lab: Lab) -> None:
    gone, _ = single_file(lab, 10, 200), single_file(lab, 20, 5)
    plan = lab.approved()
    lab.put(declare("acme-training", f"{gone.keys[0]}-v1", 5, lab.now))
    assert steps.apply(lab.run(), plan).is_clean
    assert gone.keys[0] not in lab.classes()


def test_a_file_beside_a_single_file_checkpoint_pins_it(lab: Lab) -> None:
    gone, _ = single_file(lab, 10, 200), single_file(lab, 20, 5)
    plan = lab.approved()
    lab.put(declare("acme-training", f"{gone.keys[0]}.keep_until_2026-11-21", 0, lab.now))
    with pytest.raises(Exception, match="pinned"):
        steps.apply(lab.run(), plan)


def test_what_was_there_and_belongs_to_no_checkpoint_is_no_growth(lab: Lab) -> None:
    saves = lab.fill()
    folder = saves["old"].keys[0].rpartition("/")[0]
    lab.put(declare("acme-training", f"{folder}/notes.txt", 5, saves["old"].objects[0].modified_at))
    assert steps.apply(lab.run(), lab.approved()).is_clean


@pytest.mark.parametrize("name", ["PINNED", "keep_until_2026-11-21"])
def test_a_pin_in_a_folder_above_stops_the_plan(lab: Lab, name: str) -> None:
    saves = lab.fill()
    plan = lab.approved()
    before = lab.classes()
    run = saves["old"].run
    lab.put(declare("acme-training", f"{run}/{name}", 0, lab.now))
    with pytest.raises(Exception, match="pinned"):
        steps.apply(lab.run(), plan)
    assert {key: held for key, held in lab.classes().items() if not key.endswith(name)} == before


def test_a_file_that_is_called_almost_like_a_pin_pins_nothing(lab: Lab) -> None:
    saves = lab.fill()
    plan = lab.approved()
    run = saves["old"].run
    for name in ("PINNED.txt", "PINNED/x", "keep_until_2020-01-01"):
        lab.put(declare("acme-training", f"{run}/{name}", 0, lab.now))
    assert steps.apply(lab.run(), plan).is_clean
