"""Telling people that a night was not published, or that a delivery is in quarantine."""

import logging
from collections.abc import Callable
from functools import partial

from pipelines import notify, snapshots
from pipelines.domain.snapshots import BuildMeta, CheckResult, Snapshot
from pipelines.errors import MoraineError
from pipelines.ingestion import quarantined
from pipelines.run import Run

_log = logging.getLogger(__name__)


def tell_of_refusal(run: Run, meta: BuildMeta, failed: list[CheckResult]) -> None:
    """Tell that checks keep a night from being published; when none does, somebody else is at work."""
    _tell(run, partial(_refusal, run, meta, failed))


def tell_of_quarantine(run: Run, snapshot: Snapshot) -> None:
    """Tell which deliveries are damaged, if this is the snapshot that people read."""
    _tell(run, partial(_news_of_quarantine, run, snapshot))


def _tell(run: Run, compose: Callable[[], notify.Message | None]) -> None:
    """Tell people, if there is news for them; what goes wrong on the way changes nothing else."""
    recipients = run.settings.configuration.notify
    if not recipients:
        return
    try:
        message = compose()
    except MoraineError as error:
        _log.warning("nobody was told: %s", error)
        return
    if message:
        notify.tell(run.lake, run.as_of, message, recipients, run.settings.secrets)


def _refusal(run: Run, meta: BuildMeta, failed: list[CheckResult]) -> notify.Message | None:
    if not failed:
        # It was refused because somebody else is at work.
        return None
    in_force, damaged = snapshots.pointed_at(run.lake), quarantined(run)
    return notify.refusal(meta, failed, in_force, damaged, run.now, run.settings.secret_values)


def _news_of_quarantine(run: Run, snapshot: Snapshot) -> notify.Message | None:
    # Forty nights that are made up for have one and the same quarantine.
    if snapshots.pointed_at(run.lake) != snapshot:
        return None
    damaged = quarantined(run)
    return notify.quarantine(snapshot, damaged, run.now, run.settings.secret_values) if damaged else None
