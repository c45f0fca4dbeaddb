"""Reads the file of pins that `pins` in moraine.yaml names."""

from pathlib import Path

from pipelines.domain.pins import Pins, parse_pins
from pipelines.errors import Terminal


def read_pins(base: Path, name: str | None) -> Pins:
    """Return the pins of a file, named relative to `base`; without a name there are none.

    Raises:
        Terminal: it is missing, cannot be read, or is wrong; the message names the line.
    """
    if name is None:
        return Pins()
    path = base / name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Terminal(
            f"the file of pins cannot be read: {reason}",
            where=str(path),
            fix="Name a readable file as 'pins' in moraine.yaml; its path starts at that file.",
        ) from None
    return parse_pins(text, origin=str(path))
