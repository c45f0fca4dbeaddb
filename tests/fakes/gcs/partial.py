"""The `fields` parameter: `nextPageToken,items(name,metadata/owner)`."""

from collections.abc import Iterator
from typing import Any

from tests.fakes.gcs.messages import Json, invalid

Selector = dict[str, "Selector"]
"""Names to keep; an empty selector keeps everything below."""


def select(document: Json, fields: str | None) -> Json:
    """Return what a client asked for of a document.

    Raises:
        ApiError: 400, the parameter is malformed.
    """
    if not fields:
        return document
    characters = iter(fields)
    selector, end = _parse(characters)
    if end:
        raise invalid(f"Invalid field selection {fields}")
    kept: Json = _kept(document, selector)
    return kept


def _parse(characters: Iterator[str]) -> tuple[Selector, str]:
    selector: Selector = {}
    inner: Selector = selector
    name = ""
    for character in characters:
        if character in "/(":
            inner = inner.setdefault(name, {})
            name = ""
        else:
            name += "" if character in ",)" else character
        if character == "(":
            below, _ = _parse(characters)
            inner.update(below)
        if character in ",)":
            _add(inner, name)
            inner, name = selector, ""
        if character == ")":
            return selector, character
    _add(inner, name)
    return selector, ""


def _add(selector: Selector, name: str) -> None:
    if name:
        selector.setdefault(name, {})


def _kept(value: Any, selector: Selector) -> Any:  # noqa: ANN401  (JSON)
    if not selector or "*" in selector:
        return value
    if isinstance(value, list):
        return [_kept(item, selector) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _kept(value[name], below) for name, below in selector.items() if name in value}
