"""YAML into values, whatever the text."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from pipelines.domain.yaml_text import parse_shipped_yaml, parse_yaml
from pipelines.errors import Terminal


class Inner(BaseModel):
    """Something inside."""

    model_config = ConfigDict(extra="forbid")
    days: int = 0


class Cat(BaseModel):
    """One of two."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    """The other."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["dog"]
    tricks: Inner = Inner()
    owner: str = Field(alias="from")


class Document(BaseModel):
    """A whole file."""

    model_config = ConfigDict(extra="forbid")
    title: str
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    pets: tuple[Annotated[Cat | Dog, Field(discriminator="kind")], ...] = ()


def test_a_whole_file_is_read() -> None:
    text = "title: x\ninner: {days: 3}\nmany:\n  - {days: 1}\n"
    document = parse_yaml(text, Document, origin="f")
    assert (document.title, document.inner.days, document.many[0].days) == ("x", 3, 1)


@pytest.mark.parametrize(
    "text, where, said",
    [
        ("title: x\ntitle: y\n", "f, line 2", 'duplicate key "title"'),
        ("title: x\ninner:\n  days: 1\n  days: 2\n", "f, line 4", 'duplicate key "days"'),
        ("title: x\ninner:\n  day: 1\n", "f, line 3, inner.day", "Did you mean 'days'"),
        ("title: x\nmany:\n  - days: 1\n  - days: soon\n", "f, line 4, many.1.days", "valid integer"),
        ("title: x\nmany: {days: 1}\n", "f, line 2, many", "should be a list"),
        ("title: x\ninner: [1]\n", "f, line 2, inner", "'name: value' pairs"),
        ("inner: {days: 1}\n", "title", "'title' is missing"),
        ("title: x\npets:\n  - kind: cat\n    live: 1\n", "f, line 4, pets.0.live", "Did you mean 'lives'"),
        ("title: x\npets:\n  - kind: cat\n    tricks: 1\n", "pets.0.tricks", "Known names here: kind, lives"),
        ("title: x\npets:\n  - kind: dog\n    form: x\n", "f, line 4, pets.0.form", "Did you mean 'from'"),
        (
            "title: x\npets:\n  - {kind: dog, from: x, tricks: {day: 1}}\n",
            "f, line 3, pets.0.tricks.day",
            "Did you mean 'days'",
        ),
        ("title: x\npets:\n  - kind: dog\n", "f, line 3, pets.0.from", "'from' is missing"),
        ("title: x\npets:\n  - kind: cow\n", "f, line 3, pets.0", "'cat', 'dog'"),
        ("title: x\n\tinner: 1\n", "f, line 2", "not valid YAML"),
        ("[" * 1000, "f", "nested too deeply"),
        ("", "f", "the file holds no settings"),
        ("- x\n", "f", "not a mapping"),
    ],
)
def test_a_mistake_is_one_message_that_names_the_line(text: str, where: str, said: str) -> None:
    with pytest.raises(Terminal) as caught:
        parse_yaml(text, Document, origin="f")
    assert where in caught.value.where
    assert said in str(caught.value)


@given(st.text(alphabet=st.sampled_from("title:inrday -[]{}&*!?|>\n\t'\"#1"), max_size=40))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    with suppress(Terminal):
        assert parse_yaml(text, Document, origin="f").title is not None


ROOT = Path(__file__).parents[4]
SHIPPED = sorted([*(ROOT / "sql").rglob("*.yml"), *(ROOT / "pipelines").rglob("*.yaml")])


def test_what_comes_along_has_no_duplicate_key_and_means_the_same_to_both_parsers() -> None:
    assert len(SHIPPED) > 100
    strict = YAML(typ="safe")
    for path in SHIPPED:
        text = path.read_text(encoding="utf-8")
        assert strict.load(text) == yaml.load(text, Loader=yaml.CSafeLoader), path


def test_what_is_wrong_with_a_shipped_file_is_told_with_its_line() -> None:
    with pytest.raises(Terminal) as caught:
        parse_shipped_yaml("days: 1\ndayz: 2\n", Inner, origin="inner.yaml")
    assert "line 2" in caught.value.where
