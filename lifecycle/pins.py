"""Pins: what people ask to be kept, as files in a bucket and as a list in the settings."""

from collections.abc import Iterable
from datetime import date

from lifecycle.errors import Protected
from pipelines.domain.claims import Claims
from pipelines.domain.pins import PIN_PATTERN, Pins, pin_in_force, pins_above

__all__ = ["PIN_PATTERN", "pin_in_force", "pins_above", "refuse_listed"]


def refuse_listed(pins: Pins, day: date, uris: Iterable[str]) -> None:
    """Refuse to touch what the list of pins names.

    Raises:
        Protected: naming the checkpoint, and why it is kept.
    """
    kept = Claims.of(pin.claim for pin in pins.pins if pin.holds(day))
    for uri in uris:
        because = kept.on(uri)
        if because:
            raise Protected(
                f"a checkpoint that the plan would change is pinned: {because}",
                where=uri,
                fix="Nothing was changed. Make a new plan; it keeps what is pinned.",
            )
