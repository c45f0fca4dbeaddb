"""The way back on Cloud Storage, as a fake of its API tells it: what an object carried is there again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lifecycle.apply.act import Hand
from lifecycle.apply.chunk import apply_chunk
from lifecycle.model import Action, BucketCapability
from lifecycle.model import Path as Way
from lifecycle.records.journal import open_journal, read_receipts
from lifecycle.records.traces import changes_in, read_traces
from lifecycle.undo.take_back import take_back
from tests.unit.lifecycle.providers.worlds import GcsWorld, serving_gcs

if TYPE_CHECKING:
    from lifecycle.providers import ObjectState

SOFT = {"retentionDurationSeconds": "604800"}
CARRIED = {"metadata": {"team": "nlp"}, "contentType": "text/x-weights", "cacheControl": "no-store"}


@dataclass
class Place:
    """A bucket of Cloud Storage with planned objects in it."""

    home: Path
    world: GcsWorld
    bucket: str
    actions: list[Action] = field(default_factory=list)

    def plan(self, key: str, path: Way, **fields: object) -> ObjectState:
        state = self.world.put(self.bucket, key, b"some weights", **{**CARRIED, **fields})
        is_copy = path == "copy-in-place"
        self.actions.append(
            Action(
                action_id=f"00000-{len(self.actions) + 1:06d}",
                action="archive" if is_copy else "delete",
                scheme="gs",
                bucket=self.bucket,
                object_key=key,
                version_id=state.version_id,
                etag=state.etag,
                size_bytes=state.size_bytes,
                last_modified_at=state.last_modified_at,
                storage_class=state.storage_class,
                target_class="NEARLINE" if is_copy else "",
                checkpoint_id=f"gs://{self.bucket}/run",
                path=path,
            )
        )
        return state

    def now(self) -> datetime:
        return self.world.server.clock.now.replace(tzinfo=None)

    def apply(self) -> None:
        with open_journal(self.home / "receipts.jsonl") as journal:
            assert apply_chunk("chunk-00000", self.actions, journal, self._hand(), {}).is_clean

    def undo(self) -> dict[str, str]:
        """Take everything back; return how each object stands, by key."""
        back = self.home / "back.jsonl"
        take_back(
            back, list(changes_in(self.actions, read_traces(self.home / "receipts.jsonl"))), self._hand(), {}
        )
        start = f"gs://{self.bucket}/"
        return {receipt.uri.removeprefix(start): receipt.result or "begun" for receipt in read_receipts(back)}

    def _hand(self) -> Hand:
        known = BucketCapability(
            self.bucket, "off", *(True, True, True, True), delete_batch=True, scheme="gs"
        )
        return Hand({"gs": self.world.provider}, self.now, workers=1, capabilities={known.place: known})


@pytest.fixture(params=["soft-delete", "versions"])
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A bucket that keeps what is deleted, in one way or the other."""
    with serving_gcs() as world:
        is_soft = request.param == "soft-delete"
        bucket = world.bucket(softDeletePolicy=SOFT) if is_soft else world.bucket(versioned=True)
        yield Place(tmp_path, world, bucket)


@pytest.mark.parametrize("storage_class", ["STANDARD", "COLDLINE"])
def test_a_delete_comes_back_with_its_class_and_all_it_carried(keeping: Place, storage_class: str) -> None:
    before = keeping.plan("run/a b#ä.bin", "soft-delete", storageClass=storage_class)
    keeping.apply()
    assert not list(keeping.world.provider.list(keeping.bucket, ""))
    assert keeping.undo() == {before.key: "done"}
    after = keeping.world.provider.head(keeping.bucket, before.key)
    assert (after.storage_class, after.size_bytes) == (storage_class, before.size_bytes)
    live = keeping.world.server.live(keeping.bucket, before.key)
    assert live is not None
    assert {name: live.fields[name] for name in CARRIED} == CARRIED


def test_an_archive_comes_back_with_all_it_carried(keeping: Place) -> None:
    before = keeping.plan("run/a.bin", "copy-in-place")
    keeping.apply()
    assert keeping.world.provider.head(keeping.bucket, before.key).storage_class == "NEARLINE"
    assert keeping.undo() == {before.key: "done"}
    after = keeping.world.provider.head(keeping.bucket, before.key)
    assert (after.storage_class, after.size_bytes) == ("STANDARD", before.size_bytes)
    live = keeping.world.server.live(keeping.bucket, before.key)
    assert live is not None
    assert {name: live.fields[name] for name in CARRIED} == CARRIED


@pytest.mark.parametrize("path", ["soft-delete", "copy-in-place"])
def test_what_was_written_since_stays_as_it_is(keeping: Place, path: Way) -> None:
    keeping.plan("run/a.bin", path)
    keeping.apply()
    new = keeping.world.put(keeping.bucket, "run/a.bin", b"something newer")
    assert keeping.undo() == {"run/a.bin": "changed"}
    assert keeping.world.provider.head(keeping.bucket, "run/a.bin").version_id == new.version_id


def test_a_hold_on_a_copy_is_respected(keeping: Place) -> None:
    before = keeping.plan("run/a.bin", "copy-in-place")
    keeping.apply()
    live = keeping.world.server.live(keeping.bucket, before.key)
    assert live is not None
    live.fields["temporaryHold"] = True
    assert keeping.undo() == {before.key: "protected"}
    assert keeping.world.provider.head(keeping.bucket, before.key).storage_class == "NEARLINE"
