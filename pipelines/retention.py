"""Removes snapshots that are past their time. When in doubt, they stay.

`snapshot.json` goes first: what a killed removal leaves is no snapshot any more, and the next one goes on.
Local files that somebody has open stay readable until they are closed.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipelines import snapshots
from pipelines.domain.configuration import Retention
from pipelines.domain.retention import Reasons, keep
from pipelines.domain.snapshots import Snapshot, snapshot_key
from pipelines.errors import Terminal
from pipelines.snapshots import Stored
from pipelines.stores import DiscardingStore, Store

DOUBT = timedelta(days=1)
"""Plans count as alive for so long after they expired, and unfinished snapshots as being written."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan of the lifecycle says about itself."""

    plan_id: str
    snapshot_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """What a lake holds, and why."""

    stored: tuple[Stored, ...]
    current: Snapshot | None
    reasons: Reasons
    """Of whole snapshots only."""


def survey(lake: Store, rules: Retention, now: datetime) -> Holding:
    """Return what is stored, the oldest day first, each snapshot with why it is kept.

    Raises:
        Terminal: a plan cannot be read, so that nobody knows which snapshot it needs.
    """
    stored = tuple(snapshots.find(lake))
    current = snapshots.pointed_at(lake)
    if current is None:
        return Holding(stored, None, {})
    plans = {plan.plan_id: plan.snapshot_id for plan in unfinished_plans(lake, now)}
    return Holding(stored, current, keep(snapshots.whole(stored), current, plans, rules, now))


def prune(
    lake: Store,
    rules: Retention,
    now: datetime,
    *,
    still_alone: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Remove the snapshots that nothing keeps, and what interrupted publications left; return their ids.

    Args:
        lake: holds the snapshots.
        rules: what to keep.
        now: UTC, without a zone.
        still_alone: raises when another run may be publishing; asked before each removal.

    Raises:
        Terminal: a plan cannot be read, or the store does not let us remove; what is left stays as it is.
    """
    holding = survey(lake, rules, now)
    removed = []
    for one in _past(holding, now):
        still_alone()
        _remove(lake, one)
        removed.append(one.snapshot_id)
    return tuple(removed)


def _past(holding: Holding, now: datetime) -> list[Stored]:
    if holding.current is None:
        # Nobody knows which one is in force: none goes.
        return []
    return [
        one
        for one in holding.stored
        if not (holding.reasons.get(one.snapshot_id) if one.snapshot else one.moment > now - DOUBT)
        and one.snapshot_id != holding.current.snapshot_id
    ]


def _remove(lake: Store, stored: Stored) -> None:
    if not isinstance(lake, DiscardingStore):
        raise Terminal(
            "this store cannot remove snapshots", where=lake.uri, fix="Use a directory or a bucket."
        )
    mark = snapshot_key(stored.snapshot_id, "snapshot.json")
    for key in sorted((file.key for file in stored.files), key=lambda key: (key != mark, key)):
        lake.discard(key)
    _log.info("removed snapshot %s: %d files", stored.snapshot_id, len(stored.files))


def unfinished_plans(lake: Store, now: datetime) -> list[Plan]:
    """Return the plans that may still be applied, or were begun and not finished.

    The lake knows each plan by a small `plans/<id>.json`, wherever the plan itself is kept. One without it is
    read from its own `plans/<id>/plan.json`.

    Raises:
        Terminal: one cannot be read.
    """
    keys = {blob.key for blob in lake.list("plans/")}
    begun = {_plan_id(key) for key in keys if "/receipts/" in key}
    plans = (
        _read_plan(lake, plan_id, note if (note := f"plans/{plan_id}.json") in keys else _whole(plan_id))
        for plan_id in sorted({_plan_id(key) for key in keys})
        if not keys.isdisjoint({f"plans/{plan_id}.json", _whole(plan_id)})
        and f"plans/{plan_id}/finished.json" not in keys
    )
    return [plan for plan in plans if plan.plan_id in begun or now < plan.expires_at + DOUBT]


def _plan_id(key: str) -> str:
    return key.split("/")[1].removesuffix(".json")


def _whole(plan_id: str) -> str:
    return f"plans/{plan_id}/plan.json"


def _read_plan(lake: Store, plan_id: str, key: str) -> Plan:
    try:
        contents = json.loads(lake.read(key))
        expires_at = datetime.fromisoformat(contents["expires_at"])
        return Plan(plan_id, str(contents["snapshot_id"]), _in_utc(expires_at))
    except (ValueError, KeyError, TypeError):
        raise Terminal(
            "a plan cannot be read, so nobody knows which snapshot it needs: none is removed",
            where=f"{lake.uri}/{key}",
            fix="Mend the plan, or remove it if nobody needs it.",
        ) from None


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
