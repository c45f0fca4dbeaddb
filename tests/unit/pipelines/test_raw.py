"""Landing: whole or not at all, once, and the same whenever it is done."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import raw
from pipelines.domain.deliveries import Delivery, Part
from pipelines.errors import Terminal, Transient
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
ROLLUP = "raw/s3_sizes/source=train/delivery=2026-11-19T01-00Z-abc/part-00000.parquet"
SIZES = {"s3_sizes": "select count(*) as object_count, sum(size)::bigint as size from landed"}
SCHEMA = pa.schema([("object_key", pa.string()), ("size", pa.int64())])


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


def batches(count: int = 5, *, cut: int = 2) -> pa.RecordBatchReader:
    """Return rows in batches of `cut`."""
    rows = [{"object_key": f"runs/{number}", "size": number} for number in range(count)]
    parts = (rows[start : start + cut] for start in range(0, count, cut))
    return pa.RecordBatchReader.from_batches(
        SCHEMA, (pa.RecordBatch.from_pylist(part, schema=SCHEMA) for part in parts)
    )


def damaged() -> pa.RecordBatchReader:
    """Return batches that break off."""

    def made() -> Iterator[pa.RecordBatch]:
        yield from batches()
        raise Terminal("a data file is damaged", where="x", fix="y")

    return pa.RecordBatchReader.from_batches(SCHEMA, made())


def contents(root: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_a_delivery_lands_with_its_counts_its_roll_ups_and_its_line_in_the_ledger(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path / "lake")
    landed = raw.land(lake, DELIVERY, batches(), SIZES, tmp_path / "scratch")
    assert (landed.row_count, landed.byte_count) == (5, 42)
    assert landed.files == (f"{FOLDER}/part-00000.parquet",)
    assert landed.rollups == (("s3_sizes", ROLLUP),)
    assert pq.read_table(tmp_path / "lake" / landed.files[0], partitioning=None).to_pylist() == (
        batches().read_all().to_pylist()
    )
    assert pq.read_table(tmp_path / "lake" / ROLLUP, partitioning=None).to_pylist() == [
        {"object_count": 5, "size": 10}
    ]
    assert raw.ledger(lake) == [landed] == [raw.is_landed(lake, DELIVERY)]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_files_are_compressed_with_zstd(tmp_path: Path) -> None:
    raw.land(LocalStore(tmp_path), DELIVERY, batches(), SIZES, tmp_path / "scratch")
    for key in (f"{FOLDER}/part-00000.parquet", ROLLUP):
        assert pq.read_metadata(tmp_path / key).row_group(0).column(0).compression == "ZSTD"


def test_the_same_delivery_again_changes_nothing_and_is_not_read(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path / "lake")
    first = raw.land(lake, DELIVERY, batches(), SIZES, tmp_path / "scratch")
    before = contents(tmp_path / "lake")
    assert raw.land(lake, DELIVERY, damaged(), SIZES, tmp_path / "scratch") == first
    assert contents(tmp_path / "lake") == before


def test_a_damaged_delivery_leaves_nothing_in_the_lake(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path / "lake")
    with pytest.raises(Terminal, match="damaged"):
        raw.land(lake, DELIVERY, damaged(), SIZES, tmp_path / "scratch")
    assert contents(tmp_path) == {}
    assert raw.is_landed(lake, DELIVERY) is None


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_killed_at_any_write_it_is_not_whole_and_the_next_run_gives_the_same(
    tmp_path: Path, writes: int
) -> None:
    with pytest.raises(Transient, match="killed"):
        raw.land(KilledStore(tmp_path / "lake", writes), DELIVERY, batches(), SIZES, tmp_path / "scratch")
    lake = LocalStore(tmp_path / "lake")
    assert raw.ledger(lake) == []
    raw.land(lake, DELIVERY, batches(), SIZES, tmp_path / "scratch")
    raw.land(LocalStore(tmp_path / "undisturbed"), DELIVERY, batches(), SIZES, tmp_path / "scratch")
    assert contents(tmp_path / "lake") == contents(tmp_path / "undisturbed")


def test_a_delivery_without_rows_has_a_file_all_the_same(tmp_path: Path) -> None:
    landed = raw.land(LocalStore(tmp_path), DELIVERY, batches(0), SIZES, tmp_path / "scratch")
    assert (landed.row_count, len(landed.files)) == (0, 1)
    assert pq.read_schema(tmp_path / landed.files[0]).equals(SCHEMA)


def test_rows_are_cut_into_row_groups_and_parts_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "ROW_GROUP_ROWS", 10)
    monkeypatch.setattr(raw, "PART_ROWS", 20)
    landed = raw.land(LocalStore(tmp_path), DELIVERY, batches(47, cut=7), SIZES, tmp_path / "scratch")
    assert [pq.read_metadata(tmp_path / file).num_rows for file in landed.files] == [20, 20, 7]
    assert pq.read_metadata(tmp_path / landed.files[0]).num_row_groups == 2
    keys = [
        row["object_key"]
        for file in landed.files
        for row in pq.read_table(tmp_path / file, partitioning=None).to_pylist()
    ]
    assert keys == [f"runs/{number}" for number in range(47)]
    assert landed.row_count == 47
    assert pq.read_table(tmp_path / ROLLUP, partitioning=None).to_pylist() == [
        {"object_count": 47, "size": sum(range(47))}
    ]


def test_parts_that_an_interrupted_run_left_are_not_listed(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    lake.write(f"{FOLDER}/part-00007.parquet", b"left behind")
    landed = raw.land(lake, DELIVERY, batches(), {}, tmp_path / "scratch")
    assert landed.files == (f"{FOLDER}/part-00000.parquet",)
    assert raw.ledger(lake) == [landed]


def test_the_ledger_holds_every_source(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    deliveries = [
        DELIVERY,
        replace(DELIVERY, source="dätasets"),
        replace(DELIVERY, table="focus", scope="2026-11", snapshot_at=None),
    ]
    landed = [raw.land(lake, each, batches(), {}, tmp_path / "scratch") for each in deliveries]
    assert sorted(raw.ledger(lake), key=repr) == sorted(landed, key=repr)
    assert raw.ledger(LocalStore(tmp_path / "empty")) == []


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"delivered_at": 1}'])
def test_a_damaged_line_of_the_ledger_is_named(tmp_path: Path, text: bytes) -> None:
    lake = LocalStore(tmp_path)
    lake.write(f"{FOLDER}/_delivery.json", text)
    with pytest.raises(Terminal, match="ledger is damaged") as caught:
        raw.ledger(lake)
    assert caught.value.where == f"{FOLDER}/_delivery.json"


def test_a_line_of_the_ledger_is_plain_json(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    raw.land(lake, DELIVERY, batches(), SIZES, tmp_path / "scratch")
    line = json.loads(lake.read(f"{FOLDER}/_delivery.json"))
    assert line["delivered_at"] == "2026-11-19T01:00:00"
    assert line["rollups"] == [["s3_sizes", ROLLUP]]


def test_a_scratch_directory_with_marks_of_patterns_is_a_plain_path(tmp_path: Path) -> None:
    scratch = tmp_path / "it's [1]*"
    landed = raw.land(LocalStore(tmp_path / "lake"), DELIVERY, batches(), SIZES, scratch)
    assert landed.rollups == (("s3_sizes", ROLLUP),)


def test_duckdb_reads_what_was_landed(tmp_path: Path) -> None:
    landed = raw.land(LocalStore(tmp_path), DELIVERY, batches(), {}, tmp_path / "scratch")
    with duckdb.connect() as connection:
        query = "select sum(size) from read_parquet(?, hive_partitioning = false)"
        assert connection.execute(query, [str(tmp_path / landed.files[0])]).fetchall() == [(10,)]
