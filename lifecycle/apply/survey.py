"""The bucket as it is right before a change: listed afresh, checkpoint by checkpoint.

The snapshot that a plan was made from may be two days old. What has happened since protects: a pin or a tag
stops the whole plan, and so does a run that lost the checkpoints which were to remain; a checkpoint that grew
or changed is left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from lifecycle.apply.identity import difference, seconds
from lifecycle.errors import ActionRefused, Gone, Protected
from lifecycle.model import Action, Line, Plan
from lifecycle.pins import pin_in_force, pins_above
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import Clouds, ObjectState
from lifecycle.records.journal import Standing, is_final
from pipelines.domain.pins import tag_in_force

_CURRENT = frozenset({"archive", "delete"})
"""Actions on what a listing shows; the others look at versions and uploads themselves."""
_Sizes = Mapping[str, int]
"""Sizes by key."""


@dataclass(frozen=True)
class Survey:
    """What fresh listings say against acting; what was looked at once is not looked at again.

    Several checkpoints are looked at at the same time.
    """

    clouds: Clouds
    plan: Plan
    directory: PlanDirectory
    today: date
    workers: int
    _pins: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Keys of pins by bucket and what they begin with: each folder above is looked at once."""
    _standing_runs: set[tuple[str, str]] = field(default_factory=set)
    """Runs that have what was to remain of them."""

    def of(
        self, chunk: str, actions: Iterable[Action], standing: Mapping[str, Standing]
    ) -> Mapping[str, str]:
        """Look at every checkpoint that a chunk still changes, and at those that must remain beside it.

        Returns:
            The checkpoints that are not what was planned, and why.

        Raises:
            Protected: a pin or a tag appeared, or a run no longer has the checkpoints that were to remain.
        """
        planned: defaultdict[str, list[Action]] = defaultdict(list)
        for action in actions:
            if not is_final(standing.get(action.action_id)):
                planned[action.checkpoint_id].append(action)
        lines = {line.checkpoint_id: line for line in self.directory.lines(chunk)} if planned else {}
        remaining = self.directory.remaining(planned)
        with ThreadPoolExecutor(self.workers) as pool:
            found = pool.map(
                lambda one: self._look(lines[one], planned[one], remaining.get(one, {}), standing), planned
            )
            left_out = {one: surprise for one, surprise in zip(planned, found, strict=True) if surprise}
            self._refuse_below_floor(_shrinking(lines, planned), pool)
        return left_out

    def _look(
        self, line: Line, planned: Sequence[Action], remaining: _Sizes, standing: Mapping[str, Standing]
    ) -> str:
        _refuse_pinned(line, self._above(line), self.today)
        if planned[0].action not in _CURRENT:
            return ""
        known = {*remaining, *(action.object_key for action in planned)}
        prefix = listing_prefix(line.uri, known)
        listed = self.clouds[line.scheme].list(line.bucket, prefix)
        found = {state.key: state for state in listed if _belongs(line, state.key)}
        _refuse_pinned(line, found, self.today)
        untouched = [action for action in planned if standing.get(action.action_id) != "begun"]
        surprise = _growth(prefix, found, known, planned) or _surprise(found, untouched)
        # Begun or not: whoever tags what a kill has left there wants to keep it.
        there = next((action for action in planned if action.object_key in found), None)
        if there and not surprise:
            self._refuse_tagged(line, there)
        return surprise

    def _above(self, line: Line) -> Iterator[str]:
        """Yield the keys of pins that lie above a checkpoint."""
        # What is listed as a folder ends in a slash, and its own pins count as well.
        inside = f"{line.uri}." if line.uri.endswith("/") else line.uri
        for start in pins_above(inside.partition("://")[2].partition("/")[2]):
            place = (line.place, start)
            if place not in self._pins:
                keys = (state.key for state in self.clouds[line.scheme].list(line.bucket, start))
                self._pins[place] = tuple(key for key in keys if "/" not in key[len(start) :])
            yield from self._pins[place]

    def _refuse_tagged(self, line: Line, action: Action) -> None:
        """Ask for the tags of one object: its marker, which is what people see of a checkpoint."""
        try:
            tags = self.clouds[line.scheme].tags(action.bucket, action.object_key)
        except Gone:
            return
        except ActionRefused as error:
            raise Protected(
                f"its tags cannot be read, so it is not known whether somebody keeps it: {error.what}",
                where=action.uri,
                fix="Nothing more is changed. Allow reading them (s3:GetObjectTagging) and apply again.",
            ) from error
        tag = tag_in_force(tags, self.today)
        if tag:
            raise Protected(
                f"somebody tagged a checkpoint to be kept since it was planned: {tag}",
                where=action.uri,
                fix="Nothing more is changed. Make a new plan, or take the tag away.",
            )

    def _refuse_below_floor(self, runs: Iterable[tuple[str, str]], pool: Executor) -> None:
        floor = self.plan.policy.keep.min_complete_per_run
        for place, run in sorted(set(runs) - self._standing_runs):
            whole = self._count_whole(place, run, floor, pool)
            if whole < floor:
                raise Protected(
                    f"only {whole} of the checkpoints that were to remain are still whole; {floor} must be",
                    where=f"{place}, run {run}",
                    fix="Nothing more is changed. Find out who removed them, publish a day and plan again.",
                )
            self._standing_runs.add((place, run))

    def _count_whole(self, place: str, run: str, floor: int, pool: Executor) -> int:
        """Count complete checkpoints that stay, up to the floor."""
        staying = [line for line in self.directory.staying(place, run) if line.state == "complete"]
        # Newest steps first: usually the first few are there, and the others need no listing.
        staying.sort(key=lambda line: line.step or 0, reverse=True)
        whole = 0
        while staying and whole < floor:
            asked, staying = staying[: floor - whole], staying[floor - whole :]
            planned = self.directory.remaining([line.checkpoint_id for line in asked])
            whole += sum(pool.map(partial(self._is_whole, planned), asked))
        return whole

    def _is_whole(self, planned: Mapping[str, _Sizes], line: Line) -> bool:
        """Tell whether every object of a checkpoint is there, with its size as it was."""
        expected = planned.get(line.checkpoint_id, {})
        listed = self.clouds[line.scheme].list(line.bucket, listing_prefix(line.uri, expected))
        found = {state.key: state.size_bytes for state in listed}
        return bool(expected) and expected.items() <= found.items()


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


