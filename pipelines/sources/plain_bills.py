"""Bills as plain files, without a manifest: what was delivered is read from the files themselves.

A plain file says nothing of when it was delivered or what it replaces. So each billing period in it is a
delivery of its own, which replaces the period when the file changes. The same period in two files is refused,
because nobody can tell whether they are two halves or twice the same; unless their names say that they are
the numbered parts of one whole.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipelines.domain.deliveries import Delivery, Part, Rejected
from pipelines.errors import Damaged, Terminal
from pipelines.sources.bucket_root import BucketRoot, md5_of
from pipelines.sources.places import Place, rejected
from pipelines.sources.reading import FileForm, Query, read_file
from pipelines.stores import Blob

PLAIN_FILE = "plain file"
"""Format of a delivery that is one billing period of files without a manifest."""

# BigQuery numbers its shards with twelve digits; Spark and Azure write `part-00001-…` and `part_0_0001`.
_NUMBER = re.compile(r"(?<!\d)0000\d{8}(?!\d)|(?<![a-z])part[-_]\d+(?:_\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _File:
    """A whole file, and the billing periods that it holds."""

    blob: Blob
    checksum: str
    periods: tuple[str, ...]

    @property
    def group(self) -> str:
        return _group(self.blob.key)


def find(
    place: Place, blobs: Sequence[Blob], table: str, periods: Query, form: FileForm
) -> Iterator[Delivery | Rejected]:
    """Yield one delivery per billing period; `periods` selects the periods of a file, such as `2026-11`.

    Raises:
        Terminal: two files hold the same period.
    """
    files, damaged_groups = list[_File](), set[str]()
    for blob in blobs:
        match _read(place, blob, table, periods, form):
            case Rejected() as damaged:
                damaged_groups.add(_group(blob.key))
                yield damaged
            case _File() as file:
                files.append(file)
    # Of a whole that lacks a part, nothing is delivered.
    whole = [file for file in files if file.group not in damaged_groups]
    _check_periods(place, whole)
    yield from _deliveries(place, whole, table)


def _group(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{_NUMBER.sub('*', name)}"


def _read(place: Place, blob: Blob, table: str, periods: Query, form: FileForm) -> _File | Rejected:
    where = place.where(blob.key)
    with BucketRoot(place.files).verified(Part(blob.key), place.scratch) as path:
        checksum = md5_of(path)
        try:
            held = tuple(str(period) for (period,) in read_file(place, path, where, periods, form))
        except Damaged as error:
            return rejected(
                place,
                table,
                error,
                delivery_id=f"damaged-{checksum[:12]}",
                scope=blob.key,
                delivered_at=blob.modified_at,
                checksum=checksum,
            )
    return _File(blob, checksum, held)


def _deliveries(place: Place, files: Iterable[_File], table: str) -> Iterator[Delivery]:
    held: dict[str, list[_File]] = {}
    for file in files:
        for period in file.periods or (file.blob.key,):
            held.setdefault(period, []).append(file)
    for scope, parts in held.items():
        # A file that is put back as it once was is a delivery again: the last word on its periods.
        identity = _md5("\n".join(f"{file.checksum} {file.blob.modified_at}" for file in parts))
        yield Delivery(
            source=place.source.name,
            kind=place.source.kind,
            table=table,
            delivery_id=f"{scope if parts[0].periods else 'empty'}-{identity[:12]}",
            delivered_at=max(file.blob.modified_at for file in parts),
            checksum=parts[0].checksum
            if len(parts) == 1
            else _md5("\n".join(each.checksum for each in parts)),
            scope=scope,
            parts=tuple(Part(file.blob.key, file.blob.size_bytes, file.checksum) for file in parts),
            file_format=PLAIN_FILE,
        )


def _check_periods(place: Place, files: Iterable[_File]) -> None:
    holders: dict[str, _File] = {}
    for file in files:
        for period in file.periods:
            other = holders.setdefault(period, file)
            if other.group != file.group:
                both = f"{place.where(other.blob.key)}, {place.where(file.blob.key)}"
                raise Terminal(
                    f"two files hold billing period {period}: two halves, or twice the same?",
                    where=f"source {place.source.name}: {both}",
                    fix="Keep one file per billing period there; give each provider a source of its own.",
                )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
