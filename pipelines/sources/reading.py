"""Reading one data file through DuckDB, into typed Parquet."""

import csv
import errno
import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import duckdb

from pipelines.domain.deliveries import Converted, Delivery
from pipelines.domain.quoting import quote, quote_name
from pipelines.domain.raw_tables import RAW_TABLES, Columns
from pipelines.engine import connect
from pipelines.errors import Damaged, Terminal
from pipelines.sources.bucket_root import bucket_root
from pipelines.sources.columns import Present
from pipelines.sources.places import Place
from pipelines.sources.records import in_lines
from pipelines.sources.zipped import unzipped

ROW_GROUP_ROWS = 122_880
"""DuckDB reads row groups in parallel; this is the size of its own."""

# Level 1 takes half the time of DuckDB's own level 3 and is 8 % larger; the encodings of version 2 make up
# for that, and are faster to read.
_PARQUET = ", ".join(
    (
        "format parquet",
        "parquet_version v2",
        "compression zstd",
        "compression_level 1",
        f"row_group_size {ROW_GROUP_ROWS}",
    )
)

_GZIP = b"\x1f\x8b"
_LONGEST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that DuckDB can select from."""

    relation: str
    """What to put after `from`."""
    present: Present
    where: str
    written: Mapping[str, str] = field(default_factory=dict)
    """What the file itself calls those columns that DuckDB had to rename, because names came twice."""


Query = Callable[[DataFile], str]
"""Makes the SQL that turns a file into rows of its raw table."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """How the files of a delivery are written."""

    file_format: str = ""
    """`CSV`, `Parquet`, `ORC` or `JSONL`; where the manifest does not say, the file's name does."""
    names: tuple[str, ...] = ()
    """CSV: columns in file order, where the files have no header line. JSONL: the fields that are read."""
    nulls: tuple[str, ...] = ("",)
    """CSV: spellings of null."""
    delimiter: str = ","
    """CSV: what stands between two fields."""
    record_separator: str = ""
    """CSV: what ends a record; empty for the end of a line."""
    blank_files: Literal["refused", "csv", "any"] = "csv"
    """Which files of no bytes are files of no rows; the others are damaged."""
    ragged_header: bool = False
    """CSV: the header may name more columns at its end than the rows have."""


def convert_file(  # noqa: PLR0913  (one file: where it is, where it goes, and how it is read)
    place: Place,
    delivery: Delivery,
    index: int,
    into: Path,
    query: Query,
    *,
    form: FileForm = FileForm(),
    rollups: Mapping[str, str] = MappingProxyType({}),
) -> Converted:
    """Turn one file of a delivery into Parquet with the columns of its raw table, and into its roll-ups.

    `rollups` are SQL over the view `landed`, by the raw table they make.

    Raises:
        Damaged: the file is missing, is not what the manifest says, or cannot be read.
    """
    part = delivery.parts[index]
    root = bucket_root(place, delivery.parts[0].key)
    where = root.where(part.key)
    with (
        root.verified(part, place.scratch) as stored,
        unzipped(stored, place.scratch, where) as unpacked,
        in_lines(unpacked, form.record_separator, form.delimiter, place.scratch) as path,
        _connected(place, path, where) as connection,
    ):
        file = _open(connection, path, where, form)
        selected = query(file) if file else _nothing(delivery.table)
        return _converted(connection, delivery.table, selected, rollups, into)


def convert_pages(
    place: Place,
    table: str,
    pages: object,
    query: Callable[[str], str],
    rollups: Mapping[str, str],
    into: Path,
) -> Converted:
    """Turn an Arrow stream into Parquet, as `convert_file` does; `query` selects from a name.

    Raises:
        Damaged: a value is not what the raw table promises.
    """
    with _connected(place, into, f"source {place.source.name}, {place.uri}") as connection:
        # A stream is read once; describing the query reads nothing of it.
        connection.register("pages", pages)
        return _converted(connection, table, query("pages"), rollups, into)


