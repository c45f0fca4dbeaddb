"""Pins: with which people ask for a checkpoint to be kept, as files beside it, in a list, or as tags.

`PINNED` keeps for as long as it is there, `keep_until_2027-01-31` through that day. Such a file lies in the
folder of a checkpoint, or in one above it for everything below; beside a single file it carries its name:
`model.ckpt.PINNED`. A list of pins (`pins` in moraine.yaml) names places, and says why. The tags
`moraine:keep=true` and `moraine:keep_until=2027-01-31` say the same of an object; no listing has them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipelines.domain.claims import Claim, place_named
from pipelines.domain.yaml_text import parse_yaml

PIN_PATTERN = r"(^|[/.])(PINNED|keep_until_[0-9]{4}-[0-9]{2}-[0-9]{2})$"
"""Over an object key; also runs in DuckDB."""
PIN_STARTS = ("PINNED", "keep_until_")
"""How the name of such a file in a folder begins."""
_PIN = re.compile(PIN_PATTERN)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("say in a few words why it is kept: whoever reads it next year wants to know")
    return text


class Pin(_Frozen):
    """A place that nothing may be cleared from."""

    match: str = Field(pattern=r"^(s3|gs)://[^/]+/")
    """`s3://bucket/prefix/`: what lies there or below, by whole folders; or a checkpoint or file itself."""
    until: date | None = None
    """The last day on which it holds; without one it holds until it is taken out."""
    because: Annotated[str, AfterValidator(_not_blank)]
    """Why, for people."""

    @property
    def label(self) -> str:
        """Short form for reasons."""
        return self.because + (f" (until {self.until})" if self.until else "")

    @property
    def claim(self) -> Claim:
        """What it keeps."""
        return Claim(self.label, place_named(self.match))

    def holds(self, day: date) -> bool:
        """Tell whether it is in force on a day."""
        return self.until is None or day <= self.until


class Pins(_Frozen):
    """The whole of a file of pins."""

    pins: tuple[Pin, ...] = ()
    """What is kept, in any order."""


def parse_pins(text: str, *, origin: str) -> Pins:
    """Return the text of a file of pins as values.

    Raises:
        Terminal: with the line and the fix.
    """
    return parse_yaml(text, Pins, origin=origin)


def pin_in_force(keys: Iterable[str], day: date) -> str | None:
    """Return the first key of a pin that holds on `day`, or None."""
    return next((key for key in keys if _holds(key, day)), None)


def tag_in_force(tags: Mapping[str, str], day: date) -> str | None:
    """Return the tag of an object that keeps its checkpoint on `day`, as `name=value`, or None.

    Names are compared without regard to capitals and to `:`, `_` and `-`: custom metadata on Cloud Storage
    cannot have a colon. A value that cannot be understood keeps: whoever wrote it wanted to.
    """
    return next((f"{name}={value}" for name, value in tags.items() if _keeps(name, value, day)), None)


def pins_above(key: str) -> Iterator[str]:
    """Yield how the keys of pins begin that lie in a folder above `key`, the bucket's own folder last."""
    folder = key.rstrip("/")
    while folder:
        folder = folder.rpartition("/")[0]
        yield from (f"{folder}/{start}" if folder else start for start in PIN_STARTS)


def _keeps(name: str, value: str, day: date) -> bool:
    match re.sub("[:_-]+", "-", name.lower()):
        case "moraine-keep":
            return value.strip().lower() not in {"false", "no", "0"}
        case "moraine-keep-until":
            return _is_through(value.strip(), day)
        case _:
            return False


def _holds(key: str, day: date) -> bool:
    found = _PIN.search(key)
    if not found:
        return False
    until = found.group(2).removeprefix("keep_until_")
    return until == "PINNED" or _is_through(until, day)


def _is_through(until: str, day: date) -> bool:
    try:
        return day <= date.fromisoformat(until)
    except ValueError:
        # 2027-02-31 is no day; whoever wrote it wanted to keep something.
        return True
