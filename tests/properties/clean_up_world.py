"""A small world to try clean-ups in: buckets in memory, people who write into them, faults, and a witness.

The witness sees every change at the moment it has an effect, and says so when it must not have been: an
object that is not the one that was planned, that somebody keeps, or of which no intent is on disk.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from lifecycle.apply.act import Hand
from lifecycle.apply.campaign import FRESH_SECONDS, Campaign
from lifecycle.apply.pace import Paces
from lifecycle.decide.checkpoints import by_run, decide, run_of
from lifecycle.decide.versions import Staying, VersionSet, decide_versions
from lifecycle.errors import Protected
from lifecycle.model import (
    SMALLEST_ARCHIVED_BYTES,
    Action,
    Artifact,
    BucketCapability,
    ClassShare,
    Line,
    Plan,
    PlanFile,
    Price,
    PriceList,
    Scheme,
    Surroundings,
)
from lifecycle.plan.directory import PlanDirectory
from lifecycle.plan.document import Tally, Terms, make_plan, priced
from lifecycle.policy import Policy, parse_policy
from lifecycle.providers import ClassChange, MemoryProvider, ObjectState
from lifecycle.providers.memory import MemoryBucket
from lifecycle.records.journal import read_receipts
from lifecycle.records.traces import changes_in, read_traces
from lifecycle.undo.take_back import take_back
from pipelines.domain.pins import pin_in_force, pins_above, tag_in_force
from pipelines.errors import Transient

BUCKET = "train"
TODAY = date(2026, 11, 20)
END = datetime(2026, 11, 21)
NOW = datetime(2026, 11, 21, 6)
RUNS = ("runs/a", "runs/b")
STEPS = (100, 200, 300, 400)
FILES = ("trainer_state.json", "model.safetensors", "optimizer.pt")
"""The marker first."""
MARKER = FILES[0]
CHUNK = "chunk-00000"
_LIMITS = "limits: {objects: 1000000, bytes: 1000TiB, usd_month: 1e9, share_of_bucket: 1, runs: 100000}"
_KEEPS = (
    "latest: 1, min_complete_per_run: 1",
    "latest: 2, min_complete_per_run: 2",
    "latest: 1, min_complete_per_run: 3",
)
_ACTS: Mapping[Scheme, Sequence[str]] = {
    "s3": (
        "delete: {after: 60d, irreversible: true}",
        "archive: {after: 30d, to: GLACIER_IR}\ndelete: {after: 90d, irreversible: true}",
        "archive: {after: 10d, to: STANDARD_IA}\ndelete: {after: 60d, irreversible: false}",
    ),
    "gs": (
        "delete: {after: 60d, irreversible: true}",
        "archive: {after: 30d, to: NEARLINE}\ndelete: {after: 90d, irreversible: false}",
    ),
}
_CLASSES: Mapping[Scheme, Sequence[tuple[str, str]]] = {
    "s3": (("STANDARD", "0.023"), ("STANDARD_IA", "0.0125"), ("GLACIER_IR", "0.004")),
    "gs": (("STANDARD", "0.02"), ("NEARLINE", "0.01")),
}
POLICIES: Mapping[Scheme, Sequence[Policy]] = {
    scheme: [
        parse_policy(
            f"name: p\nmatch: {{prefixes: [runs/]}}\nquiet_for: 3d\n{acts}\n{_LIMITS}\n"
            f"keep: {{{keep}, best_unknown: accept}}",
            origin="p",
        )
        for acts in _ACTS[scheme]
        for keep in _KEEPS
    ]
    for scheme in ("s3", "gs")
}
VERSION_POLICIES: Mapping[Scheme, Sequence[Policy]] = {
    scheme: [
        parse_policy(
            f"name: v\nmatch: {{kind: {kind}, buckets: ['{scheme}://{BUCKET}']}}\n"
            f"delete: {{after: 30d, irreversible: true}}\n{_LIMITS}\n{keeps}",
            origin="v",
        )
        for kind, keeps in (
            ("noncurrent", "keep: {versions: 1}"),
            ("noncurrent", "keep: {versions: 2}"),
            ("noncurrent", "keep: {versions: 0}"),
            ("delete_marker", ""),
        )
    ]
    for scheme in ("s3", "gs")
}
"""What is cleared of overwritten versions, and of markers that hide nothing."""


class Killed(BaseException):
    """What a SIGKILL looks like from inside."""


class Time:
    """Seconds that pass when somebody waits, or when the world says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


