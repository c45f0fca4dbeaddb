"""Patterns of names: what a name's shape must be, and where its numbers stand.

`model-{shard}-of-{shards}.safetensors` has the shape `model-#-of-#.safetensors`. With stars, a pattern is the
text that a shape starts with, contains and ends with.
"""

import re
from dataclasses import dataclass

_PLACE = re.compile(r"\{([a-z]+)\}")
_DIGITS = re.compile(r"[0-9]+")
NUMBERS = frozenset({"step", "epoch", "shard", "shards", "rank", "column", "number"})
"""What a number in a name may mean; `number` is one that nobody reads."""


@dataclass(frozen=True, slots=True)
class NamePattern:
    """One pattern, taken apart so that it can be matched without regular expressions."""

    text: str
    is_exact: bool
    """No star: the shape is equal, or it does not match."""
    starts: str
    contains: str
    ends: str
    numbers: tuple[tuple[str, str], ...]
    """What a number means, and the text in front of it."""
    last_number: str | None = None
    """What the last run of digits in the name means, where neither star nor digit follows it."""
    fixed_end: str = ""
    """The text behind the last number or star, as it is written."""

    @property
    def shape(self) -> str:
        """The shape, of a pattern without a star."""
        return self.starts

    def tail(self, length: int) -> str:
        """Return the last characters of whatever matches, at most so many."""
        return self.fixed_end[-length:]

    @property
    def ends_in_digit(self) -> bool:
        """Whether whatever matches ends with a digit."""
        return (self.starts if self.is_exact else self.ends).endswith("#")

    def after(self, meaning: str) -> str | None:
        """Return the text in front of the number with that meaning, or None if the pattern has none."""
        return dict(self.numbers).get(meaning)


def parse_pattern(text: str) -> NamePattern:
    """Return the parts of a pattern.

    Raises:
        ValueError: more than two stars, an unknown number, or one whose place nothing marks.
    """
    pieces = text.split("*")
    if len(pieces) > 3:
        raise ValueError(f"{text!r} has more than two stars")
    unknown = sorted(set(_PLACE.findall(text)) - NUMBERS)
    if unknown:
        raise ValueError(f"{text!r}: {{{unknown[0]}}} is not one of {', '.join(sorted(NUMBERS))}")
    numbers = _places(text)
    fixed_end = re.split(r"[*}]", text)[-1]
    shapes = [_DIGITS.sub("#", _PLACE.sub("#", piece.replace("#", "!"))) for piece in pieces]
    middle = shapes[1] if len(shapes) == 3 else ""
    ends = shapes[-1] if len(shapes) > 1 else ""
    return NamePattern(
        text, len(shapes) == 1, shapes[0], middle, ends, numbers, _last_number(text), fixed_end
    )


def _last_number(text: str) -> str | None:
    places = list(_PLACE.finditer(text))
    if not places or re.search(r"[*0-9]", text[places[-1].end() :]):
        return None
    return places[-1].group(1)


def _places(text: str) -> tuple[tuple[str, str], ...]:
    numbers: list[tuple[str, str]] = []
    last = _last_number(text)
    for found in _PLACE.finditer(text):
        meaning = found.group(1)
        in_front = re.split(r"[*}]", text[: found.start()])[-1]
        if meaning == "number":
            continue
        if in_front or found.start() == 0:
            numbers.append((meaning, in_front))
        elif meaning != last or not text[: found.start()].endswith("*"):
            raise ValueError(f"{text!r}: nothing in front of {{{meaning}}} marks where it stands")
    return tuple(numbers)
