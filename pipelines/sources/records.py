"""CSV files whose records end with something else than a line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_LINE_ENDS = ("", "\n", "\r\n")
_CHUNK_BYTES = 1 << 22


@contextmanager
def in_lines(path: Path, record_separator: str, delimiter: str, scratch: Path) -> Iterator[Path]:
    """Lend a file of which each record is a line: the file itself, or a copy that is removed afterwards."""
    if record_separator in _LINE_ENDS:
        yield path
        return
    marks = _Marks(record_separator.encode(), delimiter.encode())
    with TemporaryDirectory(dir=scratch, prefix="lines-") as here:
        copy = Path(here) / path.name
        with path.open("rb") as source, copy.open("wb") as target:
            rest = b""
            for chunk in iter(lambda: source.read(_CHUNK_BYTES), b""):
                whole, rest = _cut(rest + chunk, marks.record)
                target.write(_as_lines(whole, marks))
            target.write(_as_lines(rest, marks))
        yield copy


@dataclass(frozen=True, slots=True)
class _Marks:
    record: bytes
    field: bytes


def _cut(text: bytes, separator: bytes) -> tuple[bytes, bytes]:
    """Return the whole records of a text, and the beginning of the next."""
    between_quotes = text.split(b'"')
    # Every other piece stands inside quotes; two quotes for one make an empty piece.
    for index in range(len(between_quotes) - 1 - (len(between_quotes) + 1) % 2, -1, -2):
        at = between_quotes[index].rfind(separator)
        if at >= 0:
            end = sum(len(piece) + 1 for piece in between_quotes[:index]) + at + len(separator)
            return text[:end], text[end:]
    return b"", text


def _as_lines(text: bytes, marks: _Marks) -> bytes:
    between_quotes = text.split(b'"')
    between_quotes[::2] = [_plain_as_lines(piece, marks) for piece in between_quotes[::2]]
    return b'"'.join(between_quotes)


def _plain_as_lines(text: bytes, marks: _Marks) -> bytes:
    if b"\n" not in text and b"\r" not in text:
        return text.replace(marks.record, b"\n")
    records = [record.split(marks.field) for record in text.split(marks.record)]
    return b"\n".join(marks.field.join(map(_quoted, record)) for record in records)


def _quoted(field: bytes) -> bytes:
    # The end of a line means nothing to who wrote the file, so it stands there without quotes.
    return b'"' + field + b'"' if b"\n" in field or b"\r" in field else field
