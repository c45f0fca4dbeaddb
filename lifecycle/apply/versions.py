"""May this version go? A version is what it was for ever, but what lies around it changes.

What hid it may be gone, so that it is current again; newer ones may be gone, so that it is among those that
stay; and what S3 calls the version `null` may have been written anew.
"""

from collections.abc import Sequence

from lifecycle.apply.identity import seconds
from lifecycle.model import Action
from lifecycle.providers import ObjectState


def why_it_stays(action: Action, state: ObjectState, versions: Sequence[ObjectState], keep: int) -> str:
    """Return why a version, or a marker, must not be removed now, or nothing.

    `versions` are all of its key as the store lists them; `keep` of the noncurrent ones stay, the newest.
    """
    shown = _what_it_shows(state, versions) or _what_it_is(action, state)
    if shown or state.is_delete_marker:
        return shown
    if _newer_noncurrent(state, versions) < keep:
        return f"it is among the {keep} newest noncurrent versions of its key now"
    return ""


def _what_it_shows(state: ObjectState, versions: Sequence[ObjectState]) -> str:
    """Return why removing a version would change what its bucket shows, or nothing."""
    hidden = [version for version in versions if not version.is_delete_marker]
    if state.is_delete_marker:
        return "without this marker an older version could come back" if hidden else ""
    return "it is the current version now" if state.is_current else ""


def _what_it_is(action: Action, state: ObjectState) -> str:
    if action.scheme != "s3":
        return ""
    compared = {
        "size": (action.size_bytes, state.size_bytes),
        "time": (seconds(action.last_modified_at), seconds(state.last_modified_at)),
        # An inventory need not list them, and a marker has none.
        "ETag": (action.etag or state.etag, state.etag),
    }
    found = [f"its {name} is {now}, not {then}" for name, (then, now) in compared.items() if then != now]
    return "; ".join(found)


def _newer_noncurrent(state: ObjectState, versions: Sequence[ObjectState]) -> int:
    others = [found for found in versions if not (found.is_current or found.is_delete_marker)]
    if state.scheme == "gs":
        return sum(int(found.version_id or 0) > int(state.version_id or 0) for found in others)
    # S3 lists the newest first, and dates uploads in parts to their beginning: newer is what both say.
    before = others[: next(n for n, found in enumerate(others) if found.version_id == state.version_id)]
    return sum(found.last_modified_at >= state.last_modified_at for found in before)
