"""Values as text: JSON with every digit for machines, one visible line for people."""

import dataclasses
import re
from datetime import date, datetime
from decimal import Decimal

import simplejson

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def to_json(value: object) -> str:
    """Return one JSON document: decimals as numbers with all their digits, times as ISO 8601 UTC."""
    return simplejson.dumps(value, default=_plain, use_decimal=True, indent=2, ensure_ascii=False)


def visible(value: object) -> str:
    r"""Return a value as one line; names from buckets can neither move the cursor nor turn the text around.

    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    match value:
        case None:
            text = ""
        case Decimal():
            # Zero of twelve digits would be written 0E-12.
            text = f"{value:f}"
        case _:
            text = str(value)
    return _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat() + "Z"
        case date():
            return value.isoformat()
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        case set() | frozenset():
            return sorted(value, key=str)
    return str(value)
