"""Landing: whole or not at all, once, and the same whenever and by how many it is done."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import raw
from pipelines.domain.deliveries import Converted, Delivery, Part, Rejected
from pipelines.errors import Damaged, NotFound, Terminal, Transient
from pipelines.stores import LocalStore

DELIVERY = Delivery(
    source="train",
    kind="s3-inventory",
    table="s3_inventory",
    delivery_id="2026-11-19T01-00Z-abc",
    delivered_at=datetime.fromisoformat("2026-11-19T01:00:00"),
    checksum="abc",
    scope="train",
    parts=(Part("a", 10), Part("b", 32), Part("c")),
    snapshot_at=datetime.fromisoformat("2026-11-19T01:00:00"),
)
FOLDER = "raw/s3_inventory/source=train/delivery=2026-11-19T01-00Z-abc"
ROLLUPS = "raw/s3_sizes/source=train/delivery=2026-11-19T01-00Z-abc"
REJECTED = Rejected(
    source="train",
    kind="s3-inventory",
    table="s3_inventory",
    delivery_id=DELIVERY.delivery_id,
    scope="train",
    delivered_at=DELIVERY.delivered_at,
    checksum="abc",
    reason="a data file is cut",
    where="s3://lists/b",
    fix="Copy it again.",
)
WRITES = 1 + 3 * 3 + 1
"""What landing DELIVERY writes: what was found; per part a file, a roll-up and a piece; the entry."""


class KilledStore(LocalStore):
    """A directory whose process is killed when something is written a given number of times."""

    def __init__(self, root: Path, writes: int) -> None:
        super().__init__(root)
        self.left = writes

    def write(self, key: str, data: bytes) -> None:
        self._live()
        super().write(key, data)

    def upload(self, path: Path, key: str) -> None:
        self._live()
        super().upload(path, key)

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Transient("killed", where="here", fix="Run again.")


class Source:
    """Three files of one, two and three rows; remembers which were read."""

    def __init__(self, *, damaged: int | None = None, files: int = 1) -> None:
        self.read: list[int] = []
        self.damaged = damaged
        self.files = files

    def __call__(self, index: int, into: Path) -> Converted:
        self.read.append(index)
        if index == self.damaged:
            raise Damaged("a data file is cut", where=f"file {index}", fix="Copy it again.")
        rows = [{"object_key": f"runs/{index}/{number}", "size": number} for number in range(index + 1)]
        paths = []
        for number in range(self.files):
            paths.append(into / f"{number}.parquet")
            pq.write_table(pa.Table.from_pylist(rows[number :: self.files], SCHEMA), paths[-1])
        pq.write_table(pa.Table.from_pylist([{"object_count": len(rows)}]), into / "sizes.parquet")
        return Converted(tuple(paths), (("s3_sizes", into / "sizes.parquet"),), len(rows))


SCHEMA = pa.schema([("object_key", pa.string()), ("size", pa.int64())])


def land(lake: LocalStore, delivery: Delivery, convert: raw.Convert, scratch: Path, at_once: int = 1) -> None:
    """Land a delivery as a night does it."""
    raw.land(lake, raw.announce(lake, delivery), convert, scratch, at_once=at_once)


def contents(root: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def keys_in(root: Path, files: tuple[str, ...]) -> list[str]:
    return [
        row["object_key"]
        for file in files
        for row in pq.read_table(root / file, partitioning=None).to_pylist()
    ]


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_delivery_lands_with_its_counts_its_roll_ups_and_its_line_in_the_ledger(
    tmp_path: Path, at_once: int
) -> None:
    lake = LocalStore(tmp_path / "lake")
    landed = raw.land(lake, DELIVERY, Source(), tmp_path / "scratch", at_once=at_once)
    assert (landed.row_count, landed.byte_count) == (6, 42)
    assert landed.files == tuple(f"{FOLDER}/part-{index:05d}.parquet" for index in range(3))
    assert landed.rollups == tuple(("s3_sizes", f"{ROLLUPS}/part-{index:05d}.parquet") for index in range(3))
    assert keys_in(tmp_path / "lake", landed.files) == [
        "runs/0/0", "runs/1/0", "runs/1/1", "runs/2/0", "runs/2/1", "runs/2/2"
    ]  # fmt: skip
    assert raw.ledger(lake) == [landed] == [raw.is_landed(lake, DELIVERY)]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_by_how_many_it_is_landed_makes_no_difference(tmp_path: Path) -> None:
    delivery = replace(DELIVERY, parts=tuple(Part(str(index)) for index in range(20)))
    for name, at_once in (("one", 1), ("many", 8)):
        land(LocalStore(tmp_path / name), delivery, Source(), tmp_path / "scratch", at_once)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_parts_are_landed_at_the_same_time(tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=30)

    def convert(index: int, into: Path) -> Converted:
        together.wait()
        return Source()(index, into)

    land(LocalStore(tmp_path / "lake"), DELIVERY, convert, tmp_path / "scratch", at_once=3)
    assert len(raw.ledger(LocalStore(tmp_path / "lake"))) == 1


def test_each_part_that_landed_is_told(tmp_path: Path) -> None:
    told = []
    raw.land(LocalStore(tmp_path), DELIVERY, Source(), tmp_path, landed_one=lambda: told.append(1))
    assert len(told) == 3


def test_the_same_delivery_again_changes_nothing_and_is_not_read(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path / "lake")
    land(lake, DELIVERY, Source(), tmp_path / "scratch")
    before, source = contents(tmp_path / "lake"), Source()
    land(lake, DELIVERY, source, tmp_path / "scratch")
    assert contents(tmp_path / "lake") == before
    assert source.read == []


def test_a_part_that_makes_several_files_names_them_in_order(tmp_path: Path) -> None:
    landed = raw.land(LocalStore(tmp_path), DELIVERY, Source(files=2), tmp_path / "scratch")
    assert landed.files[:2] == (f"{FOLDER}/part-00000-000.parquet", f"{FOLDER}/part-00000-001.parquet")
    assert landed.row_count == len(keys_in(tmp_path, landed.files)) == 6


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_damaged_delivery_is_not_in_the_ledger(tmp_path: Path, at_once: int) -> None:
    lake = LocalStore(tmp_path / "lake")
    with pytest.raises(Damaged, match="cut"):
        land(lake, DELIVERY, Source(damaged=1), tmp_path / "scratch", at_once)
    assert raw.ledger(lake) == []
    assert raw.is_landed(lake, DELIVERY) is None
    assert list((tmp_path / "scratch").iterdir()) == []


def test_after_a_damaged_part_those_that_wait_are_not_begun(tmp_path: Path) -> None:
    delivery, source = (
        replace(DELIVERY, parts=tuple(Part(str(index)) for index in range(50))),
        Source(damaged=0),
    )
    with pytest.raises(Damaged):
        land(LocalStore(tmp_path / "lake"), delivery, source, tmp_path / "scratch")
    assert source.read == [0]


def test_a_delivery_that_was_mended_lands_and_only_what_is_missing_is_read(tmp_path: Path) -> None:
    lake, mended = LocalStore(tmp_path / "lake"), Source()
    with pytest.raises(Damaged):
        land(lake, DELIVERY, Source(damaged=2), tmp_path / "scratch")
    raw.quarantine(lake, REJECTED)
    land(lake, DELIVERY, mended, tmp_path / "scratch")
    assert mended.read == [2]
    assert len(raw.ledger(lake)) == 1
    assert raw.quarantined(lake) == []


@pytest.mark.parametrize("writes", range(WRITES))
def test_killed_at_any_write_it_is_not_whole_and_the_next_run_gives_the_same(
    tmp_path: Path, writes: int
) -> None:
    with pytest.raises(Transient, match="killed"):
        land(KilledStore(tmp_path / "lake", writes), DELIVERY, Source(), tmp_path / "scratch")
    lake = LocalStore(tmp_path / "lake")
    assert raw.ledger(lake) == []
    land(lake, DELIVERY, Source(), tmp_path / "scratch")
    land(LocalStore(tmp_path / "undisturbed"), DELIVERY, Source(), tmp_path / "scratch")
    assert contents(tmp_path / "lake") == contents(tmp_path / "undisturbed")


def test_it_has_as_many_writes_as_the_kills_above_suppose(tmp_path: Path) -> None:
    land(KilledStore(tmp_path / "lake", WRITES), DELIVERY, Source(), tmp_path / "scratch")


def test_parts_that_were_whole_when_it_was_killed_are_not_read_again(tmp_path: Path) -> None:
    with pytest.raises(Transient):
        land(KilledStore(tmp_path / "lake", 7), DELIVERY, Source(), tmp_path / "scratch")
    again = Source()
    land(LocalStore(tmp_path / "lake"), DELIVERY, again, tmp_path / "scratch")
    assert again.read == [2]


def test_workers_share_a_delivery_in_any_order(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path / "shared")
    raw.announce(lake, DELIVERY)
    for index in (2, 0, 2, 1):
        found = raw.announced(lake, "s3_inventory", "train", DELIVERY.delivery_id)
        raw.land_part(lake, found, index, Source(), tmp_path / f"machine-{index}")
    assert raw.ledger(lake) == []
    raw.finish(lake, DELIVERY)
    land(LocalStore(tmp_path / "alone"), DELIVERY, Source(), tmp_path / "scratch")
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")


def test_a_delivery_whose_parts_are_not_all_here_is_not_finished(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path / "lake")
    raw.land_part(lake, DELIVERY, 0, Source(), tmp_path / "scratch")
    with pytest.raises(NotFound, match="part 2 of 3") as caught:
        raw.finish(lake, DELIVERY)
    assert "moraine ingest train" in caught.value.fix
    assert raw.ledger(lake) == []


def test_fewer_rows_than_the_manifest_promises_are_damage_and_land_again_when_it_is_mended(
    tmp_path: Path,
) -> None:
    lake, mended = LocalStore(tmp_path / "lake"), Source()
    promised = replace(DELIVERY, row_count=7)
    with pytest.raises(Damaged, match="its files hold 6 rows, and its manifest says 7"):
        land(lake, promised, Source(), tmp_path / "scratch")
    assert raw.ledger(lake) == []
    with pytest.raises(Damaged):
        land(lake, promised, mended, tmp_path / "scratch")
    assert mended.read == [0, 1, 2]


def test_a_listing_is_landed_in_the_ranges_that_were_cut_first(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    first = replace(DELIVERY, kind="bucket-listing", parts=(Part(""),))
    raw.announce(lake, first)
    assert raw.announce(lake, replace(first, parts=(Part("", until="m"), Part("m")))) == first
    assert raw.announced(lake, "s3_inventory", "train", DELIVERY.delivery_id) == first


def test_files_are_landed_as_they_are_found_now(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    raw.announce(lake, DELIVERY)
    mended = replace(DELIVERY, parts=(Part("a", 11), *DELIVERY.parts[1:]))
    assert raw.announce(lake, mended) == mended
    assert raw.announced(lake, "s3_inventory", "train", DELIVERY.delivery_id) == mended


def test_what_was_not_announced_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        raw.announced(LocalStore(tmp_path), "s3_inventory", "train", "another")


def test_a_delivery_without_files_is_whole_at_once(tmp_path: Path) -> None:
    landed = raw.land(LocalStore(tmp_path), replace(DELIVERY, parts=()), Source(), tmp_path / "scratch")
    assert (landed.row_count, landed.byte_count, landed.files) == (0, 0, ())


def test_files_that_an_interrupted_run_left_are_not_listed(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    lake.write(f"{FOLDER}/part-00007.parquet", b"left behind")
    landed = raw.land(lake, DELIVERY, Source(), tmp_path / "scratch")
    assert f"{FOLDER}/part-00007.parquet" not in landed.files
    assert raw.ledger(lake) == [landed]


def test_the_ledger_holds_every_source(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    deliveries = [
        DELIVERY,
        replace(DELIVERY, source="dätasets"),
        replace(DELIVERY, table="focus", scope="2026-11", snapshot_at=None),
    ]
    landed = [raw.land(lake, each, Source(), tmp_path / "scratch") for each in deliveries]
    assert sorted(raw.ledger(lake), key=repr) == sorted(landed, key=repr)
    assert raw.ledger(LocalStore(tmp_path / "empty")) == []


def test_what_is_damaged_is_in_quarantine_with_its_reason_and_not_in_the_ledger(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    raw.quarantine(lake, REJECTED)
    assert raw.quarantined(lake) == [REJECTED]
    assert raw.ledger(lake) == []
    before = contents(tmp_path)
    raw.quarantine(lake, REJECTED)
    assert contents(tmp_path) == before


def test_the_newest_reason_counts(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    lake.write(f"{FOLDER}/_rejected.json", b"not even JSON")
    for reason in ("a file is missing", "a file is cut"):
        raw.quarantine(lake, replace(REJECTED, reason=reason))
    assert [rejected.reason for rejected in raw.quarantined(lake)] == ["a file is cut"]


def test_what_is_damaged_and_has_gone_from_its_source_is_forgotten(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    elsewhere = replace(REJECTED, source="datasets")
    for rejected in (REJECTED, elsewhere):
        raw.quarantine(lake, rejected)
    raw.keep_listing(lake, "train", [REJECTED, DELIVERY])
    assert raw.quarantined(lake) == [elsewhere, REJECTED]
    raw.keep_listing(lake, "train", [])
    assert raw.quarantined(lake) == [elsewhere]


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"delivered_at": 1}', b"\xff"])
@pytest.mark.parametrize(
    "name, read",
    [
        ("_delivery.json", raw.ledger),
        ("_rejected.json", raw.quarantined),
        ("_found.json", lambda lake: raw.announced(lake, "s3_inventory", "train", DELIVERY.delivery_id)),
    ],
)
def test_a_damaged_entry_is_named(
    tmp_path: Path, name: str, read: Callable[[LocalStore], object], text: bytes
) -> None:
    lake = LocalStore(tmp_path)
    lake.write(f"{FOLDER}/{name}", text)
    with pytest.raises(Terminal, match="ledger is damaged") as caught:
        read(lake)
    assert caught.value.where == f"{FOLDER}/{name}"


def test_a_line_of_the_ledger_is_plain_json(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    raw.land(lake, DELIVERY, Source(), tmp_path / "scratch")
    line = json.loads(lake.read(f"{FOLDER}/_delivery.json"))
    assert line["delivered_at"] == "2026-11-19T01:00:00"
    assert line["rollups"][0] == ["s3_sizes", f"{ROLLUPS}/part-00000.parquet"]


def test_duckdb_reads_what_was_landed(tmp_path: Path) -> None:
    landed = raw.land(LocalStore(tmp_path), DELIVERY, Source(), tmp_path / "it's [1]*")
    with duckdb.connect() as connection:
        query = "select sum(size) from read_parquet(?, hive_partitioning = false)"
        files = [str(tmp_path / file) for file in landed.files]
        assert connection.execute(query, [files]).fetchall() == [(4,)]