def read_file(place: Place, path: Path, where: str, query: Query, form: FileForm) -> list[tuple[object, ...]]:
    """Return the few rows that `query` selects from one file.

    Raises:
        Damaged: the file cannot be read as what its name says.
    """
    with (
        unzipped(path, place.scratch, where) as unpacked,
        in_lines(unpacked, form.record_separator, form.delimiter, place.scratch) as lines,
        _connected(place, lines, where) as connection,
    ):
        file = _open(connection, lines, where, form)
        return connection.execute(query(file)).fetchall() if file else []


def _converted(
    connection: duckdb.DuckDBPyConnection, table: str, selected: str, rollups: Mapping[str, str], into: Path
) -> Converted:
    rows = into / "rows.parquet"
    count = _write(connection, selected, rows, promised=RAW_TABLES[table])
    connection.execute(f"create view landed as from read_parquet({_literal(rows)})")
    made = []
    for rolled_up, rollup in rollups.items():
        target = into / f"{rolled_up}.parquet"
        _write(connection, rollup, target, promised=RAW_TABLES[rolled_up])
        made.append((rolled_up, target))
    return Converted((rows,), tuple(made), count)


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path, *, promised: Columns) -> int:
    described = connection.execute(f"describe {query}").fetchall()
    made = tuple((str(name), str(kind).lower().replace(" ", "")) for name, kind, *_ in described)
    if made != tuple((name, kind.replace(" ", "")) for name, kind in promised):
        raise TypeError(f"{set(made) ^ set(promised)} are not as the raw table promises")
    copied = connection.execute(f"copy ({query}) to {quote(str(path))} ({_PARQUET})").fetchone()
    return int(copied[0]) if copied else 0


def _nothing(table: str) -> str:
    columns = ", ".join(f"null::{kind} as {quote_name(name)}" for name, kind in RAW_TABLES[table])
    return f"select {columns} limit 0"


