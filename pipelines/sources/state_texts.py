"""Reading the small files in which frameworks write down which checkpoint counts.

Whoever can write to a bucket can write these: nothing here runs, follows or unpickles what it reads. A value
is a text or a number that is compared with names later; whether it names anything is not decided here.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from pipelines.reference.layout_catalogue import StateFile

REVISION = 2
"""Raise it when the same bytes are read otherwise than before: what was read earlier is then read again."""

LONGEST_VALUE = 4_096
"""Characters of a name or path: no key and no path of a Linux host is longer."""
MOST_METRICS = 50
"""Metrics of one checkpoint; more than any trainer compares checkpoints by."""
MOST_SAVES = 1_000
"""Checkpoints that one file tells of, the last ones; where others are still there, the best stays unknown."""
DEEPEST_METRIC = 5
"""Levels of a metric's name, such as `env_runners/episode_return_mean`."""
MOST_BYTES: Mapping[str, int] = {
    # A name or a path. What is called `latest` and is larger is no pointer.
    "text": 64 * 1024,
    # TensorFlow lists every checkpoint that it keeps.
    "textproto": 1024 * 1024,
    # The Trainer writes a line of log history into it at every few steps.
    "json": 16 * 1024 * 1024,
    # A line per report, each with all settings.
    "jsonlines": 16 * 1024 * 1024,
}
"""What is read of a file at most, by how it is written."""

_STEP = re.compile(r"\$?\.?([^.\[\]]+)|\[(\d{1,6})\]")
_PROTO_FIELD = re.compile(r"^\s*\w+\s*[:{<]", re.MULTILINE)
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


class Unreadable(Exception):
    """A state file is not what its name says; the text says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a state file says; None where it says nothing."""

    latest: str | None = None
    best: str | None = None
    metrics: tuple[tuple[str, float], ...] = ()
    """Metrics of the one checkpoint that the file belongs to: name and value."""
    saves: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    """The same of several checkpoints, by the names of their folders beside the file."""


def parse_state(data: bytes, file: StateFile) -> Told:
    """Return what a state file says.

    Raises:
        Unreadable: it is not written as it should be, or holds what can be no name.
    """
    find = _FORMATS[file.format](_text(data))
    if file.about is not None:
        return Told(saves=_saves(find(file.each or "*"), file))
    if file.tells == "metric":
        return Told(metrics=_measured_by(find(file.best or "*"), file))
    says_latest = file.tells in {"latest", "both"}
    says_best = file.tells in {"best", "both"}
    return Told(
        latest=_value(find(file.latest or "")) if says_latest else None,
        best=_value(find(file.best or "")) if says_best else None,
    )


def _text(data: bytes) -> str:
    try:
        # Editors of Windows put a mark in front.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text") from None


def _plain(text: str) -> Callable[[str], object]:
    line = text.strip()
    if not line:
        raise Unreadable("it is empty")
    return lambda _: line


def _json(text: str) -> Callable[[str], object]:
    try:
        # Losses are often not a number; nothing that names a checkpoint is.
        document = json.loads(text, parse_constant=lambda _: None)
    except ValueError:
        raise Unreadable("it is not JSON") from None
    except RecursionError:
        raise Unreadable("its JSON is nested too deeply") from None
    if not isinstance(document, dict | list):
        raise Unreadable("it is neither a JSON object nor a list")
    return lambda path: _at(document, path)


def _at(document: object, path: str) -> object:
    if path in {"", "*"}:
        return document
    if isinstance(document, dict) and path in document:
        # A name may hold dots.
        return document[path]
    for name, index in _STEP.findall(path):
        match document:
            case dict():
                document = document.get(name)
            case list() if index and int(index) < len(document):
                document = document[int(index)]
            case _:
                return None
    return document


def _jsonlines(text: str) -> Callable[[str], object]:
    lines = text.splitlines()
    entries = list[object]()
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(_json(line)("*") if line.strip() else None)
        except Unreadable as error:
            # It was copied while somebody wrote its last line.
            if number < len(lines) or number == 1:
                raise Unreadable(f"{error} in line {number}") from None
    return lambda path: _at(entries, path)


