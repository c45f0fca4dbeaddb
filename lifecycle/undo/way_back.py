"""Is the way back still open? What is there now, against what the plan made of an object.

Whatever somebody wrote since is told from our own work by what a store never gives twice: the version of a
delete marker, a generation, the token of a copy with the time it was made. In doubt it is somebody's.
"""

from collections.abc import Sequence
from datetime import datetime

from lifecycle.apply.identity import seconds
from lifecycle.model import Action
from lifecycle.providers import ObjectState
from lifecycle.records.traces import CLOCKS_APART, Change

_UNVERSIONED = (None, "", "null")


def is_as_it_was(action: Action, state: ObjectState, begun_at: datetime | None) -> bool:
    """Tell whether an object is what it was before the plan, or what an attempt of ours made of it.

    `begun_at` is when an attempt began of which nobody knows how it ended.
    """
    if (state.size_bytes, state.storage_class) != (action.size_bytes, action.storage_class):
        return False
    if state.token == action.token and (action.action == "archive" or _is_same_version(action, state)):
        return True
    # A copy in parts has a new ETag, and everything on Cloud Storage a new generation: then the time tells.
    has_new_token = action.path != "delete-marker"
    return has_new_token and begun_at is not None and abs(state.last_modified_at - begun_at) <= CLOCKS_APART


def is_our_copy(change: Change, state: ObjectState) -> bool:
    """Tell whether an object is the copy that the plan made: what somebody wrote later is not."""
    action, trace = change.action, change.trace
    if (state.size_bytes, state.storage_class) != (action.size_bytes, action.target_class):
        return False
    if trace.is_done and trace.newest.etag:
        # Equal bytes written again have the same ETag; a generation is never given twice.
        is_later = state.scheme == "s3" and state.last_modified_at > trace.newest.at + CLOCKS_APART
        return state.token == trace.newest.etag and not is_later
    # Only a receipt knows the generation of a copy, or the ETag of one in parts.
    is_same = state.scheme == "s3" and state.etag == action.etag
    return is_same and trace.is_ours(state.last_modified_at)


def is_our_move(change: Change, state: ObjectState, begun_at: datetime | None) -> bool:
    """Tell whether an object is the planned one, in the class that a rule moved it to.

    A rule keeps ETag and time. Where tagging restarts the time, it is that of the tag, or of taking it off:
    `begun_at` is when an attempt began of which nobody knows how it ended.
    """
    action, written_at = change.action, state.last_modified_at
    known = (action.size_bytes, action.target_class, action.etag)
    is_same = known == (state.size_bytes, state.storage_class, state.etag)
    is_untouched = seconds(written_at) == seconds(action.last_modified_at) or change.trace.is_ours(written_at)
    return is_same and (is_untouched or (begun_at is not None and abs(written_at - begun_at) <= CLOCKS_APART))


def left_behind(change: Change, versions: Sequence[ObjectState]) -> tuple[str, str]:
    """Return the version that the way back of a delete begins with, or why there is none.

    `versions` are those of its key, the newest of each kind first; none of them lives.
    """
    action, noted = change.action, change.trace.newest.version_id
    if action.scheme == "gs":
        left = noted or action.version_id or ""
        is_there = any(state.version_id == left for state in versions)
        return (left, "") if is_there else ("", "nothing is left to bring back")
    marker = next((v for v in versions if v.is_current and v.is_delete_marker), None)
    below = next((v for v in versions if not v.is_delete_marker), None)
    if marker is None or below is None:
        return "", "nothing is left to bring back"
    if not _is_what_was_deleted(action, below):
        return "", "what was deleted is gone, and another version is the newest"
    is_ours = marker.version_id == noted if noted else change.trace.is_ours(marker.last_modified_at)
    return (marker.version_id or "", "") if is_ours else ("", "somebody deleted it again since")


def markers_among(changes: Sequence[Change]) -> frozenset[str]:
    """Return the actions on what makes a checkpoint look complete; the first one where none is known."""
    actions = [change.action for change in changes]
    known = frozenset(action.action_id for action in actions if action.is_marker)
    return known or frozenset({actions[0].action_id})


def _is_same_version(action: Action, state: ObjectState) -> bool:
    if action.version_id in _UNVERSIONED:
        return seconds(state.last_modified_at) == seconds(action.last_modified_at)
    return state.version_id == action.version_id


def _is_what_was_deleted(action: Action, version: ObjectState) -> bool:
    if action.version_id in _UNVERSIONED:
        return (version.etag, version.size_bytes) == (action.etag, action.size_bytes)
    return version.version_id == action.version_id
