"""What people are told: short, without secrets, and without characters that could do something."""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipelines.domain.deliveries import Rejected
from pipelines.domain.snapshots import BuildMeta, CheckResult, Snapshot
from pipelines.domain.text import visible

MOST_CHARACTERS = 3000
"""Of a title and its text: what a chat shows without folding most of it away."""
MOST_OF_ONE = 600
"""Characters of one failed check or one delivery."""
ROOM_FOR_THE_REST = 40
HIDDEN = "***"

_SECRETS = (
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{HIDDEN}@"),
    (re.compile(r"(hooks\.slack\.com/)\S+"), rf"\g<1>{HIDDEN}"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{12,}"), rf"\g<1> {HIDDEN}"),
    (
        re.compile(
            # No `\w*` before it: on a long name that would try every start again.
            r"(?i)(signature|credential|token|password|secret|api[_-]?key|access[_-]?key|\bsig)=[^\s&,;]+"
        ),
        rf"\g<1>={HIDDEN}",
    ),
)
"""Forms in which secrets stand in addresses and in what providers answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell about one night."""

    topic: Literal["refused", "quarantine"]
    message_id: str
    """The same for the same news: nobody is told twice."""
    title: str
    text: str
    at: datetime
    """UTC, without a zone."""


@dataclass(frozen=True, slots=True)
class _Clean:
    secrets: Collection[str]

    def __call__(self, text: object) -> str:
        """Return one line that shows neither a secret nor what would end or turn it."""
        line = visible(text).encode("utf-8", "backslashreplace").decode()
        for secret in sorted(filter(None, self.secrets), key=len, reverse=True):
            line = line.replace(secret, HIDDEN)
        for pattern, instead in _SECRETS:
            line = pattern.sub(instead, line)
        return line


def refusal(
    build: BuildMeta,
    failed: Sequence[CheckResult],
    in_force: Snapshot | None,
    damaged: Sequence[Rejected],
    at: datetime,
    secrets: Collection[str] = (),
) -> Message:
    """Return what is told when checks keep a build from being published; no secret appears in it."""
    day, clean, count = build.as_of, _Clean(secrets), len(failed)
    checks = "1 check failed" if count == 1 else f"{count:,} checks failed"
    title = f"Moraine: {day} is not published, {checks}"
    stays = (
        f"{in_force.snapshot_id} of {in_force.as_of}, published {in_force.published_at:%Y-%m-%d %H:%M} UTC"
        if in_force
        else "nothing: no night was published yet"
    )
    end = (
        f"In force stays: {stays}.\n"
        f"Next: see the rows that are wrong with 'moraine check --as-of {day}'; mend the delivery or the "
        f"limit that the check names; then run 'moraine run --as-of {day}' again."
    )
    items = [*_failed(failed, clean), *_damaged(damaged, clean)]
    return Message("refused", build.build_id, title, _text(title, items, end), at)


def quarantine(
    snapshot: Snapshot, damaged: Sequence[Rejected], at: datetime, secrets: Collection[str] = ()
) -> Message:
    """Return what is told when a night was published without deliveries that are damaged."""
    count = len(damaged)
    deliveries = "1 delivery is" if count == 1 else f"{count:,} deliveries are"
    title = f"Moraine: {snapshot.as_of} is published, but {deliveries} damaged and in quarantine"
    end = (
        f"In force: {snapshot.snapshot_id}. Its numbers rest on what had landed before.\n"
        "Next: have the deliveries mended or delivered again; the next night reads them."
    )
    text = _text(title, list(_damaged(damaged, _Clean(secrets))), end)
    return Message("quarantine", _fingerprint(damaged), title, text, at)


def _fingerprint(damaged: Sequence[Rejected]) -> str:
    news = "\n".join(sorted(f"{one.table}/{one.delivery_id}/{one.reason}" for one in damaged))
    return hashlib.sha256(news.encode("utf-8", "backslashreplace")).hexdigest()


def _failed(failed: Sequence[CheckResult], clean: _Clean) -> Iterator[str]:
    for one in failed:
        scope = f" ({clean(one.scope)})" if one.scope else ""
        observed, expected = clean(one.observed), clean(one.expected)
        yield f"{clean(one.check_id)}{scope}: {observed}, expected {expected}. {clean(one.reason)}"


def _damaged(damaged: Sequence[Rejected], clean: _Clean) -> Iterator[str]:
    for one in damaged:
        what = f"{clean(one.source)} {clean(one.delivery_id)}: {clean(one.reason)}"
        yield f"in quarantine: {what} ({clean(one.where)}). {clean(one.fix)}"


def _text(title: str, items: Sequence[str], end: str) -> str:
    room = MOST_CHARACTERS - len(title) - len(end) - ROOM_FOR_THE_REST
    return "\n".join([*_fitting(items, room), "", end])


def _fitting(items: Sequence[str], room: int) -> Iterator[str]:
    for number, item in enumerate(items):
        line = f"- {item if len(item) <= MOST_OF_ONE else f'{item[: MOST_OF_ONE - 1]}…'}"
        room -= len(line) + 1
        if room < 0:
            yield f"… and {len(items) - number:,} more"
            return
        yield line
