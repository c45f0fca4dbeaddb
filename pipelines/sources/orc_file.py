"""ORC files, which DuckDB reads through Arrow."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import orc

NAME = "orc_file"
"""What to select a registered file from; it is read once."""

_COLUMNS = "orc_columns"


def register(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Make a file known as `NAME`; return the name of a table of its columns without rows.

    Raises:
        OSError: the file is damaged.
    """
    try:
        file = orc.ORCFile(path)
    except pa.ArrowException as error:
        raise OSError(str(error)) from error
    connection.register(NAME, pa.RecordBatchReader.from_batches(file.schema, _stripes(file)))
    connection.register(_COLUMNS, file.schema.empty_table())
    return _COLUMNS


def _stripes(file: orc.ORCFile) -> Iterator[pa.RecordBatch]:
    return (file.read_stripe(index) for index in range(file.nstripes))
