"""Reading one data file through DuckDB as a stream of Arrow batches."""

import csv
import gzip
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import orc

from pipelines.domain.deliveries import Delivery
from pipelines.domain.quoting import quote
from pipelines.errors import Terminal
from pipelines.sources.bucket_root import bucket_root
from pipelines.sources.columns import Present, arrow_schema
from pipelines.sources.places import Place

BATCH_ROWS = 122_880
"""Rows of one DuckDB row group."""

_GZIP = b"\x1f\x8b"
_LONGEST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that DuckDB can select from."""

    relation: str
    """What to put after `from`."""
    present: Present
    where: str


Query = Callable[[DataFile], str]
"""Makes the SQL that turns a file into rows of its raw table."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """How the files of a delivery are written."""

    file_format: str = ""
    """`CSV`, `Parquet` or `ORC` as the manifest says; where it does not say, the file's name does."""
    names: tuple[str, ...] = ()
    """CSV: columns in file order, where the files have no header line."""
    nulls: tuple[str, ...] = ("",)
    """CSV: spellings of null."""


def read_delivery(
    place: Place, delivery: Delivery, query: Query, form: FileForm = FileForm()
) -> pa.RecordBatchReader:
    """Return the rows of all parts, one part after the other: only one of them is on this machine at a time.

    Raises:
        NotFound: a part is missing.
        Terminal: a part is damaged.
    """
    schema = arrow_schema(delivery.table)
    if not delivery.parts:
        return pa.RecordBatchReader.from_batches(schema, iter(()))
    root = bucket_root(place, delivery.parts[0].key)

    def batches() -> Iterator[pa.RecordBatch]:
        for part in delivery.parts:
            with root.verified(part, place.scratch) as path:
                for batch in read_file(place, path, root.where(part.key), query, form):
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def read_file(place: Place, path: Path, where: str, query: Query, form: FileForm) -> Iterator[pa.RecordBatch]:
    """Yield what `query` selects from one file.

    Raises:
        Terminal: the file cannot be read as what its name says.
    """
    with closing(_connection(place)) as connection:
        try:
            file = _open(connection, path, where, form)
            if file is not None:
                yield from connection.sql(query(file)).to_arrow_reader(BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            problem = str(error).partition("\n")[0].replace(str(path), path.name)
            raise Terminal(
                f"a data file cannot be read: {problem}",
                where=where,
                fix="Copy it again or wait for the next delivery; nothing of this delivery was landed.",
            ) from error


def _connection(place: Place) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": place.memory_limit,
            "temp_directory": str(place.scratch),
        }
    )
    connection.execute("set timezone = 'UTC'")
    return connection


def _open(connection: duckdb.DuckDBPyConnection, path: Path, where: str, form: FileForm) -> DataFile | None:
    match form.file_format.lower() or where.lower().rpartition(".")[2]:
        case "parquet":
            relation = f"read_parquet({_literal(path)}, hive_partitioning = false)"
            return DataFile(relation, _described(connection, relation), where)
        case "orc":
            file = orc.ORCFile(path)
            stripes = (file.read_stripe(index) for index in range(file.nstripes))
            connection.register("orc_file", pa.RecordBatchReader.from_batches(file.schema, stripes))
            connection.register("orc_columns", file.schema.empty_table())
            return DataFile("orc_file", _described(connection, "orc_columns"), where)
        case _:
            return _open_csv(path, where, form)


def _described(connection: duckdb.DuckDBPyConnection, relation: str) -> Present:
    described = connection.execute(f"describe select * from {relation}").fetchall()
    return {str(row[0]): str(row[1]) for row in described}


def _open_csv(path: Path, where: str, form: FileForm) -> DataFile | None:
    is_gzip = _starts_with_gzip(path)
    first = _first_line(path, is_gzip=is_gzip)
    if not first:
        return None
    names = form.names or _header(first)
    columns = ", ".join(f"{quote(name)}: 'varchar'" for name in names)
    nulls = ", ".join(quote(text) for text in form.nulls)
    relation = (
        f"read_csv({_literal(path)}, header = {not form.names}, columns = {{{columns}}}, "
        f"auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
        f"nullstr = [{nulls}], compression = '{'gzip' if is_gzip else 'none'}', hive_partitioning = false)"
    )
    return DataFile(relation, dict.fromkeys(names, "VARCHAR"), where)


def _starts_with_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _first_line(path: Path, *, is_gzip: bool) -> bytes:
    with gzip.open(path) if is_gzip else path.open("rb") as file:
        return file.readline(_LONGEST_HEADER_BYTES)


def _header(line: bytes) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for name in next(csv.reader([line.decode("utf-8-sig")])):
        # Tag columns may differ in case only; DuckDB's names do not.
        unique = name if name.lower() not in names else f"{name}_{len(names)}"
        names[unique.lower()] = unique
    return tuple(names.values())


def _literal(path: Path) -> str:
    # DuckDB reads a pattern: a bracket in a folder's name would start a set of characters.
    return quote(str(path).translate({ord(mark): f"[{mark}]" for mark in "[*?"}))
