"""The yml beside every model: what one row is, its key, its columns, and examples of both."""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.domain.yaml_text import parse_shipped_yaml
from pipelines.errors import Terminal

GRAIN = "One row per "
_EXAMPLES = "\ntests:\n"
Row = dict[str, object]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Column(_Frozen):
    """One promised column."""

    type: str = Field(min_length=1)
    """DuckDB's name of the type, such as `varchar` or `decimal(38,12)`."""
    unit: str | None = None
    """What one of it is, where the name does not say."""
    meaning: str = Field(min_length=1)
    """One sentence; it becomes the comment on the column."""


class Example(_Frozen):
    """A unit test: what the tables it reads hold, and what comes out."""

    as_of: date | None = None
    """The run's date."""
    variables: dict[str, str | int] = {}
    """Further values for `getvariable`."""
    given: dict[str, list[Row]] = {}
    """Rows by table. A column left out is null; a table left out is empty, or as it is if kept by hand."""
    expect: list[Row]
    """Rows in any order. Only the columns named here are compared."""


class Description(_Frozen):
    """What a model's yml promises."""

    description: str
    """Starts with `One row per`."""
    materialized: Literal["view", "table"] | None = None
    """Staging models are views and all others tables, unless this says otherwise."""
    key: tuple[str, ...] = Field(min_length=1)
    """Columns that are never null and together unique."""
    key_promised_by: str | None = None
    """Who makes the key unique: then tables as long as a bucket or a bill are not counted on every build."""
    columns: dict[str, Column] = Field(min_length=1)
    """All columns, in the order the model selects them."""

    @field_validator("description")
    @classmethod
    def _says_the_grain(cls, description: str) -> str:
        if not description.startswith(GRAIN):
            raise ValueError(f"a description starts with {GRAIN!r}: say what one row is")
        return description

    @model_validator(mode="after")
    def _key_is_described(self) -> "Description":
        unknown = [column for column in self.key if column not in self.columns]
        if unknown:
            raise ValueError(f"the key names {unknown[0]!r}, which is not among the columns")
        return self


class WholeDescription(Description):
    """The whole of a model's yml."""

    tests: dict[str, Example] = Field(min_length=1)
    """At least one example; they come last."""


def read_description(sql: Path) -> WholeDescription:
    """Return all that stands beside the model in `sql`.

    Raises:
        Terminal: there is no yml, or it does not have this form.
    """
    path = _beside(sql)
    return parse_shipped_yaml(path.read_text(encoding="utf-8"), WholeDescription, origin=str(path))


def read_promises(sql: Path) -> Description:
    """Return what stands beside the model in `sql` above its examples, which are most of it.

    Raises:
        Terminal: there is no yml, or what it promises does not have this form.
    """
    path = _beside(sql)
    promises, _, _ = path.read_text(encoding="utf-8").partition(_EXAMPLES)
    return parse_shipped_yaml(promises, Description, origin=str(path))


def _beside(sql: Path) -> Path:
    path = sql.with_suffix(".yml")
    if not path.is_file():
        raise Terminal(
            f"model {sql.stem} has no yml",
            where=str(path),
            fix="Describe it there: 'description: One row per …', key, columns, and at least one test.",
        )
    return path
