"""Landing deliveries in the lake: typed Parquet, whole or not at all, and the ledger of what is there.

    raw/<table>/source=<source>/delivery=<id>/
        _found.json           what has to land: the delivery with its parts
        part-00000.parquet …
        _piece-00000.json …   part 0 is whole, with its roll-ups
        _delivery.json        written last: the delivery is whole
        _rejected.json        it is damaged: quarantined, with the reason
    raw/_listed/<source>.json
        what the source held when it was last read

Parts land on their own, so several workers share a delivery and a killed one goes on where it was. The same
part lands under the same names however often it is done; only whole deliveries are in the ledger.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from pipelines.domain.deliveries import CUT_BY_US, Converted, Delivery, Landed, Rejected
from pipelines.errors import Damaged, NotFound, Terminal
from pipelines.stores import Store

Convert = Callable[[int, Path], Converted]
"""Makes Parquet files of one part, by its index, in a directory."""

_FOUND = "_found.json"
_WHOLE = "_delivery.json"
_REJECTED = "_rejected.json"
_READERS = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a delivery, whole in the lake."""

    files: tuple[str, ...]
    rollups: tuple[tuple[str, str], ...]
    row_count: int

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Piece":
        """Return what was written of a piece."""
        rollups = tuple((table, file) for table, file in fields["rollups"])
        return cls(tuple(fields["files"]), rollups, int(fields["row_count"]))


def announce(lake: Store, delivery: Delivery) -> Delivery:
    """Write down what has to land and return it: ranges of keys as they were first cut, files as they are.

    Raises:
        Terminal: what was written down is damaged.
    """
    key = f"{_folder(delivery)}/{_FOUND}"
    if delivery.kind in CUT_BY_US:
        known = _optional(lake, key, Delivery.from_json)
        if known is not None:
            return known
    _write_once(lake, key, _text(delivery.to_json()))
    return delivery


def announced(lake: Store, table: str, source: str, delivery_id: str) -> Delivery:
    """Return a delivery that was announced.

    Raises:
        NotFound: it was not.
    """
    key = f"raw/{table}/source={source}/delivery={delivery_id}/{_FOUND}"
    return _parsed(lake.read(key), key, Delivery.from_json)


def land(
    lake: Store,
    delivery: Delivery,
    convert: Convert,
    scratch: Path,
    *,
    at_once: int = 1,
    landed_one: Callable[[], None] = lambda: None,
) -> Landed:
    """Land every part of a delivery, `at_once` of them at a time. A whole one stays as it is.

    Raises:
        Damaged: the delivery is not what it says; it is not in the ledger.
        Transient: the lake or the source does not answer.
    """
    existing = is_landed(lake, delivery)
    if existing is not None:
        return existing

    def land_one(index: int) -> None:
        land_part(lake, delivery, index, convert, scratch)
        landed_one()

    indexes = range(len(delivery.parts))
    if at_once == 1:
        for index in indexes:
            land_one(index)
    else:
        with ThreadPoolExecutor(at_once) as pool:
            # The first part that fails ends it: those that wait are not begun.
            try:
                list(pool.map(land_one, indexes))
            finally:
                pool.shutdown(cancel_futures=True)
    return finish(lake, delivery)


def land_part(lake: Store, delivery: Delivery, index: int, convert: Convert, scratch: Path) -> Piece:
    """Land one part, with its roll-ups; one that is whole in the lake already stays as it is.

    Raises:
        Damaged: the part is not what the delivery says; nothing of it was landed.
    """
    existing = _piece(lake, delivery, index)
    if existing is not None:
        return existing
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix="landing-") as directory:
        made = convert(index, Path(directory))
        names = _names(index, len(made.files))
        files = [(path, f"{_folder(delivery)}/{name}") for path, name in zip(made.files, names, strict=True)]
        rollups = [
            (table, path, f"{_folder(delivery, table)}/part-{index:05d}.parquet")
            for table, path in made.rollups
        ]
        for path, key in [*files, *((path, key) for _, path, key in rollups)]:
            lake.upload(path, key)
    piece = Piece(
        tuple(key for _, key in files), tuple((table, key) for table, _, key in rollups), made.row_count
    )
    lake.write(_piece_key(delivery, index), _text(asdict(piece)))
    return piece


def finish(lake: Store, delivery: Delivery) -> Landed:
    """Put a delivery into the ledger: all of its parts have landed.

    Raises:
        NotFound: a part has not.
        Damaged: together they are not as many rows as the manifest promises; they have to land again.
    """
    pieces = _pieces(lake, delivery)
    _check_count(lake, delivery, sum(piece.row_count for piece in pieces))
    landed = Landed(
        source=delivery.source,
        kind=delivery.kind,
        table=delivery.table,
        delivery_id=delivery.delivery_id,
        delivered_at=delivery.delivered_at,
        scope=delivery.scope,
        checksum=delivery.checksum,
        row_count=sum(piece.row_count for piece in pieces),
        byte_count=delivery.byte_count or sum(part.size_bytes or 0 for part in delivery.parts),
        snapshot_at=delivery.snapshot_at,
        written_at=delivery.written_at,
        files=tuple(key for piece in pieces for key in piece.files),
        rollups=tuple(rollup for piece in pieces for rollup in piece.rollups),
    )
    lake.write(f"{_folder(delivery)}/{_WHOLE}", _text(landed.to_json()))
    return landed


