"""The one way to open DuckDB: nothing is downloaded, and no optimizer that gives wrong sums."""

from pathlib import Path

import duckdb

_ALWAYS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # DuckDB 2.0.0 believes a sum over a left join to be 0 where the right side is surely empty: `sum(x) > 0`
    # is false, and sorted by group it shows 0. Without this optimizer sums are right, builds a tenth slower.
    "disabled_optimizers": "statistics_propagation",
}


def connect(
    path: Path | None = None, *, read_only: bool = False, **settings: str | int
) -> duckdb.DuckDBPyConnection:
    """Return a connection to a file, or to a database in memory; `settings` are DuckDB's own.

    Raises:
        duckdb.Error: the file cannot be opened.
    """
    return duckdb.connect(str(path or ":memory:"), read_only=read_only, config={**_ALWAYS, **settings})
