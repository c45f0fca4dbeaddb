"""Reads the file of pins that `pins` in moraine.yaml names."""

from pathlib import Path

from pipelines.domain.pins import Pins, parse_pins
from pipelines.reference.written import read_written


def read_pins(base: Path, name: str | None) -> Pins:
    """Return the pins of a file, named relative to `base`; without a name there are none.

    Raises:
        Terminal: it is missing, cannot be read, or is wrong; the message names the line.
    """
    if name is None:
        return Pins()
    path = base / name
    fix = "Name a readable file as 'pins' in moraine.yaml; its path starts at that file."
    return parse_pins(read_written(path, "the file of pins", fix), origin=str(path))
