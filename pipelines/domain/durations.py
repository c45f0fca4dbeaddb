"""Lengths of time as people write them: `48h`, `3d`, `90m`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d+)\s*([mhdw])")


def parse_duration(text: object) -> timedelta:
    """Return `48h`, `3d`, `90m` or `2w` as a time span.

    Raises:
        ValueError: anything else, with the accepted form in the message.
    """
    if isinstance(text, timedelta):
        return text
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError(
            f"{text!r} is not a length of time; write a whole number and m, h, d or w, such as 48h or 3d"
        )
    try:
        return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
    except OverflowError:
        raise ValueError(f"{text!r} is longer than time is counted; write a shorter one") from None


def format_duration(span: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads back as `span`."""
    minutes = int(span.total_seconds() // 60)
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)
]
