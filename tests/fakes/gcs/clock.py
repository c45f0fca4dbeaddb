"""Time, as the test sets it."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)) -> None:
        self.now = now
        self._last_generation = 0

    def advance(self, step: timedelta) -> None:
        """Move time forward."""
        self.now += step

    def next_generation(self) -> int:
        """Return a number larger than all before: microseconds since 1970, as the service counts."""
        micros = (self.now - _EPOCH) // timedelta(microseconds=1)
        self._last_generation = max(self._last_generation + 1, micros)
        return self._last_generation


def stamp(moment: datetime) -> str:
    """Return RFC 3339 with milliseconds and Z."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def parse_stamp(text: str) -> datetime:
    """Return the moment that RFC 3339 names."""
    return datetime.fromisoformat(text)
