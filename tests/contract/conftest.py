"""The world that an inventory lands in."""

from pathlib import Path

import pytest

from tests.contract.inventories import OpenWorld, World, run_of


@pytest.fixture
def world(tmp_path: Path) -> OpenWorld:
    """Return a function that opens the world of one source of a kind, called `lists`, for bucket `train`."""

    def opened(kind: str) -> World:
        folder = tmp_path / "bucket" / "reports"
        folder.mkdir(parents=True)
        return World(folder, run_of(tmp_path, kind, folder, "train"))

    return opened