Effect = Callable[[str, ObjectState], None]


class Cloud(MemoryProvider):
    """A cloud in memory that shows a witness what changes, and fails on schedule."""

    def __init__(self, scheme: Scheme, witness: Effect) -> None:
        super().__init__(scheme=scheme)
        self._witness = witness
        self.fails: dict[int, Callable[[str], None]] = {}
        """What happens before the n-th change."""
        self.breaks: dict[int, BaseException] = {}
        """How the n-th change ends after it had its effect."""
        self.count = 0
        self.at_hand: Sequence[ObjectState] = ()
        """The versions of the key that is about to change, oldest first."""
        self.before_change = self._fail

    def change_class(self, bucket: str, state: ObjectState, change: ClassChange) -> str:
        before = self.now(state.key)
        token = super().change_class(bucket, state, change)
        self._done("copy", before)
        return token

    def restore(self, bucket: str, key: str, version_id: str) -> ObjectState:
        before = self.now(key)
        state = super().restore(bucket, key, version_id)
        self._done("restore", before or state)
        return state

    def delete_version(self, bucket: str, key: str, version_id: str) -> None:
        super().delete_version(bucket, key, version_id)
        gone = next(version for version in self.at_hand if version.version_id == version_id)
        self._done("delete_version", gone)

    def now(self, key: str) -> ObjectState | None:
        """Return what lives under a key."""
        versions = self.buckets[BUCKET].keys.get(key)
        is_live = versions and versions[-1].is_current and not versions[-1].is_delete_marker
        return versions[-1] if versions and is_live else None

    def _delete(self, bucket: str, key: str, token: str, condition: str) -> str:
        before = self.now(key)
        left = super()._delete(bucket, key, token, condition)
        self._done("delete", before)
        return left

    def _fail(self, _name: str, key: str) -> None:
        self.count += 1
        happens = self.fails.pop(self.count, None)
        if happens:
            happens(key)
        self.at_hand = tuple(self.buckets[BUCKET].keys.get(key, ()))

    def _done(self, name: str, before: ObjectState | None) -> None:
        assert before is not None
        self._witness(name, before)
        how = self.breaks.pop(self.count, None)
        if how:
            raise how


