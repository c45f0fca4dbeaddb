"""The bucket as it is right before a change: listed afresh, checkpoint by checkpoint.

The snapshot that a plan was made from may be two days old. What has happened since protects: a pin stops
the whole plan, and so does a run that lost the checkpoints which were to remain; a checkpoint that grew
or changed is left out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from lifecycle.errors import Protected
from lifecycle.model import Action, Line, Plan
from lifecycle.pins import pin_in_force, pins_above
from lifecycle.providers import Clouds, ObjectState
from pipelines import published

_KEYS = """
    select object_key, etag, size_bytes from read_parquet(?) where checkpoint_id = ? order by object_key
"""


@dataclass(frozen=True, slots=True)
class Survey:
    """What fresh listings say against acting."""

    left_out: Mapping[str, str] = field(default_factory=dict)
    """Checkpoints that are not what was planned, and why."""


def survey(
    clouds: Clouds,
    plan: Plan,
    survivors: Path,
    actions: Iterable[Action],
    *,
    is_begun: Callable[[str], bool],
    today: date,
) -> Survey:
    """List every checkpoint that these actions change, and those that must remain beside it.

    `is_begun` tells which actions were begun earlier: what they changed is no surprise.

    Raises:
        Protected: a pin appeared, or a run no longer has the checkpoints that were to remain.
    """
    by_checkpoint: defaultdict[str, list[Action]] = defaultdict(list)
    for action in actions:
        by_checkpoint[action.checkpoint_id].append(action)
    lines = {line.checkpoint_id: line for line in plan.lines}
    left_out = {}
    with duckdb.connect() as connection:
        remaining = _Remaining(clouds, connection, survivors)
        above = _PinsAbove(clouds)
        for checkpoint_id, planned in by_checkpoint.items():
            line = lines[checkpoint_id]
            known = {*remaining.keys(checkpoint_id), *(action.object_key for action in planned)}
            prefix = listing_prefix(line.uri, known)
            found = {state.key: state for state in clouds[line.scheme].list(line.bucket, prefix)}
            _refuse_pinned(line, found, today)
            _refuse_pinned(line, above.at(line), today)
            surprise = _growth(prefix, found, known, planned) or _surprise(
                found, [action for action in planned if not is_begun(action.action_id)]
            )
            if surprise:
                left_out[checkpoint_id] = surprise
        _refuse_below_floor(plan, [lines[c] for c in by_checkpoint], remaining)
    return Survey(left_out)


def listing_prefix(uri: str, keys: Iterable[str]) -> str:
    """Return the shortest listing that shows a whole checkpoint: its folder, or the key of a single file."""
    known = sorted(keys)
    folder = uri.partition("://")[2].partition("/")[2].rstrip("/") + "/"
    if known and all(key.startswith(folder) for key in (known[0], known[-1])):
        return folder
    if known and known[0] == known[-1]:
        return known[0]
    return _shared_start(known) if known else folder


def _shared_start(keys: Sequence[str]) -> str:
    first, last = keys[0], keys[-1]
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


@dataclass(frozen=True, slots=True)
class _Remaining:
    """The objects that must still be there afterwards, as planned and as listed."""

    clouds: Clouds
    connection: duckdb.DuckDBPyConnection
    survivors: Path

    def keys(self, checkpoint_id: str) -> Iterator[str]:
        """Yield the planned keys of a checkpoint that remains."""
        for row in published.rows(self.connection, _KEYS, [str(self.survivors), checkpoint_id]):
            yield row["object_key"]

    def is_whole(self, line: Line) -> bool:
        """Tell whether every object of a checkpoint is there, with its size as it was."""
        planned = {
            row["object_key"]: row["size_bytes"]
            for row in published.rows(self.connection, _KEYS, [str(self.survivors), line.checkpoint_id])
        }
        listed = self.clouds[line.scheme].list(line.bucket, listing_prefix(line.uri, planned))
        found = {state.key: state.size_bytes for state in listed}
        return bool(planned) and planned.items() <= found.items()


@dataclass(frozen=True, slots=True)
class _PinsAbove:
    """Pins in the folders above checkpoints: each folder is looked at once."""

    clouds: Clouds
    known: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def at(self, line: Line) -> Iterator[str]:
        """Yield the keys of pins that lie above a checkpoint."""
        for start in pins_above(line.uri.partition("://")[2].partition("/")[2]):
            place = (line.place, start)
            if place not in self.known:
                keys = (state.key for state in self.clouds[line.scheme].list(line.bucket, start))
                self.known[place] = tuple(key for key in keys if "/" not in key[len(start) :])
            yield from self.known[place]


def _refuse_pinned(line: Line, found: Iterable[str], day: date) -> None:
    pin = pin_in_force(found, day)
    if pin:
        raise Protected(
            f"somebody pinned a checkpoint since it was planned: {pin}",
            where=line.uri,
            fix="Nothing was changed. Make a new plan; it keeps what is pinned.",
        )


def _growth(prefix: str, found: Mapping[str, ObjectState], known: set[str], planned: Iterable[Action]) -> str:
    """Tell of an object that came later; one that was there and belongs to no checkpoint is no surprise."""
    newest_at = max(action.last_modified_at for action in planned).replace(microsecond=0)
    later = [key for key in sorted(found.keys() - known) if found[key].last_modified_at > newest_at]
    return f"it has grown since it was planned: {later[0]}" if later and prefix.endswith("/") else ""


def _surprise(found: Mapping[str, ObjectState], untouched: Iterable[Action]) -> str:
    for action in untouched:
        state = found.get(action.object_key)
        if state is None:
            return f"an object of it is gone since it was planned: {action.object_key}"
        if (state.etag, state.size_bytes) != (action.etag, action.size_bytes):
            return f"an object of it has changed since it was planned: {action.object_key}"
    return ""


def _refuse_below_floor(plan: Plan, touched: Iterable[Line], remaining: _Remaining) -> None:
    floor = plan.policy.keep.min_complete_per_run
    shrinking = {(line.bucket, line.run) for line in touched if line.decision == "delete"}
    for bucket, run in sorted(shrinking):
        staying = [
            line
            for line in plan.lines
            if (line.bucket, line.run, line.state) == (bucket, run, "complete") and line.decision != "delete"
        ]
        # Newest steps first: usually the first few are there, and the others need no listing.
        staying.sort(key=lambda line: line.step or 0, reverse=True)
        whole = 0
        for line in staying:
            whole += remaining.is_whole(line)
            if whole >= floor:
                break
        else:
            raise Protected(
                f"only {whole} of the checkpoints that were to remain are still whole; {floor} must be",
                where=f"s3://{bucket}, run {run}",
                fix="Nothing was changed. Find out who removed them, publish a new day and plan again.",
            )