def is_landed(lake: Store, delivery: Delivery) -> Landed | None:
    """Return the ledger's entry of a delivery that is whole in the lake."""
    return _optional(lake, f"{_folder(delivery)}/{_WHOLE}", Landed.from_json)


def quarantine(lake: Store, rejected: Rejected) -> None:
    """Write down that a delivery is damaged, and why. Should it land after all, that counts."""
    _write_once(lake, f"{_folder(rejected)}/{_REJECTED}", _text(rejected.to_json()))


def rejection(lake: Store, delivery: Delivery) -> Rejected | None:
    """Return what was written down when a delivery was quarantined, whatever became of it since."""
    return _optional(lake, f"{_folder(delivery)}/{_REJECTED}", Rejected.from_json)


def keep_listing(lake: Store, source: str, listed: Iterable[Delivery | Rejected]) -> None:
    """Write down what a source holds: what is damaged and has gone from there is nobody's worry any more."""
    folders = sorted({_folder(one) for one in listed})
    _write_once(lake, _listing_key(source), _text({"deliveries": folders}))


def ledger(lake: Store, below: str = "") -> list[Landed]:
    """Return every delivery that is whole in the lake, in key order; `below` is `<table>/source=<name>/`.

    Raises:
        Terminal: an entry is damaged.
    """
    keys = [blob.key for blob in lake.list(f"raw/{below}") if blob.key.endswith(f"/{_WHOLE}")]
    return list(_entries(lake, keys, Landed.from_json))


def quarantined(lake: Store) -> list[Rejected]:
    """Return every delivery that is damaged: it has not landed since, and its source holds it still.

    Raises:
        Terminal: an entry is damaged.
    """
    keys = [blob.key for blob in lake.list("raw/")]
    whole = {key.removesuffix(_WHOLE) for key in keys if key.endswith(f"/{_WHOLE}")}
    damaged = [key for key in keys if key.endswith(f"/{_REJECTED}")]
    kept = [key for key in damaged if key.removesuffix(_REJECTED) not in whole]
    entries = list(_entries(lake, kept, Rejected.from_json))
    listed = {source: _listing(lake, source) for source in {entry.source for entry in entries}}
    return [entry for entry in entries if _is_in(listed[entry.source], _folder(entry))]


def _listing(lake: Store, source: str) -> frozenset[str] | None:
    return _optional(lake, _listing_key(source), lambda fields: frozenset(fields["deliveries"]))


def _is_in(listing: frozenset[str] | None, folder: str) -> bool:
    return listing is None or folder in listing


def _listing_key(source: str) -> str:
    return f"raw/_listed/{source}.json"


def _write_once(lake: Store, key: str, text: bytes) -> None:
    try:
        is_there = lake.read(key) == text
    except NotFound:
        is_there = False
    if not is_there:
        lake.write(key, text)


def _entries(lake: Store, keys: list[str], parse: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    with ThreadPoolExecutor(_READERS) as pool:
        yield from pool.map(lambda key: _parsed(lake.read(key), key, parse), keys)


def _check_count(lake: Store, delivery: Delivery, found: int) -> None:
    if delivery.row_count in (None, found):
        return
    # One of them is cut short, and nobody knows which: should it be copied again, all of them are read again.
    for index in range(len(delivery.parts)):
        lake.write(_piece_key(delivery, index), b"{}")
    raise Damaged(
        f"its files hold {found} rows, and its manifest says {delivery.row_count}",
        where=f"source {delivery.source}, delivery {delivery.delivery_id}",
        fix="Copy the delivery again or wait for the next; the last whole one stays in force.",
    )


def _pieces(lake: Store, delivery: Delivery) -> list[Piece]:
    count = len(delivery.parts)
    pieces = []
    with ThreadPoolExecutor(_READERS) as pool:
        for index, piece in enumerate(pool.map(partial(_piece, lake, delivery), range(count))):
            if piece is None:
                pool.shutdown(cancel_futures=True)
                raise NotFound(
                    f"part {index + 1} of {count} has not landed yet",
                    where=f"{lake.uri}/{_folder(delivery)}",
                    fix=f"Land it first: run 'moraine ingest {delivery.source}' again.",
                )
            pieces.append(piece)
    return pieces


def _piece(lake: Store, delivery: Delivery, index: int) -> Piece | None:
    key = _piece_key(delivery, index)
    return _optional(lake, key, lambda fields: Piece.from_json(fields) if fields else None)


def _names(index: int, count: int) -> list[str]:
    if count == 1:
        return [f"part-{index:05d}.parquet"]
    return [f"part-{index:05d}-{number:03d}.parquet" for number in range(count)]


def _folder(delivery: Delivery | Rejected, table: str | None = None) -> str:
    return f"raw/{table or delivery.table}/source={delivery.source}/delivery={delivery.delivery_id}"


def _piece_key(delivery: Delivery, index: int) -> str:
    return f"{_folder(delivery)}/_piece-{index:05d}.json"


def _optional(lake: Store, key: str, parse: Callable[[Mapping[str, Any]], T]) -> T | None:
    try:
        return _parsed(lake.read(key), key, parse)
    except NotFound:
        return None


def _text(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, indent=2).encode()


def _parsed(text: bytes, key: str, parse: Callable[[Mapping[str, Any]], T]) -> T:
    try:
        return parse(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Terminal(
            f"an entry of the ledger is damaged ({type(error).__name__})",
            where=key,
            fix="Remove that file from the lake and ingest its source again.",
        ) from None
