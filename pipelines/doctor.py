"""What works and what to fix, before the first night."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines import notify, sources
from pipelines.domain.configuration import Recipient
from pipelines.errors import MoraineError
from pipelines.published import current
from pipelines.steps import Run, open_source


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    works: bool
    found: str
    fix: str = ""


def examine(run: Run) -> list[Finding]:
    """Return one finding per part of the set-up; nothing is landed or changed."""
    findings = [Finding("settings", works=True, found=f"{len(run.settings.configuration.sources)} sources")]
    findings.append(_lake(run))
    run.settings.scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=run.settings.scratch) as scratch:
        findings += [
            _source(run, source.name, Path(scratch)) for source in run.settings.configuration.sources
        ]
    return findings + [_recipient(run, recipient) for recipient in run.settings.configuration.notify]


def _lake(run: Run) -> Finding:
    try:
        snapshot = current(run.lake)
    except MoraineError as error:
        first_night = "no snapshot is published" in error.what or type(error).__name__ == "NotFound"
        return Finding("lake", first_night, error.what, error.fix)
    return Finding("lake", works=True, found=f"newest snapshot is of {snapshot.as_of}")


def _source(run: Run, name: str, scratch: Path) -> Finding:
    what = f"source {name}"
    try:
        found = sources.find(open_source(run, name, scratch), run.now)
    except MoraineError as error:
        return Finding(what, False, f"{error.what} ({error.where})", error.fix)
    newest = max((delivery.delivered_at for delivery in found.deliveries), default=None)
    said = (
        f"{len(found.deliveries)} deliveries, newest of {newest:%Y-%m-%d %H:%M}" if newest else "nothing yet"
    )
    return Finding(
        what, newest is not None, said, "" if newest else "Wait for the first delivery (up to 48 hours)."
    )


def _recipient(run: Run, recipient: Recipient) -> Finding:
    what = f"notify {recipient.name}"
    try:
        notify.open_notifier(recipient, run.settings.secrets)
    except MoraineError as error:
        return Finding(what, False, error.what, error.fix)
    return Finding(what, works=True, found="set up; nothing was sent")