@contextmanager
def _connected(place: Place, path: Path, where: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(engine_of(place)) as connection:
        try:
            yield connection
        except (duckdb.Error, OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            problem = str(error).partition("\n")[0].replace(str(path), path.name)
            if _is_of_this_machine(error):
                raise Terminal(
                    f"this machine cannot read a data file: {problem}",
                    where=where,
                    fix="Raise engine.memory_limit in moraine.yaml, or give engine.temp_directory more room.",
                ) from error
            raise Damaged(
                f"a data file cannot be read: {problem}",
                where=where,
                fix="Copy it again or wait for the next delivery; nothing of this delivery was landed.",
            ) from error


def _is_of_this_machine(error: Exception) -> bool:
    """Tell a full disk or too little memory from a damaged file, which would be quarantined."""
    if isinstance(error, duckdb.IOException):
        return os.strerror(errno.ENOSPC) in str(error)
    # Corrupt files are OSErrors too, but the system has no number for them.
    is_from_system = isinstance(error, OSError) and error.errno is not None
    return is_from_system or isinstance(error, duckdb.OutOfMemoryException)


def engine_of(place: Place) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that keeps to the share of the machine that a source has; times are UTC."""
    connection = connect(
        memory_limit=place.memory_limit, threads=place.threads, temp_directory=str(place.scratch)
    )
    connection.execute("set timezone = 'UTC'")
    return connection


def _open(connection: duckdb.DuckDBPyConnection, path: Path, where: str, form: FileForm) -> DataFile | None:
    file_format = form.file_format.lower() or where.lower().rpartition(".")[2]
    if form.blank_files == "any" and not path.stat().st_size:
        return None
    match file_format:
        case "parquet":
            relation = f"read_parquet({_literal(path)}, hive_partitioning = false)"
            present = _described(connection, relation)
            return DataFile(relation, present, where, _renamed(present, _top_level(connection, path)))
        case "orc":
            from pipelines.sources import orc_file  # noqa: PLC0415  (Arrow loads for as long as a file lands)

            columns = orc_file.register(connection, path)
            return DataFile(orc_file.NAME, _described(connection, columns), where)
        case "jsonl":
            return _open_json(path, where, form)
        case _:
            return _open_csv(path, where, form)


def _described(connection: duckdb.DuckDBPyConnection, relation: str) -> Present:
    described = connection.execute(f"describe select * from {relation}").fetchall()
    return {str(row[0]): str(row[1]) for row in described}


def _top_level(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[str]:
    """Return the names that the file itself gives its columns, in their order."""
    nodes = connection.execute(
        f"select name, coalesce(num_children, 0) from parquet_schema({_literal(path)})"
    ).fetchall()
    # The schema is a tree, written depth first below a root.
    at = 1
    while at < len(nodes):
        yield str(nodes[at][0])
        below = 1
        while below:
            below += int(nodes[at][1]) - 1
            at += 1


def _open_json(path: Path, where: str, form: FileForm) -> DataFile:
    # A field that is null is often left out, so the first records do not show which fields there are.
    columns = ", ".join(f"{quote(name)}: 'JSON'" for name in form.names)
    relation = (
        f"read_json({_literal(path)}, format = 'auto', records = true, columns = {{{columns}}}, "
        f"compression = '{'gzip' if _starts_with_gzip(path) else 'none'}', hive_partitioning = false)"
    )
    return DataFile(relation, dict.fromkeys(form.names, "JSON"), where)


def _open_csv(path: Path, where: str, form: FileForm) -> DataFile | None:
    is_gzip = _starts_with_gzip(path)
    first = _first_line(path, is_gzip=is_gzip)
    if not first:
        _check_blank(where, form)
        return None
    written = form.names or _header(first, form.delimiter)
    if form.ragged_header:
        written = written[: _width(path, form, is_gzip=is_gzip) or len(written)]
    names = _unique(written)
    columns = ", ".join(f"{quote(name)}: 'varchar'" for name in names)
    nulls = ", ".join(quote(text) for text in form.nulls)
    relation = (
        f"read_csv({_literal(path)}, header = {not form.names}, columns = {{{columns}}}, "
        f"auto_detect = false, delim = {quote(form.delimiter)}, quote = '\"', escape = '\"', "
        f"nullstr = [{nulls}], compression = '{'gzip' if is_gzip else 'none'}', hive_partitioning = false)"
    )
    return DataFile(relation, dict.fromkeys(names, "VARCHAR"), where, _renamed(names, written))


def _check_blank(where: str, form: FileForm) -> None:
    if form.blank_files == "refused":
        raise Damaged(
            "a data file is empty: it has not even a header",
            where=where,
            fix="Copy it again or wait for the next delivery; nothing of this delivery was landed.",
        )


def _starts_with_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _first_line(path: Path, *, is_gzip: bool) -> bytes:
    with gzip.open(path) if is_gzip else path.open("rb") as file:
        return file.readline(_LONGEST_HEADER_BYTES)


def _width(path: Path, form: FileForm, *, is_gzip: bool) -> int:
    """Return how many fields the first row below the header has; 0 where there is none."""
    with gzip.open(path) if is_gzip else path.open("rb") as file:
        rows = csv.reader((line.decode("utf-8-sig") for line in file), delimiter=form.delimiter)
        next(rows)
        return len(next(rows, ()))


def _header(line: bytes, delimiter: str) -> tuple[str, ...]:
    return tuple(next(csv.reader([line.decode("utf-8-sig")], delimiter=delimiter)))


def _unique(written: Iterable[str]) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for name in written:
        # Tag columns may differ in case only; DuckDB's names do not.
        unique = name if name.lower() not in names else f"{name}_{len(names)}"
        names[unique.lower()] = unique
    return tuple(names.values())


def _renamed(names: Iterable[str], written: Iterable[str]) -> Mapping[str, str]:
    return {name: own for name, own in zip(names, written, strict=False) if name != own}


def _literal(path: Path) -> str:
    # DuckDB reads a pattern: a bracket in a folder's name would start a set of characters.
    return quote(str(path).translate({ord(mark): f"[{mark}]" for mark in "[*?"}))
