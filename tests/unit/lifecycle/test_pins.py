"""A file PINNED, or keep_until_<day>, keeps a checkpoint."""

from datetime import date

import pytest

from lifecycle.pins import pin_in_force

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
