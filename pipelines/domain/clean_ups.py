"""What the clean-up tells the lake about a plan it carried out: numbers that later bills are held against.

    clean-ups/<plan id>.json

`lifecycle` writes one after apply, verify and undo; every build reads them all. They hold no object's key.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from pipelines.domain.raw_tables import CLEAN_UPS
from pipelines.domain.text import to_json
from pipelines.errors import Terminal

FOLDER = "clean-ups/"
LeftBehind = Literal["nothing", "window", "versions"]
"""What a change leaves that is billed: nothing, a soft-deleted copy for its window, or an older version."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a plan did to one bucket by one path, from one class to another."""

    provider: str
    bucket: str
    storage_class: str
    """The class that the bytes were in."""
    target_class: str
    """The class that they are in; empty for deleted."""
    path: str
    left_behind: LeftBehind
    window_days: int
    """How long the bucket keeps what is soft-deleted."""
    object_count: int
    """Done, and not taken back."""
    size_bytes: int
    undone_object_count: int
    """Done, and taken back."""
    undone_bytes: int
    saving_usd_month: Decimal
    """What the plan predicted for `object_count` objects, as `tail_usd_month` and `one_off_usd`."""
    tail_usd_month: Decimal
    one_off_usd: Decimal
    began_date: date
    """UTC day of the first change …"""
    ended_date: date
    """… and of the last one."""


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What became of one plan."""

    plan_id: str
    policy: str
    fingerprint: str
    snapshot_id: str
    changes: tuple[Change, ...]

    @property
    def key(self) -> str:
        """Where it is in the lake."""
        return f"{FOLDER}{self.plan_id}.json"

    def rows(self) -> list[tuple[object, ...]]:
        """Return it in the columns of `raw.clean_ups`."""
        names = [name for name, _ in CLEAN_UPS]
        whole = {name: getattr(self, name) for name in names if name in CleanUp.__slots__}
        return [
            tuple(whole[name] if name in whole else getattr(change, name) for name in names)
            for change in self.changes
        ]


_CLEAN_UP = TypeAdapter(CleanUp)


def clean_up_to_json(clean_up: CleanUp) -> bytes:
    """Return the contents of its file."""
    return to_json(clean_up).encode()


def clean_up_from_json(data: bytes, *, origin: str) -> CleanUp:
    """Return what a file says.

    Raises:
        Terminal: it is no record of a clean-up.
    """
    try:
        return _CLEAN_UP.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Terminal(
            f"this is no record of a clean-up: {place or 'the file'}: {first['msg']}",
            where=origin,
            fix="Write it again with 'moraine-lifecycle verify' of that plan, or remove the file.",
        ) from None
