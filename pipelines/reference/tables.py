"""The form in which facts kept by hand reach the models: a small table of the `reference` schema."""

from dataclasses import dataclass

from pipelines.domain.raw_tables import Columns


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """One table: `reference.<name>`, its columns with DuckDB types, and its rows in column order."""

    name: str
    columns: Columns
    rows: tuple[tuple[object, ...], ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names alone."""
        return tuple(name for name, _ in self.columns)
