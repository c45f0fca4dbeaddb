"""Deleting one object after the other where a batch will not do, with one answer each."""

from collections.abc import Callable, Iterable

from lifecycle.errors import ActionRefused, ConditionFailed, Gone
from lifecycle.providers.protocol import Removal, Target
from pipelines.errors import Transient


def remove_singly(targets: Iterable[Target], delete: Callable[[Target], str]) -> list[Removal]:
    """Delete each object under its own condition; one that fails does not stop the others."""
    return [_removed(target, delete) for target in targets]


def in_order(targets: Iterable[Target], answers: Iterable[Removal]) -> list[Removal]:
    """Return one answer per object; an object that no answer names may or may not be gone."""
    found = {answer.key: answer for answer in answers}
    return [found.get(target.key) or Removal(target.key, "busy", detail="no answer") for target in targets]


def _removed(target: Target, delete: Callable[[Target], str]) -> Removal:
    try:
        return Removal(target.key, "done", delete(target))
    except ConditionFailed:
        return Removal(target.key, "changed")
    except Gone:
        return Removal(target.key, "gone")
    except ActionRefused as error:
        return Removal(target.key, "refused", detail=error.what)
    except Transient as error:
        return Removal(target.key, "busy", detail=error.what)
