"""Is this still the object that was planned? Everything a store tells of it is compared.

An ETag alone does not identify an object: a copy in place keeps it, and so does equal content put anew. On
Cloud Storage the generation does, and nothing else is comparable between an inventory and a listing.
"""

from datetime import datetime

from lifecycle.model import Action
from lifecycle.providers import ObjectState

_UNVERSIONED = (None, "", "null")


def difference(action: Action, state: ObjectState, *, is_listed: bool = False) -> str:
    """Return in what the object is not what was planned, or nothing; a listing on S3 knows no versions."""
    planned: dict[str, tuple[object, object]] = {
        "size": (action.size_bytes, state.size_bytes),
        "storage class": (action.storage_class, state.storage_class),
    }
    if action.scheme == "s3":
        planned["ETag"] = (action.etag, state.etag)
        planned["time"] = (seconds(action.last_modified_at), seconds(state.last_modified_at))
    if action.scheme == "gs" or not (is_listed or action.version_id in _UNVERSIONED):
        planned["version"] = (action.version_id, state.version_id)
    found = [f"its {name} is {now}, not {then}" for name, (then, now) in planned.items() if then != now]
    return "; ".join(found)


def is_archived(action: Action, state: ObjectState) -> bool:
    """Tell whether an archive has happened: same bytes, target class. A copy in parts has another ETag."""
    same = state.size_bytes == action.size_bytes and _same_etag(action, state)
    return action.action == "archive" and state.storage_class == action.target_class and same


def seconds(moment: datetime) -> datetime:
    """Return the moment in whole seconds: an inventory may know milliseconds where HEAD knows none."""
    return moment.replace(microsecond=0)


def _same_etag(action: Action, state: ObjectState) -> bool:
    was_in_parts = "-" in action.etag or action.path == "copy-in-parts"
    return action.scheme == "gs" or was_in_parts or state.etag == action.etag
