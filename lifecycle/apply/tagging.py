"""Tags an object that a rule of its bucket then moves: the way to archive where no copy is safe.

No store takes a condition on tags. So the object is looked at, tagged, and looked at again. What somebody
wrote in between is new: a rule acts on nothing younger than a day, and the tag comes off again before that.
An attempt that a kill interrupted is settled in the same way, by looking.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from lifecycle.apply.identity import difference, is_archived
from lifecycle.errors import ActionRefused, Gone
from lifecycle.model import Action
from lifecycle.providers import MOST_TAGS, KeepsRules, ObjectState, Provider
from lifecycle.records.journal import Outcome
from pipelines.domain.pins import tag_in_force

ARCHIVE_TAG = "moraine-archive"
"""Its text is the id of the plan whose rule moves what has it."""
TAGGED = "tagged: the bucket's own rule moves it"
_MOVED = "the bucket's own rule has moved it"
_TAKEN_OFF = "somebody took the tag off at this very moment"


@dataclass(frozen=True)
class Tagging:
    """A cloud, and the plan that tags there."""

    provider: Provider
    plan_id: str
    today: date
    is_aws: bool = False
    """See `BucketCapability`."""

    def tag(self, action: Action, seen: ObjectState) -> Outcome:
        """Tag an object that was just looked at, and look again.

        Raises:
            Gone, ActionRefused: see `KeepsRules.tag`.
            Transient: the store does not answer; `settle` finds out what came of it.
        """
        tags = self.provider.tags(action.bucket, action.object_key)
        obstacle = self._kept(action, tags) or self._no_room(action, tags)
        if obstacle:
            return obstacle
        self._cloud(action).tag(action.bucket, seen, ARCHIVE_TAG, self.plan_id)
        found = self.settle(action, seen)
        return found if isinstance(found, Outcome) else Outcome(action, "failed", _TAKEN_OFF)

    def settle(self, action: Action, tagged: ObjectState | None = None) -> Outcome | ObjectState:
        """Return what came of a tag that was begun; or the object, where it is as planned and has none.

        `tagged` is the version that got it, where that is known: when something else lives under the key by
        now, the tag comes off both.

        Raises:
            ActionRefused, Transient: it cannot be told.
        """
        try:
            state = self.provider.head(action.bucket, action.object_key)
            tags = self.provider.tags(action.bucket, action.object_key)
        except Gone:
            return Outcome(action, "changed", "it is gone")
        if is_archived(action, state):
            return Outcome(action, "done", _MOVED, etag=state.token)
        is_tagged = (ARCHIVE_TAG, self.plan_id) in tags.items()
        obstacle = self._changed(action, state, is_tagged=is_tagged) or self._kept(action, tags)
        if obstacle is None:
            return Outcome(action, "done", TAGGED, etag=state.token) if is_tagged else state
        self._take_off(action, state)
        if tagged and tagged.version_id != state.version_id:
            self._take_off(action, tagged)
        return obstacle

    def _changed(self, action: Action, state: ObjectState, *, is_tagged: bool) -> Outcome | None:
        """Tell of an object that is not what was planned any more.

        Other stores than Amazon's may take a tag for a change and restart the object's time. There the time
        tells nothing once it is tagged: the same bytes, written again in these milliseconds, pass.
        """
        restarts = is_tagged and not self.is_aws
        like = replace(state, last_modified_at=action.last_modified_at) if restarts else state
        different = difference(action, like)
        if different:
            return Outcome(action, "changed", different)
        return Outcome(action, "protected", state.hold) if state.hold else None

    def _kept(self, action: Action, tags: Mapping[str, str]) -> Outcome | None:
        keep = tag_in_force(tags, self.today)
        return Outcome(action, "protected", f"somebody tagged it to be kept: {keep}") if keep else None

    def _no_room(self, action: Action, tags: Mapping[str, str]) -> Outcome | None:
        other = tags.get(ARCHIVE_TAG, self.plan_id)
        if other != self.plan_id:
            return Outcome(action, "skipped", f"it waits for the rule of another plan: {other}")
        if len(tags) >= MOST_TAGS and ARCHIVE_TAG not in tags:
            return Outcome(action, "skipped", f"it has {len(tags)} tags, and the store takes no more")
        return None

    def _take_off(self, action: Action, marked: ObjectState) -> None:
        try:
            self._cloud(action).untag(action.bucket, marked, ARCHIVE_TAG, self.plan_id)
        except Gone:
            return

    def _cloud(self, action: Action) -> KeepsRules:
        match self.provider:
            case KeepsRules() as cloud if self.plan_id:
                return cloud
        raise ActionRefused("no rule goes by tags here", where=action.uri, fix="Make a new plan.")
