"""How fast a bucket is asked: half as fast each time it is overloaded, a little faster while it answers.

A store that is asked too fast says so (503 SlowDown, 429), and while it splits a busy prefix it may say so
for half an hour. All workers share the pace of a bucket. Nothing here waits: it says how long to.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lifecycle.model import Scheme

_FIRST: Final[dict[Scheme, float]] = {"s3": 3500.0, "gs": 1000.0}
"""Changes a second that a bucket takes which nobody used before, as its provider promises."""
_SLOWEST = 1.0
_GAIN = 100.0
"""Changes a second more, for each second of answers."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
PATIENCE_SECONDS = 600.0
"""Waiting without a single answer from the bucket, before giving up until the next run."""


@dataclass
class Struggle:
    """One request that its bucket turns away again and again."""

    attempts: int = 0
    waited_seconds: float = 0.0
    answers_seen: int = 0


class Pace:
    """The pace of one bucket, in changes a second."""

    def __init__(self, scheme: Scheme, clock: Callable[[], float]) -> None:
        self.rate = _FIRST[scheme]
        self._clock = clock
        self._next_at, self._halved_at = clock(), -math.inf
        self._answers = 0
        self._counting = threading.Lock()

    def delay(self, changes: int) -> float:
        """Take a turn for so many changes; return the seconds until it comes."""
        with self._counting:
            now = self._clock()
            turn_at = max(now, self._next_at)
            self._next_at = turn_at + changes / self.rate
            return turn_at - now

    def answered(self, changes: int) -> None:
        """The bucket did so many changes."""
        with self._counting:
            self._answers += changes > 0
            self.rate += _GAIN * changes / self.rate

    def turned_away(self, struggle: Struggle) -> float | None:
        """The bucket was overloaded, or did not answer: return the seconds to wait, None to give up."""
        with self._counting:
            self._slow_down()
            if struggle.answers_seen != self._answers:
                struggle.waited_seconds, struggle.answers_seen = 0.0, self._answers
        if struggle.waited_seconds >= PATIENCE_SECONDS:
            return None
        pause: float = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(struggle.attempts, 6))
        struggle.attempts += 1
        struggle.waited_seconds += pause
        return pause

    def _slow_down(self) -> None:
        # Several workers meet the same overload: that is one reason to slow down, not eight.
        now = self._clock()
        if now - self._halved_at >= _FIRST_PAUSE_SECONDS:
            self.rate, self._halved_at = max(_SLOWEST, self.rate / 2), now


class Paces:
    """A pace for each bucket; `clock` tells seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, Pace] = {}
        self._making = threading.Lock()

    def of(self, place: str) -> Pace:
        """Return the pace of a bucket, given by its URI."""
        with self._making:
            if place not in self._known:
                scheme: Scheme = "gs" if place.startswith("gs:") else "s3"
                self._known[place] = Pace(scheme, self._clock)
            return self._known[place]