class Directory(PlanDirectory):
    """A plan's directory whose sealed part is in memory; receipts are files."""

    def __init__(self, path: Path, lines: Sequence[Line], actions: Sequence[Action]) -> None:
        super().__init__(path)
        path.mkdir(parents=True)
        self._all, self._actions = lines, actions
        self._known: dict[str, dict[str, int]] = {}

    def lines(self, chunk: str | None = None) -> Iterator[Line]:
        return (line for line in self._all if chunk is None or line.is_change)

    def staying(self, place: str, run: str) -> Iterator[Line]:
        wanted = (place, run)
        return (line for line in self._all if (line.place, line.run) == wanted and line.decision != "delete")

    def remaining(self, checkpoints: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        return {one: self._known[one] for one in checkpoints if one in self._known}

    def ways(self, chunks: Iterable[str]) -> Mapping[str, set[str]]:
        paths = {action.path for action in self._actions}
        return {self._actions[0].place: set(paths)} if list(chunks) and self._actions else {}

    def actions(self, chunk: str) -> Iterator[Action]:
        del chunk
        return iter(self._actions)

    def expect(self, known: Mapping[str, dict[str, int]]) -> None:
        """Say what must be there of checkpoints that are not deleted."""
        self._known = dict(known)


@dataclass
class Planned:
    """One plan, and what has become of it: by each who applied it."""

    plan: Plan
    directories: list[Directory]
    actions: Mapping[str, Action]
    """By what they are about: see `label_of`."""
    effects: Counter[str] = field(default_factory=Counter)
    """Changes of each of these that came of this plan."""
    touched: set[str] = field(default_factory=set)
    """Keys that somebody else wrote or removed since it was made."""
    removed: set[str] = field(default_factory=set)
    """Of these, keys that somebody removed, and single versions."""
    is_undone: bool = False


class World:
    """One bucket with two runs of four checkpoints, people who write there, and plans to clean it up."""

    def __init__(
        self, home: Path, scheme: Scheme, *, versioning: bool, soft_delete: bool, locks: bool
    ) -> None:
        self.home, self.scheme = home, scheme
        self.cloud = Cloud(scheme, self._witness)
        self.cloud.buckets[BUCKET] = MemoryBucket(
            "on" if versioning else "off",
            object_lock=locks,
            soft_delete_days=7 if soft_delete and scheme == "gs" else 0,
        )
        self.time = Time()
        self.registered: set[str] = set()
        self.planned: Planned | None = None
        self.kept: frozenset[str] = frozenset()
        """Checkpoints that somebody keeps since before the apply that is running."""
        self.pinned: frozenset[str] = frozenset()
        """Of these, the ones that are pinned or registered: no tag speaks for an older version."""
        self.pace_minutes = 0
        self._ours: dict[str, str] = {}
        """Tokens of copies that plans made, by key."""
        self._is_undoing = False
        self._applying: set[int] = set()
        self._writes = self._plans = 0
        self._lost: list[str] = []
        """Keys that somebody else removed, in the order of time."""

    @property
    def place(self) -> str:
        return f"{self.scheme}://{BUCKET}"

    @property
    def bucket(self) -> MemoryBucket:
        return self.cloud.buckets[BUCKET]

    def fill(self, ages: Mapping[str, int]) -> None:
        """Save every checkpoint, so many days ago."""
        for folder, days in ages.items():
            for file in FILES:
                self.write(f"{folder}/{file}", at=END - timedelta(days=days))

    def write(self, key: str, *, at: datetime | None = None) -> None:
        """Write an object as a training run or a person would: its content is new."""
        self._writes += 1
        when = at or NOW + timedelta(seconds=self._writes)
        size = SMALLEST_ARCHIVED_BYTES * 8192 + self._writes
        self._put(ObjectState(key, f"etag-{self._writes}", size, when, "STANDARD"))

    def write_again(self, key: str) -> None:
        """Write the same content again."""
        state = self.cloud.now(key)
        if state:
            self._writes += 1
            self._put(replace(state, last_modified_at=NOW + timedelta(seconds=self._writes)))

    def remove(self, key: str) -> None:
        """Remove an object as somebody else would."""
        if self.cloud.now(key):
            self._note_touched(key)
            self._lost.append(key)
            if self.planned:
                self.planned.removed.add(key)
            del self.bucket.keys[key]

    def release(self) -> None:
        """Let nobody keep anything any more."""
        self.registered.clear()
        self.bucket.tags.clear()
        folders = (f"{run}/checkpoint-{step}" for run in RUNS for step in STEPS)
        for place in (*RUNS, "runs", *folders):
            self.remove(f"{place}/PINNED")
        for key in list(self.bucket.keys):
            self.hold(key, "")

    def overwrite(self, folder: str, times: int) -> None:
        """Save a checkpoint again and again."""
        for _ in range(times):
            for file in FILES:
                self.write(f"{folder}/{file}")

    def leave_a_marker(self, key: str, *, is_alone: bool) -> None:
        """Put a delete marker on an object; or leave nothing but a marker, as rules of a bucket do."""
        state = self.cloud.now(key)
        if state is None or self.scheme == "gs":
            return
        self._note_touched(key)
        if self.planned:
            self.planned.removed.add(key)
        self._writes += 1
        marker = ObjectState(key, "", 0, NOW, "", f"marker-{self._writes}", is_delete_marker=True)
        self.bucket.keys[key] = [*(() if is_alone else self.bucket.keys[key]), marker]

    def drop_newest(self, key: str, count: int) -> None:
        """Remove the newest versions for good: an older one is current then, or near to it."""
        versions = self.bucket.keys.get(key, [])
        self.bucket.keys[key] = versions[: max(1, len(versions) - count)]
        if self.planned and versions:
            self._note_touched(key)
            dropped = versions[len(self.bucket.keys[key]) :]
            self.planned.removed.update(f"{key}\0{version.version_id}" for version in dropped)
        if not versions:
            del self.bucket.keys[key]

    def lose(self, folder: str) -> None:
        """Remove a whole checkpoint as somebody else would."""
        for file in FILES:
            self.remove(f"{folder}/{file}")

    def folder(self, number: int) -> str:
        """Return a checkpoint: more often one that the plan changes."""
        everything = [f"{run}/checkpoint-{step}" for run in RUNS for step in STEPS]
        planned = self.planned.actions if self.planned else {}
        changing = sorted({key.rpartition("/")[0] for key in planned})
        chosen = changing if changing and number % 4 else everything
        return chosen[number // 4 % len(chosen)]

    def staying(self, number: int) -> str:
        """Return a checkpoint that the plan leaves alone, if there is one."""
        lines = self.planned.directories[0].lines() if self.planned else ()
        staying = sorted(_folder(line) for line in lines if line.decision == "keep")
        return staying[number % len(staying)] if staying else self.folder(number)

    def hold(self, key: str, hold: str) -> None:
        """Place a legal hold, or lift it."""
        versions = self.bucket.keys.get(key)
        if versions and self.cloud.now(key):
            versions[-1] = replace(versions[-1], hold=hold)

    def keeps(self) -> frozenset[str]:
        """Return the checkpoints that somebody keeps now."""
        live = {state.key for state in self.cloud.list(BUCKET, "")}
        return frozenset(
            folder
            for run in RUNS
            for folder in (f"{run}/checkpoint-{step}" for step in STEPS)
            if self._keeper(folder, live)
        )

    def pins(self) -> frozenset[str]:
        """Return the checkpoints that are pinned or registered now."""
        live = {state.key for state in self.cloud.list(BUCKET, "")}
        folders = (f"{run}/checkpoint-{step}" for run in RUNS for step in STEPS)
        return frozenset(folder for folder in folders if self._pin(folder, live))

    def make_plan(self, policy: Policy) -> None:
        """Publish what is there, decide and plan."""
        artifacts = sorted(self._artifacts(), key=run_of)
        around = Surroundings(
            "s", TODAY, {self.scheme: _prices(self.scheme)}, capabilities=self._capabilities()
        )
        tally = Tally()
        lines = list(tally.counting(priced(decide(by_run(artifacts), around, policy, TODAY), around)))
        rank = {"archive": 0, "delete": 1, "keep": 2}
        lines.sort(key=lambda line: rank[line.decision])
        known = {
            line.checkpoint_id: {state.key: state.size_bytes for state in self._objects(_folder(line))}
            for line in lines
            if line.decision != "delete"
        }
        actions = [action for line in lines if line.is_change for action in self._actions(line)]
        self._lay_out(make_plan(tally, around, policy, Terms(NOW, "0")), lines, actions, known)

    def make_version_plan(self, policy: Policy) -> None:
        """Plan to clear what is overwritten, or markers that hide nothing."""
        due: dict[str, list[ObjectState]] = {}
        for state in self._due_versions(policy):
            due.setdefault(state.key.rpartition("/")[0], []).append(state)
        around = Surroundings(
            "s", TODAY, {self.scheme: _prices(self.scheme)}, capabilities=self._capabilities()
        )
        folders = [
            VersionSet(self._version_artifact(folder, states), is_due=True, staying=Staying())
            for folder, states in due.items()
        ]
        tally = Tally()
        lines = list(tally.counting(priced(decide_versions(folders, around, policy), around)))
        actions = [
            _version_action(line, state)
            for line in lines
            if line.is_change
            for state in due[_folder(line).rstrip("/")]
        ]
        self._lay_out(make_plan(tally, around, policy, Terms(NOW, "0")), lines, actions, {})

    def apply(
        self, who: int = 0, *, is_stopped: Callable[[], bool] = lambda: False, kill_at: int = 0
    ) -> bool:
        """Apply the plan as far as faults let; return whether all of it has its final outcome.

        `kill_at` kills whoever applies at the n-th time the journal is written.
        """
        planned = self.planned
        if planned is None or planned.is_undone or who in self._applying:
            # One directory has one lock; the other one stands for another machine without it.
            return False
        directory = planned.directories[who]
        campaign = Campaign(
            directory,
            planned.plan,
            self._hand(_Clock(kill_at), is_stopped),
            ask=lambda: self._refuse_registered,
            measure=lambda place: self._capabilities()[place],
            sealing=lambda _path: nullcontext(),
            today=TODAY + timedelta(days=1),
            monotonic=self._monotonic,
        )
        before, outer = self._complete(), (self.kept, self.pinned)
        self.kept, lost = self.kept | self.keeps() | self._grown(planned), len(self._lost)
        self.pinned |= self.pins()
        self._applying.add(who)
        try:
            campaign.go(planned.plan.chunks)
        except (Killed, Transient, Protected):
            self._tear(directory)
        finally:
            self.kept, self.pinned = outer
            self._applying.remove(who)
        self._check_receipts(planned)
        self._check_floor(planned, before, self._lost[lost:])
        return campaign.is_finished()

    def undo(self, *, kill_at: int = 0) -> None:
        """Go back as far as faults let."""
        planned = self.planned
        if planned is None:
            return
        planned.is_undone = True
        self._is_undoing = True
        directory = planned.directories[0]
        changes = list(changes_in(directory.actions(CHUNK), read_traces(directory.receipts(CHUNK))))
        path = directory.undo_receipts(CHUNK)
        try:
            take_back(path, changes, self._hand(_Clock(kill_at), lambda: False), {})
        except (Killed, Transient):
            _tear(path)
        finally:
            self._is_undoing = False
        self._check_restored(planned, path)

    def check_bytes(self) -> None:
        """Compare the bytes that receipts call freed with those that are gone, where nobody else wrote."""
        planned = self.planned
        if planned is None or planned.is_undone:
            return
        results = [self._results(planned, who) for who in (0, 1)]
        # What another machine was killed in, only that one can tell.
        counted = [
            action
            for key, action in planned.actions.items()
            if action.action != "archive"
            and not (_is_by_others(planned, key) if "\0" in key else key in planned.touched)
            and not any(found.get(action.action_id) == "begun" for found in results)
        ]
        said = sum(
            action.size_bytes
            for action in counted
            if any(found.get(action.action_id) == "done" for found in results)
        )
        gone = sum(action.size_bytes for action in counted if self._is_gone(action))
        assert said == gone, f"receipts call {said} bytes freed, and {gone} are gone"

    def _put(self, state: ObjectState) -> None:
        self._note_touched(state.key)
        self.cloud.put(BUCKET, state)

    def _note_touched(self, key: str) -> None:
        if self.planned:
            self.planned.touched.add(key)

    def _witness(self, name: str, before: ObjectState) -> None:
        planned, key = self.planned, before.key
        assert planned is not None
        if self._is_undoing:
            assert name != "delete_version", f"undo removed a version: {key}"
            if name == "copy":
                assert before.token == self._ours.get(key), f"undo replaced what somebody wrote: {key}"
            self._note(name, key)
            return
        if name == "delete_version":
            self._witness_version(planned, before)
            return
        action = planned.actions.get(key)
        assert action is not None, f"not in the plan: {key}"
        assert (action.action == "delete") == (name == "delete"), f"{name} instead of {action.action}: {key}"
        assert before.token == action.token, f"not what was planned: {key}"
        assert before.size_bytes == action.size_bytes, f"not what was planned: {key}"
        assert key.rpartition("/")[0] not in self.kept, f"somebody keeps it: {key}"
        assert any(self._is_intended(d, action) for d in planned.directories), f"no intent on disk: {key}"
        planned.effects[key] += 1
        assert planned.effects[key] == 1, f"done twice: {key}"
        if name == "delete" and not action.is_marker:
            self._check_marker(planned, key)
        self._note(name, key)

    def _witness_version(self, planned: Planned, gone: ObjectState) -> None:
        label = f"{gone.key}\0{gone.version_id}"
        action = planned.actions.get(label)
        assert action is not None, f"not in the plan: {label}"
        versions = self.cloud.at_hand
        newer = versions[versions.index(gone) + 1 :]
        data = [version for version in versions if not version.is_delete_marker]
        if gone.is_delete_marker:
            # Whoever writes at this very moment hides it, and then it shows nothing.
            assert newer or not data, f"an older version comes back: {label}"
        else:
            assert newer or not gone.is_current, f"it was the current version: {label}"
            current = self.cloud.now(gone.key)
            hidden = [version for version in newer if version in data and version is not current]
            least = planned.plan.policy.keep.versions
            assert len(hidden) >= least, f"it was among the {least} newest: {label}"
        assert not gone.hold, f"it was held: {label}"
        assert gone.key.rpartition("/")[0] not in self.pinned, f"somebody keeps it: {label}"
        assert any(self._is_intended(d, action) for d in planned.directories), f"no intent on disk: {label}"
        planned.effects[label] += 1
        assert planned.effects[label] == 1, f"done twice: {label}"

    def _note(self, name: str, key: str) -> None:
        now = self.cloud.now(key)
        if name == "copy" and now:
            self._ours[key] = now.token

    def _check_marker(self, planned: Planned, key: str) -> None:
        marker = planned.actions.get(f"{key.rpartition('/')[0]}/{MARKER}")
        assert marker is None or marker.object_key in {*planned.effects, *planned.touched}, (
            f"marker last: {key}"
        )

    def _check_receipts(self, planned: Planned) -> None:
        """Whatever is called done has happened, and what has its final word is not taken up again."""
        by_id = {action.action_id: key for key, action in planned.actions.items()}
        for directory in planned.directories:
            final: dict[str, str] = {}
            for receipt in read_receipts(directory.receipts(CHUNK)):
                assert receipt.action_id not in final, f"taken up again: {by_id[receipt.action_id]}"
                if receipt.result and receipt.result != "failed":
                    final[receipt.action_id] = receipt.result
            for action_id, result in final.items():
                key = by_id[action_id]
                has_happened = planned.effects[key] or _is_by_others(planned, key)
                assert result != "done" or has_happened, f"called done, and is not: {key}"

    def _check_floor(self, planned: Planned, before: Mapping[str, set[str]], lost: Iterable[str]) -> None:
        """No run falls below its floor, but for what other people removed meanwhile."""
        floor, after = planned.plan.policy.keep.min_complete_per_run, self._complete()
        others = {key.rpartition("/")[0] for key in lost}
        for run in RUNS:
            by_others = len((before[run] - after[run]) & others)
            least = min(floor, len(before[run])) - by_others
            assert len(after[run]) >= least, f"{run}: {len(after[run])} complete, and {least} must be"

    def _check_restored(self, planned: Planned, path: Path) -> None:
        """Whatever undo calls done is there as it was."""
        said = {receipt.action_id: receipt.result for receipt in read_receipts(path)}
        for key, action in planned.actions.items():
            is_back = said.get(action.action_id) == "done" and action.action != "delete_version"
            if is_back and key not in planned.touched:
                now = self.cloud.now(key)
                assert now is not None, f"called restored, and is not there: {key}"
                assert now.size_bytes == action.size_bytes
                assert now.storage_class == action.storage_class

    def _results(self, planned: Planned, who: int) -> dict[str, str]:
        receipts = read_receipts(planned.directories[who].receipts(CHUNK))
        return {receipt.action_id: receipt.result or "begun" for receipt in receipts}

    def _is_intended(self, directory: Directory, action: Action) -> bool:
        path = directory.receipts(CHUNK)
        wanted = f'{{"action_id": "{action.action_id}", "event": "intent"'
        return path.exists() and wanted.encode() in path.read_bytes()

    def _complete(self) -> dict[str, set[str]]:
        live = {state.key for state in self.cloud.list(BUCKET, "")}
        return {
            run: {
                f"{run}/checkpoint-{step}"
                for step in STEPS
                if all(f"{run}/checkpoint-{step}/{file}" in live for file in FILES)
            }
            for run in RUNS
        }

    def _grown(self, planned: Planned) -> set[str]:
        """Return the checkpoints that got an object since the plan; more may be on their way."""
        live = {state.key for state in self.cloud.list(BUCKET, "")}
        return {key.rpartition("/")[0] for key in planned.touched & live if key not in planned.actions}

    def _keeper(self, folder: str, live: Collection[str]) -> str | None:
        marker = f"{folder}/{MARKER}"
        tags = self.bucket.tags.get(marker, {}) if marker in live else {}
        return self._pin(folder, live) or tag_in_force(tags, TODAY + timedelta(days=1))

    def _pin(self, folder: str, live: Collection[str]) -> str | None:
        above = [key for start in pins_above(folder) for key in live if key.startswith(start)]
        inside = [key for key in live if key.startswith(f"{folder}/")]
        pin = pin_in_force((*inside, *above), TODAY + timedelta(days=1))
        return pin or (folder if folder in self.registered else None)

    def _refuse_registered(self, uris: Iterable[str]) -> None:
        for uri in uris:
            if uri.removeprefix(f"{self.place}/").rstrip("/") in self.registered:
                raise Protected("the registry names it", where=uri, fix="Plan again.")

    def _capabilities(self) -> dict[str, BucketCapability]:
        place = self.bucket
        return {
            self.place: BucketCapability(
                BUCKET,
                place.versioning,
                *(True, True, True, True),
                delete_batch=True,
                scheme=self.scheme,
                object_lock=place.object_lock,
                soft_delete_days=place.soft_delete_days,
            )
        }

    def _hand(self, clock: Callable[[], datetime], is_stopped: Callable[[], bool]) -> Hand:
        return Hand(
            {self.scheme: self.cloud},
            clock,
            is_stopped=is_stopped,
            workers=1,
            capabilities=self._capabilities(),
            paces=Paces(self.time),
            pause=self.time.pause,
            keep_versions=self._keep_versions(),
        )

    def _keep_versions(self) -> int:
        policy = self.planned.plan.policy if self.planned else None
        return policy.keep.versions if policy and policy.match.kind == "noncurrent" else 0

    def _monotonic(self) -> float:
        # Between an answer and its use, so much time has passed.
        self.time.now += self.pace_minutes * FRESH_SECONDS
        return self.time.now

    def _lay_out(
        self,
        plan: Plan,
        lines: Sequence[Line],
        actions: Sequence[Action],
        known: Mapping[str, dict[str, int]],
    ) -> None:
        """Make a plan the one that is applied."""
        actions = [replace(action, action_id=f"00000-{n:06d}") for n, action in enumerate(actions, 1)]
        files = (PlanFile(f"actions/{CHUNK}.parquet", "", len(actions)),) if actions else ()
        self._plans += 1
        directories = []
        for name in ("one", "two"):
            directory = Directory(self.home / f"{self._plans}-{name}", lines, actions)
            directory.expect(known)
            directories.append(directory)
        labels = {label_of(action): action for action in actions}
        self.planned = Planned(replace(plan, actions=files), directories, labels)

    def _is_gone(self, action: Action) -> bool:
        if action.action != "delete_version":
            return self.cloud.now(action.object_key) is None
        versions = self.bucket.keys.get(action.object_key, ())
        return all(version.version_id != action.version_id for version in versions)

    def _due_versions(self, policy: Policy) -> Iterator[ObjectState]:
        """Yield what a snapshot would call due: age is its business, and none of apply's."""
        for _, versions in sorted(self.bucket.keys.items()):
            newest, older = versions[-1], [v for v in versions[:-1] if not v.is_delete_marker]
            if policy.match.kind == "noncurrent":
                yield from older[: len(older) - policy.keep.versions]
            elif newest.is_delete_marker and len(versions) == 1:
                yield newest

    def _version_artifact(self, folder: str, states: Sequence[ObjectState]) -> Artifact:
        template = self._artifact(folder, 0, states, is_latest=False, is_kept=False)
        uri = f"{self.place}/{folder}/"
        return replace(template, checkpoint_id=uri, uri=uri, step=None, state="hidden")

    def _tear(self, directory: Directory) -> None:
        _tear(directory.receipts(CHUNK))

    def _objects(self, folder: str) -> list[ObjectState]:
        found = [
            state
            for state in self.cloud.list(BUCKET, f"{folder}/")
            if "/" not in state.key[len(folder) + 1 :]
        ]
        return sorted(found, key=lambda state: (not state.key.endswith(MARKER), state.key))

    def _artifacts(self) -> Iterator[Artifact]:
        kept = self.keeps()
        for run in RUNS:
            held = {step: self._objects(f"{run}/checkpoint-{step}") for step in STEPS}
            steps = [step for step in STEPS if held[step]]
            for step in steps:
                folder = f"{run}/checkpoint-{step}"
                yield self._artifact(
                    run, step, held[step], is_latest=step == steps[-1], is_kept=folder in kept
                )

    def _artifact(
        self, run: str, step: int, objects: Sequence[ObjectState], *, is_latest: bool, is_kept: bool
    ) -> Artifact:
        names = {state.key.rpartition("/")[2] for state in objects}
        uri = f"{self.place}/{run}/checkpoint-{step}"
        shares: dict[str, list[int]] = {}
        for state in objects:
            shares.setdefault(state.storage_class, []).append(state.size_bytes)
        return Artifact(
            checkpoint_id=uri,
            uri=uri,
            bucket=BUCKET,
            run=run,
            framework="hf",
            step=step,
            epoch=None,
            state="complete" if names >= set(FILES) else "incomplete",
            state_reason="",
            kind="intermediate",
            is_latest=is_latest,
            is_best=False,
            is_protected=is_kept,
            protected_because="somebody keeps it" if is_kept else "",
            object_count=len(objects),
            size_bytes=sum(state.size_bytes for state in objects),
            last_modified_at=max(state.last_modified_at for state in objects),
            cost_usd_month=Decimal(1),
            classes=tuple(
                ClassShare(name, len(sizes), sum(sizes), len(sizes), sum(sizes), max(sizes))
                for name, sizes in sorted(shares.items())
            ),
        )

    def _actions(self, line: Line) -> Iterator[Action]:
        for state in self._objects(_folder(line)):
            if line.decision == "archive" and state.storage_class not in line.from_classes:
                continue
            yield Action(
                "",
                "archive" if line.decision == "archive" else "delete",
                self.scheme,
                BUCKET,
                state.key,
                # An inventory knows versions where a listing does not.
                (self.cloud.now(state.key) or state).version_id,
                state.etag,
                state.size_bytes,
                state.last_modified_at,
                state.storage_class,
                line.target_class,
                line.checkpoint_id,
                "copy-in-place" if line.decision == "archive" else line.path,  # type: ignore[arg-type]
                state.key.endswith(MARKER),
            )


def label_of(action: Action) -> str:
    """Return what an action is about: a key, or one version of it."""
    is_version = action.action == "delete_version"
    return f"{action.object_key}\0{action.version_id}" if is_version else action.object_key


def _is_by_others(planned: Planned, label: str) -> bool:
    """Tell whether somebody else removed what an action is about."""
    return not planned.removed.isdisjoint((label, label.partition("\0")[0]))


def _version_action(line: Line, state: ObjectState) -> Action:
    return Action(
        "",
        "delete_version",
        state.scheme,
        BUCKET,
        state.key,
        state.version_id,
        state.etag,
        state.size_bytes,
        state.last_modified_at,
        state.storage_class,
        "",
        line.checkpoint_id,
        "delete-version",
    )


class _Clock:
    """The time of receipts; it is asked for right before the journal is written."""

    def __init__(self, kill_at: int) -> None:
        self._left = kill_at

    def __call__(self) -> datetime:
        self._left -= 1
        if self._left == 0:
            raise Killed
        return NOW


def _tear(journal: Path) -> None:
    """Leave half a line, as a kill does."""
    if journal.exists():
        with journal.open("ab") as file:
            file.write(b'{"action_id": "00000-0000')


def _folder(line: Line) -> str:
    return line.uri.removeprefix(f"{line.place}/")


def _prices(scheme: Scheme) -> PriceList:
    request, read = Decimal("0.00002"), Decimal("0.01")
    return PriceList(
        TODAY, {name: Price(name, Decimal(rate), 0, request, read) for name, rate in _CLASSES[scheme]}
    )


@contextmanager
def quick_home(parent: Path | None = None) -> Iterator[Path]:
    """Yield a directory in memory where there is one: every line of a journal is synced."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=parent or (memory if memory.is_dir() else None)) as home:
        yield Path(home)
