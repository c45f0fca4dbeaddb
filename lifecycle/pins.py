"""Pins: what people ask to be kept, as files in a bucket and as a list in the settings."""

from collections.abc import Iterable
from datetime import date

from lifecycle.errors import Protected
from pipelines.domain.claims import Claims
from pipelines.domain.pins import PIN_PATTERN, Pins, pin_in_force, pins_above

__all__ = ["PIN_PATTERN", "pin_in_force", "pins_above", "refuse_listed", "refuse_needed"]


def refuse_listed(pins: Pins, day: date, uris: Iterable[str]) -> None:
    """Refuse to touch what the list of pins names.

    Raises:
        Protected: naming the checkpoint, and why it is kept.
    """
    kept = Claims.of(pin.claim for pin in pins.pins if pin.holds(day))
    said, keeps = "a checkpoint that the plan would change is pinned", "it keeps what is pinned"
    refuse_needed(kept, uris, said, keeps)


def refuse_needed(needed: Claims, uris: Iterable[str], said: str, keeps: str) -> None:
    """Refuse to touch what somebody claims to need.

    Raises:
        Protected: naming it, and who needs it.
    """
    for uri in uris:
        if because := needed.on(uri):
            raise Protected(
                f"{said}: {because}", where=uri, fix=f"Nothing was changed. Make a new plan; {keeps}."
            )
