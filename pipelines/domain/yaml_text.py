"""YAML text into typed values, or one clear message that names the line.

Duplicate and unknown keys are refused: a typing error in a retention policy must never widen it silently.
"""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipelines.errors import Terminal

Model = TypeVar("Model", bound=BaseModel)

_PLAIN_WORDS = {
    "list_type": "Input should be a list",
    "tuple_type": "Input should be a list",
    "dict_type": "Input should be 'name: value' pairs",
    "model_type": "Input should be 'name: value' pairs",
    "model_attributes_type": "Input should be 'name: value' pairs",
    "union_tag_not_found": "'kind' is missing",
}
"""YAML's words for what pydantic tells in Python's."""


def parse_yaml(text: str, model: type[Model], *, origin: str) -> Model:
    """Return `text` as a `model`; `origin` names the file in messages.

    Raises:
        Terminal: not YAML, a duplicate or unknown key, a missing or impossible value.
    """
    document = _load(text, origin)
    if not isinstance(document, dict):
        raise Terminal(
            "the file holds no settings"
            if document is None
            else "the file is not a mapping of names to values",
            where=origin,
            fix=f"Write 'name: value' lines; the names are {_names(model)}.",
        )
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _explain(error, document, model, origin) from None


def parse_shipped_yaml(text: str, model: type[Model], *, origin: str) -> Model:
    """Return a file that comes along with the program as a `model`, ten times as fast.

    What nobody edits needs no search for duplicate keys each time it is read; the tests search for them.

    Raises:
        Terminal: as `parse_yaml`, with its message.
    """
    try:
        return model.model_validate(yaml.load(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValidationError, ValueError, RecursionError):
        return parse_yaml(text, model, origin=origin)


def line_of(text: str, path: Sequence[int | str]) -> int:
    """Return the line, counted from 1, on which a value of a YAML text begins."""
    return _line_of(YAML(typ="rt").load(text), path)


def _load(text: str, origin: str) -> object:
    try:
        return YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = str(error.problem).split(" with value")[0]
        raise Terminal(problem, where=f"{origin}, line {line}", fix="Keep one of the two.") from None
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        where = f"{origin}, line {mark.line + 1}" if mark else origin
        problem = error.problem if isinstance(error, MarkedYAMLError) else "not readable"
        raise Terminal(
            f"not valid YAML: {problem}", where=where, fix="Mend the indentation or quoting there."
        ) from None
    except ValueError as error:
        # A day such as 2027-02-31 is a number to YAML, and none to the calendar; it has no line.
        raise Terminal(
            f"a value cannot be read: {error}", where=origin, fix="Write days as 2027-01-31, or in quotes."
        ) from None
    except RecursionError:
        raise Terminal("nested too deeply", where=origin, fix="Write what the README shows.") from None


def _explain(error: ValidationError, document: object, model: type[BaseModel], origin: str) -> Terminal:
    # A misspelt name is also a missing one: the spelling is what to mend.
    found = error.errors()
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    path = list(_written(document, first["loc"], is_missing=first["type"] == "missing"))
    spelled = ".".join(str(part) for part in path) or "(file)"
    where = f"{origin}, line {_line_of(document, path)}, {spelled}"
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        fix = f"Did you mean {near[0]!r}?" if near else f"Known names here: {', '.join(sorted(known))}."
        return Terminal(f"unknown key {path[-1]!r}", where=where, fix=fix)
    if first["type"] == "missing":
        return Terminal(f"{path[-1]!r} is missing", where=where, fix=f"Add '{path[-1]}: …' there.")
    message = _PLAIN_WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    return Terminal(f"{spelled}: {message}", where=where, fix="Correct the value on that line.")


def _written(document: object, loc: Sequence[int | str], *, is_missing: bool) -> Iterator[int | str]:
    """Yield the path as people wrote it: pydantic names the branch of a union inside, which no file has."""
    node = document
    for depth, part in enumerate(loc, start=1):
        is_last = depth == len(loc)
        is_absent = isinstance(node, dict) and part not in node and not (is_missing and is_last)
        if len(loc) > 1 and (is_absent or _is_branch(part)):
            continue
        yield part
        node = _inside(node, part)


def _inside(node: Any, part: int | str) -> object:  # noqa: ANN401  (ruamel's nodes are untyped)
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):
        return None


def _is_branch(part: object) -> bool:
    return isinstance(part, str) and part.startswith(("function-", "tagged-", "literal["))


def _line_of(document: Any, path: Sequence[int | str]) -> int:  # noqa: ANN401  (ruamel's nodes are untyped)
    node, line = document, 1
    for part in path:
        try:
            line = (node.lc.item(part) if isinstance(part, int) else node.lc.key(part))[0] + 1
            node = node[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    models = [model]
    for part in path:
        if isinstance(part, str) and not _is_branch(part):
            models = [*_models_below(models, part)] or [one for one in models if _is_kind(one, part)]
    return [_spelled(name, field) for one in models for name, field in one.model_fields.items()]


def _models_below(models: Sequence[type[BaseModel]], part: str) -> Iterator[type[BaseModel]]:
    for model in models:
        for name, field in model.model_fields.items():
            if _spelled(name, field) == part:
                yield from _models_inside(field.annotation)


def _models_inside(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in getattr(annotation, "__args__", ()):
            yield from _models_inside(argument)


def _is_kind(model: type[BaseModel], tag: str) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def _spelled(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _names(model: type[BaseModel]) -> str:
    return ", ".join(sorted(model.model_fields))
