"""A file PINNED, or keep_until_<day>, keeps a checkpoint."""

from datetime import date

import pytest

from lifecycle.errors import Protected
from lifecycle.pins import pin_in_force, pins_above, refuse_listed
from pipelines.domain.pins import Pin, Pins

DAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    "key",
    [
        "runs/a/checkpoint-1/PINNED",
        "runs/a/x.ckpt.PINNED",
        "PINNED",
        "runs/a/keep_until_2026-11-20",
        "runs/a/x.ckpt.keep_until_2099-01-01",
        "runs/a/keep_until_2026-02-31",
    ],
)
def test_it_is_in_force(key: str) -> None:
    assert pin_in_force(["runs/a/model.bin", key], DAY) == key


@pytest.mark.parametrize(
    "key",
    [
        "runs/a/UNPINNED",
        "runs/a/PINNED.txt",
        "runs/a/pinned",
        "runs/PINNED/x",
        "keep_until_2026-11-19",
        "keep_until_x",
    ],
)
def test_it_is_not(key: str) -> None:
    assert pin_in_force([key], DAY) is None


def test_pins_are_looked_for_in_every_folder_above() -> None:
    assert list(pins_above("runs/a/checkpoint-1/")) == [
        "runs/a/PINNED",
        "runs/a/keep_until_",
        "runs/PINNED",
        "runs/keep_until_",
        "PINNED",
        "keep_until_",
    ]


def test_the_list_of_pins_is_read_again_before_a_change() -> None:
    pin = Pin(match="s3://train/runs/a/", until=DAY, because="the paper's figure 3")
    uris = ["s3://train/runs/ab/checkpoint-1", "s3://train/runs/a/checkpoint-1"]
    with pytest.raises(Protected, match="figure 3") as refused:
        refuse_listed(Pins(pins=(pin,)), DAY, uris)
    assert refused.value.where == uris[1]
    refuse_listed(Pins(pins=(pin,)), DAY.replace(day=21), uris)
    refuse_listed(Pins(), DAY, uris)
