"""The form of the YAML files beside this module: frozen, and nothing is accepted that is not known."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pipelines.domain.yaml_text import parse_shipped_yaml

Form = TypeVar("Form", bound=BaseModel)


class Frozen(BaseModel):
    """A value of a reference file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Citation(Frozen):
    """Where a fact was read."""

    title: str = Field(min_length=1)
    """What was read."""
    url: str = Field(pattern=r"^https://")
    """Where its publisher keeps it."""
    as_of: str = Field(min_length=1)
    """Which copy or commit was read."""


class Cited(Frozen):
    """A file of facts."""

    sources: tuple[Citation, ...] = Field(min_length=1)
    """Where its facts were read."""


def load(name: str, form: type[Form]) -> Form:
    """Return a reference file as values.

    Raises:
        Terminal: the file does not have this form.
    """
    path = Path(__file__).parent / name
    return parse_shipped_yaml(path.read_text(encoding="utf-8"), form, origin=str(path))