def _textproto(text: str) -> Callable[[str], object]:
    if not _PROTO_FIELD.search(text):
        raise Unreadable("it is no text of fields and values")

    def find(field: str) -> object:
        written = re.findall(rf'^\s*{re.escape(field)}\s*:\s*"((?:[^"\\\n]|\\.)*)"', text, re.MULTILINE)
        # Of a field that may stand once, the last counts.
        return _unescaped(written[-1]) if written else None

    return find


def _unescaped(written: str) -> str:
    return _text(_ESCAPE.sub(_escaped, written.encode()))


def _escaped(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    if code[:1] == b"x" and len(code) > 1:
        return bytes([int(code[1:], 16)])
    if code.isdigit():
        return bytes([int(code, 8) % 256])
    return _ESCAPED.get(code, code)


def _value(found: object) -> str | None:
    match found:
        case None | "":
            return None
        case bool() | dict() | list():
            raise Unreadable("a list, an object or a truth stands where a name should")
        case float() if not math.isfinite(found):
            return None
        case float() if found.is_integer():
            return _name(f"{found:.0f}")
        case int():
            return _number(found)
        case _:
            return _name(str(found))


def _number(found: int) -> str:
    # Longer than any 64-bit number: Python refuses to write a very long one.
    if found.bit_length() > LONGEST_VALUE:
        raise Unreadable("a number is too long to be a step")
    return _name(str(found))


def _name(text: str) -> str:
    if len(text) > LONGEST_VALUE:
        raise Unreadable(f"what should name a checkpoint has more than {LONGEST_VALUE} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise Unreadable("what should name a checkpoint holds control characters")
    return text


def _saves(entries: object, file: StateFile) -> dict[str, tuple[tuple[str, float], ...]]:
    if not isinstance(entries, list):
        raise Unreadable(f"{file.each or 'it'} is no list of checkpoints")
    found = dict[str, tuple[tuple[str, float], ...]]()
    for entry in entries:
        name = _value(_at(entry, file.about or ""))
        if name is not None:
            # Of a checkpoint that was reported twice, the last word counts.
            found.pop(name, None)
            found[_folder(name)] = _measured_by(_at(entry, file.best or "*"), file)
    return dict(list(found.items())[-MOST_SAVES:])


def _folder(name: str) -> str:
    if name in {".", ".."} or "/" in name:
        raise Unreadable("what should name a folder beside it holds a path")
    return name


def _measured_by(found: object, file: StateFile) -> tuple[tuple[str, float], ...]:
    if isinstance(found, dict):
        found = {name: value for name, value in found.items() if name not in file.leaves_out}
    name = "" if isinstance(found, dict) else file.best or file.name
    metrics = tuple(islice(_metrics(found, name), MOST_METRICS + 1))
    if len(metrics) > MOST_METRICS:
        raise Unreadable(f"it holds more than {MOST_METRICS} metrics: which of them counts is not known")
    return metrics


def _metrics(found: object, name: str, level: int = 1) -> Iterator[tuple[str, float]]:
    match found:
        case dict() if level > DEEPEST_METRIC:
            raise Unreadable("its metrics are nested too deeply")
        case dict():
            for key, value in found.items():
                yield from _metrics(value, f"{name}/{key}" if name else str(key), level + 1)
        case bool():
            return
        case int() | float() | str():
            number = _measured(found)
            if number is not None:
                yield _name(name), number


def _measured(found: float | str) -> float | None:
    if isinstance(found, str) and "_" in found:
        # An id such as 12345_00000 is a number in Python, and nowhere else.
        return None
    try:
        number = float(found)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


_FORMATS: Mapping[str, Callable[[str], Callable[[str], object]]] = {
    "text": _plain,
    "json": _json,
    "jsonlines": _jsonlines,
    "textproto": _textproto,
}
"""From a text to what finds a field in it."""
