"""Pins: empty files with which people ask for a checkpoint to be kept.

`PINNED` keeps it for as long as the file is there, `keep_until_2027-01-31` through that day. The file lies
inside a checkpoint's folder, or beside a single file under its name: `model.ckpt.PINNED`.
"""

import re
from collections.abc import Iterable
from datetime import date

PIN_PATTERN = r"(^|[/.])(PINNED|keep_until_[0-9]{4}-[0-9]{2}-[0-9]{2})$"
"""Over an object key; also runs in DuckDB."""
_PIN = re.compile(PIN_PATTERN)


def pin_in_force(keys: Iterable[str], day: date) -> str | None:
    """Return the first key that keeps its checkpoint on `day`, or None."""
    return next((key for key in keys if _holds(key, day)), None)


def _holds(key: str, day: date) -> bool:
    found = _PIN.search(key)
    if not found:
        return False
    until = found.group(2).removeprefix("keep_until_")
    try:
        return until == "PINNED" or day <= date.fromisoformat(until)
    except ValueError:
        # 2027-02-31 is no day; whoever wrote it wanted to keep something.
        return True