def _belongs(line: Line, key: str) -> bool:
    """Tell whether an object is part of a line: of a folder with a slash, only what lies right in it."""
    return not line.uri.endswith("/") or f"{line.place}/{key}".rpartition("/")[0] == line.uri[:-1]


def _shrinking(lines: Mapping[str, Line], planned: Mapping[str, Sequence[Action]]) -> set[tuple[str, str]]:
    """Return the runs that lose a checkpoint."""
    return {
        (lines[one].place, lines[one].run)
        for one, actions in planned.items()
        if actions[0].action == "delete" and lines[one].state != "dataset"
    }


def _refuse_pinned(line: Line, found: Iterable[str], day: date) -> None:
    pin = pin_in_force(found, day)
    if pin:
        raise Protected(
            f"somebody pinned a checkpoint since it was planned: {pin}",
            where=line.uri,
            fix="Nothing more is changed. Make a new plan; it keeps what is pinned.",
        )


def _growth(prefix: str, found: Mapping[str, ObjectState], known: set[str], planned: Iterable[Action]) -> str:
    """Tell of an object that came later; one that was there and belongs to no checkpoint is no surprise."""
    newest_at = seconds(max(action.last_modified_at for action in planned))
    later = [key for key in sorted(found.keys() - known) if found[key].last_modified_at > newest_at]
    return f"it has grown since it was planned: {later[0]}" if later and prefix.endswith("/") else ""


def _surprise(found: Mapping[str, ObjectState], untouched: Iterable[Action]) -> str:
    for action in untouched:
        state = found.get(action.object_key)
        if state is None:
            return f"an object of it is gone since it was planned: {action.object_key}"
        different = difference(action, state, is_listed=True)
        if different:
            return f"an object of it has changed since it was planned: {action.object_key}: {different}"
        if state.hold:
            return f"an object of it is held: {action.object_key}: {state.hold}"
    return ""
