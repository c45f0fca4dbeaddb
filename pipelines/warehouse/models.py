"""Finds the models below `sql/` and puts them in an order in which each one's tables exist before it runs.

The folder is the layer and the schema; the file name is the table. What a model depends on is what its query
selects from: nothing is declared twice.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import duckdb

from pipelines.errors import NotFound, Terminal
from pipelines.warehouse.descriptions import Description, read_description, read_promises
from pipelines.warehouse.inputs import given_tables

MAY_READ: Mapping[str, frozenset[str]] = {
    "staging": frozenset({"raw"}),
    "intermediate": frozenset({"staging", "intermediate", "reference"}),
    "marts": frozenset({"intermediate", "staging", "reference", "marts"}),
}
"""Which layer selects from which. Data flows one way."""

# Whatever else begins like this and changes something has no tables to be named without a database.
_BEGINS_LIKE_A_SELECT = re.compile(r"(?:\s|--[^\n]*\n)*(?:with|select)\b", re.IGNORECASE)
_COMMENT = re.compile("--[^\n]*")
_SELECTED_FROM = re.compile(r"\b(?:from|join)\s+((?:raw|reference|staging|intermediate|marts)\.\w+)")


@dataclass(frozen=True, slots=True)
class Model:
    """One select and its description."""

    layer: str
    name: str
    path: Path
    sql: str
    description: Description
    depends_on: tuple[str, ...]
    """Qualified tables, sorted."""

    @property
    def table(self) -> str:
        """Its qualified name: `marts.costs_daily`."""
        return f"{self.layer}.{self.name}"

    @property
    def is_view(self) -> bool:
        """Whether it is kept as a query, not as rows."""
        chosen = self.description.materialized
        return chosen == "view" if chosen else self.layer == "staging"


def sql_root() -> Path:
    """Return where the models are: `sql/` of a checkout, or the copy inside an installed package.

    Raises:
        NotFound: neither is there.
    """
    package = Path(__file__).resolve().parent
    places = (package.parent.parent / "sql", package / "sql")
    for place in places:
        if (place / "marts").is_dir():
            return place
    raise NotFound(
        "the SQL models are not there",
        where=" or ".join(str(place) for place in places),
        fix="Install the package again, or run from a complete checkout.",
    )


@cache
def shipped_models() -> tuple[Model, ...]:
    """Return the project's own models in build order; they do not change while a program runs.

    What nobody edits is read without its examples, and its tables without a parser: the tests read it as
    `find_models` does, and compare.
    """
    return _in_build_order(sql_root(), given_tables(), _read_shipped)


def find_models(root: Path, *, given: Iterable[str]) -> tuple[Model, ...]:
    """Return every model below `root` in build order; `given` names the raw and reference tables.

    Raises:
        Terminal: a yml is missing or wrong, a table is unknown, a layer is read against the flow, or a cycle.
    """
    return _in_build_order(root, given, read_model)


def _in_build_order(
    root: Path, given: Iterable[str], read: Callable[[Path, Path], Model]
) -> tuple[Model, ...]:
    models: dict[str, Model] = {}
    for path in sorted(root.rglob("*.sql")):
        model = read(root, path)
        if model.table in models:
            raise Terminal(
                f"two models are called {model.table}",
                where=f"{models[model.table].path} and {path}",
                fix="Rename one of the two: the file name is the table's name.",
            )
        models[model.table] = model
    known = set(models) | set(given)
    for model in models.values():
        _check_reads(model, known)
    return _ordered(models)


def read_model(root: Path, path: Path) -> Model:
    """Return the model in `path`.

    Raises:
        Terminal: it is in no layer, has no yml, or is not one select.
    """
    layer = path.relative_to(root).parts[0]
    if layer not in MAY_READ:
        raise Terminal(
            f"{layer!r} is not a layer", where=str(path), fix=f"Move it to one of {', '.join(MAY_READ)}."
        )
    sql = path.read_text(encoding="utf-8")
    return Model(layer, path.stem, path, sql, read_description(path), tables_read(sql, origin=str(path)))


def _read_shipped(root: Path, path: Path) -> Model:
    sql = path.read_text(encoding="utf-8")
    named = _SELECTED_FROM.findall(_COMMENT.sub("", sql))
    layer = path.relative_to(root).parts[0]
    return Model(layer, path.stem, path, sql, read_promises(path), tuple(sorted(set(named))))


def tables_read(sql: str, *, origin: str) -> tuple[str, ...]:
    """Return the qualified tables that a query selects from, its own CTEs left out.

    Raises:
        Terminal: it is not one select, or a table has no schema.
    """
    try:
        # The client's own connection serves: nothing is run, and to open one for each model takes longer.
        found = duckdb.get_table_names(sql, qualified=True)
    except duckdb.Error as error:
        _check_is_select(sql, origin)
        raise _unreadable(error, origin) from None
    if not _BEGINS_LIKE_A_SELECT.match(sql):
        _check_is_select(sql, origin)
    for table in sorted(found):
        if "." not in table:
            raise Terminal(
                f"table {table!r} has no schema",
                where=origin,
                fix=f"Write its layer in front, such as staging.{table}, or define it as a CTE.",
            )
    return tuple(sorted(found))


def _check_is_select(sql: str, origin: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise _unreadable(error, origin) from None
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise Terminal(
            "not one bare select", where=origin, fix="Keep one select per file, without a semicolon."
        )


def _unreadable(error: duckdb.Error, origin: str) -> Terminal:
    problem = str(error).splitlines()[0]
    return Terminal(f"not readable as SQL: {problem}", where=origin, fix="Correct the query.")


def _check_reads(model: Model, known: set[str]) -> None:
    for table in model.depends_on:
        layer = table.partition(".")[0]
        if layer not in MAY_READ[model.layer]:
            raise Terminal(
                f"{model.table} selects from {table}",
                where=str(model.path),
                fix=f"{model.layer} selects only from {', '.join(sorted(MAY_READ[model.layer]))}.",
            )
        if table not in known:
            raise Terminal(
                f"{model.table} selects from {table}, which nothing makes",
                where=str(model.path),
                fix="Correct the name, or add the model that makes it.",
            )


def _ordered(models: Mapping[str, Model]) -> tuple[Model, ...]:
    sorter = TopologicalSorter(
        {name: [table for table in model.depends_on if table in models] for name, model in models.items()}
    )
    try:
        return tuple(models[name] for name in sorter.static_order())
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise Terminal(
            f"the models select from one another in a circle: {circle}",
            where=str(models[error.args[1][0]].path),
            fix="Move what they share into a model of its own.",
        ) from None
