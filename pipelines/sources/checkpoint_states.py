"""What the small files say in which frameworks write down which checkpoint is the latest or the best.

They are read from the bucket itself, a bounded number of each run, and only where their content is not known
from an earlier night. A file that cannot be read is a row that says so: names and times still tell something,
and a night is never lost for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import md5
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow.parquet as pq

from pipelines.domain.deliveries import Delivery, Landed
from pipelines.domain.text import visible
from pipelines.domain.uris import BucketUri
from pipelines.errors import MoraineError, NotFound, Transient
from pipelines.reference.layout_catalogue import StateFile
from pipelines.sources import observed
from pipelines.sources.places import Found, Place
from pipelines.sources.state_candidates import Candidate
from pipelines.sources.state_texts import MOST_BYTES, REVISION, Told, Unreadable, parse_state
from pipelines.stores import PeekingStore, open_store

TABLE = "checkpoint_states"
MOST_FILES = 20_000
"""Files that one night reads of a bucket, the newest first: a cent, and a minute. The next reads others."""
MOST_FAILURES = 3
"""So many first requests that fail, and the bucket is left alone: it cannot be read from here."""
MOST_SILENCES = 30
"""So many requests in a row without an answer, later on, and the store is left alone for this night."""

_READERS = 16
_KNOWN = frozenset({"read", "unchanged", "unreadable", "too_large"})
"""What stays true of a content: the same bytes say the same again."""

Row = dict[str, Any]
Known = Mapping[tuple[str, str, str, str], Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a store said when it was asked for one file."""

    status: str
    data: bytes = b""
    message: str = ""


def find(
    place: Place, listing: Landed, candidates: Sequence[Candidate], earlier: Iterable[Path], now: datetime
) -> Found:
    """Return what the candidates say at `now` as a delivery; `earlier` holds what an earlier night read.

    Raises:
        Terminal: there are no credentials for the bucket.
    """
    scheme = "gs" if listing.table == "gcs_inventory" else "s3"
    uri = BucketUri(scheme, listing.scope, "")
    known = _known(earlier)
    kept = [row for each in candidates for row in known.get(_identity(each), ())]
    unknown = [each for each in candidates if _identity(each) not in known]
    asked = dict.fromkeys(each.object_key for each in unknown)
    chosen = frozenset(list(asked)[:MOST_FILES])
    new = list(_read(place, uri, [each for each in unknown if each.object_key in chosen]))
    rows = [
        *(_carried(row, listing) for row in kept),
        *({"provider": _PROVIDERS[scheme], "bucket": uri.bucket, "read_at": now, **row} for row in new),
    ]
    if not rows and not known:
        return Found()
    rows.sort(key=_place_of)
    warnings = tuple(_warnings(uri, new, len(asked) - len(chosen)))
    return Found((_delivery(place, listing, rows, now),), warnings=warnings)


_PROVIDERS = {"s3": "aws", "gs": "gcp"}


def _delivery(place: Place, listing: Landed, rows: list[Row], now: datetime) -> Delivery:
    # The same words of the same files are the same delivery, whenever they were read.
    said = [{**row, "read_at": None, "status": _same(row["status"])} for row in rows]
    checksum = observed.fingerprint(said)
    delivery = Delivery(
        source=place.source.name,
        kind=place.source.kind,
        table=TABLE,
        delivery_id=f"{now:%Y-%m-%d}-{checksum[:12]}",
        delivered_at=now,
        checksum=checksum,
        scope=listing.scope,
        snapshot_at=listing.snapshot_at,
    )
    return observed.keep(place, delivery, rows)


def _place_of(row: Row) -> tuple[str, ...]:
    what = row["framework"], row["tells"], row["subject_directory"], row["metric_name"] or ""
    return row["object_key"], *what


def _same(status: str) -> str:
    return "read" if status == "unchanged" else status


def _carried(row: Row, listing: Landed) -> Row:
    status = "unchanged" if row["status"] == "read" else row["status"]
    return {**row, "status": status, "listed_at": listing.snapshot_at}


def _known(earlier: Iterable[Path]) -> Known:
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for path in earlier:
        for row in pq.read_table(path).to_pylist():
            if row["status"] in _KNOWN and row["etag"]:
                identity = (row["object_key"], row["framework"], row["read_by"], row["etag"])
                found.setdefault(identity, []).append(row)
    return found


def _identity(candidate: Candidate) -> tuple[str, str, str, str]:
    # Without an ETag in the list nobody knows whether the content is still the same.
    read_by = _read_by(candidate.wanted.file)
    return candidate.object_key, candidate.wanted.framework, read_by, candidate.etag or ""


def _read_by(file: StateFile) -> str:
    text = f"{REVISION} {file.model_dump_json()}"
    return md5(text.encode(), usedforsecurity=False).hexdigest()[:12]


def _read(place: Place, uri: BucketUri, candidates: Sequence[Candidate]) -> Iterator[Row]:
    of_key: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        of_key.setdefault(candidate.object_key, []).append(candidate)
    small = {key: each for key, each in of_key.items() if _size_problem(each) is None}
    for key, each in of_key.items():
        if key not in small:
            problem = _size_problem(each) or Answer("read")
            yield from (_row(one, problem, Told()) for one in each)
    if not small:
        return
    reader = _Reader(place, uri)
    first = list(small)[:MOST_FAILURES]
    with ThreadPoolExecutor(_READERS) as pool:
        yield from (row for rows in pool.map(reader.rows, [small[key] for key in first]) for row in rows)
        rest = [each for key, each in small.items() if key not in first]
        yield from (row for rows in pool.map(reader.rows, rest) for row in rows)


def _size_problem(candidates: Sequence[Candidate]) -> Answer | None:
    size, most = candidates[0].size_bytes, _most_bytes(candidates)
    match size:
        case 0:
            return Answer("unreadable", message="it is empty")
        case int() if size > most:
            return Answer("too_large", message=f"it has {size:,} bytes; such a file is read up to {most:,}")
        case _:
            # Not every list has sizes; no more than the limit is read anyway.
            return None


def _most_bytes(candidates: Sequence[Candidate]) -> int:
    return max(MOST_BYTES[each.wanted.file.format] for each in candidates)


class _Reader:
    """Asks one bucket, by several threads, until it has refused too often."""

    def __init__(self, place: Place, uri: BucketUri) -> None:
        self._lock, self._parsing = Lock(), Lock()
        self._in_a_row, self._has_answered = 0, False
        store = open_store(uri, place.endpoints)
        if not isinstance(store, PeekingStore):
            raise TypeError(f"{store.uri} cannot be peeked into")
        self._store = store

    def rows(self, candidates: Sequence[Candidate]) -> list[Row]:
        """Read one file and return what each framework would understand of it."""
        answer = self._ask(candidates[0], _most_bytes(candidates))
        # One at a time: a large JSON takes thirty times its size in memory.
        with self._parsing:
            return [row for each in candidates for row in _told(each, answer)]

    def _ask(self, candidate: Candidate, most_bytes: int) -> Answer:
        if self._in_a_row >= (MOST_SILENCES if self._has_answered else MOST_FAILURES):
            return Answer("refused", message="not asked for: too many requests before it failed")
        try:
            found = self._store.peek(candidate.object_key, most_bytes + 1)
        except NotFound as error:
            return self._heard(Answer("missing", message=error.what))
        except Transient as error:
            return self._failed(Answer("unanswered", message=error.what))
        except MoraineError as error:
            # Some prefixes may be closed to us while others are not.
            refused = Answer("refused", message=error.what)
            return refused if self._has_answered else self._failed(refused)
        if len(found.data) > most_bytes:
            return self._heard(Answer("too_large", message=f"it has more than {most_bytes:,} bytes by now"))
        is_listed = candidate.etag is None or found.name == candidate.etag
        return self._heard(Answer("read" if is_listed else "changed", found.data))

    def _heard(self, answer: Answer) -> Answer:
        with self._lock:
            self._in_a_row, self._has_answered = 0, True
        return answer

    def _failed(self, answer: Answer) -> Answer:
        with self._lock:
            self._in_a_row += 1
        return answer


def _told(candidate: Candidate, answer: Answer) -> list[Row]:
    if answer.status not in {"read", "changed"}:
        return [_row(candidate, answer, Told())]
    try:
        told = parse_state(answer.data, candidate.wanted.file)
    except Unreadable as error:
        # Of what has changed since it was listed, nothing is known under the listed ETag.
        status = "unreadable" if answer.status == "read" else answer.status
        return [_row(candidate, replace(answer, status=status, message=str(error)), Told())]
    rows = [_row(candidate, answer, told, metric) for metric in told.metrics]
    for folder, metrics in told.saves.items():
        about = {"subject_directory": f"{candidate.directory}{folder}/", "place": "checkpoint"}
        rows += [{**_row(candidate, answer, told, metric), **about} for metric in metrics]
    return rows or [_row(candidate, answer, told)]


def _row(
    candidate: Candidate,
    answer: Answer,
    told: Told,
    metric: tuple[str | None, float | None] = (None, None),
) -> Row:
    file = candidate.wanted.file
    return {
        "object_key": candidate.object_key,
        "directory": candidate.directory,
        "leaf": candidate.leaf,
        "subject_directory": candidate.subject_directory,
        "framework": candidate.wanted.framework,
        "state_file": file.name,
        "place": file.place,
        "tells": file.tells,
        "field_holds": file.value,
        "etag": candidate.etag,
        "size_bytes": candidate.size_bytes,
        "last_modified_at": candidate.last_modified_at,
        "listed_at": candidate.listed_at,
        "status": answer.status,
        "latest_value": told.latest,
        "best_value": told.best,
        "metric_name": metric[0],
        "metric_value": metric[1],
        "message": answer.message,
        "read_by": _read_by(file),
    }


def _warnings(uri: BucketUri, rows: Sequence[Row], left: int) -> Iterator[str]:
    failed = {row["object_key"]: row for row in rows if row["status"] not in {"read", "changed"}}
    if failed:
        key, row = next(iter(failed.items()))
        yield (
            f"{len(failed):,} small files of checkpoints in {uri.root} could not be read, "
            f"such as {visible(key)}: {row['message']}. Latest and best are judged without them."
            + (_ADVICE[uri.scheme] if any(row["status"] == "refused" for row in failed.values()) else "")
        )
    if left:
        yield (
            f"{left:,} more small files of checkpoints in {uri.root} are read in the next nights: "
            f"one night reads {MOST_FILES:,}."
        )


_ADVICE = {
    "s3": " Give these credentials s3:GetObject there, or set 'read_states: false' of the source.",
    "gs": " Give these credentials storage.objects.get there, or set 'read_states: false' of the source.",
}
