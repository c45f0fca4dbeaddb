"""Acme, a small AI company: what its buckets hold at the end of a day, and what must become of it.

Pure: the same day gives the same company, to the byte. Everything made up in this project is made up here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pipelines.demo import datasets, logs, training
from pipelines.demo.frameworks import Lightning
from pipelines.demo.objects import OpenUpload, StoredObject
from pipelines.demo.registry import Registration, registrations
from pipelines.demo.training import RUNS, checkpoint_uri

HISTORY_DAYS = 60
JUMP_DAYS_AGO = 5
JUMP_TEAM = "vision"
REGION = "us-east-1"
VERSIONED_BUCKETS = frozenset({datasets.BUCKET})
BUCKETS = (training.BUCKET, datasets.BUCKET, logs.BUCKET)

_SURELY_OLD_DAYS = 47


@dataclass(frozen=True, slots=True)
class Expectations:
    """What is true of the company by design; checkpoints are URIs without a trailing slash."""

    served: str
    """The registry answers from it: old, unloved by every other rule, untouchable."""
    best: tuple[str, ...]
    """Best by the metric in its name, and not the latest."""
    latest: tuple[str, ...]
    """The newest complete save of each run."""
    interrupted: str
    """The highest step of its run, and incomplete."""
    abandoned: str
    """A folder that never got its final name."""
    active_run: str
    """Saved on the last day: nothing of it may be touched."""
    failed: str
    """All that is left of a run that never finished a save."""
    orphaned: tuple[str, ...]
    """From before a restart that made the trainer forget them."""
    duplicate: str
    """Byte for byte an older save of the same run, beside it."""
    stale: tuple[str, ...]
    """Older than 47 days and protected by nothing."""
    lookalikes: tuple[str, ...]
    """Objects that are no checkpoints."""
    hostile: tuple[str, ...]
    """Objects with difficult keys, inside a stale checkpoint."""
    upload_ids: tuple[str, ...]
    """Multipart uploads that nobody will complete."""
    jump_day: date
    """First day of the cost jump: cross-region transfer triples."""
    jump_team: str
    """Whose it is."""


@dataclass(frozen=True, slots=True)
class Company:
    """Everything that exists at the end of `as_of`, but for what providers deliver."""

    as_of: date
    objects: tuple[StoredObject, ...]
    uploads: tuple[OpenUpload, ...]
    registrations: tuple[Registration, ...]
    expectations: Expectations

    @property
    def days(self) -> tuple[date, ...]:
        """The days that are billed, oldest first."""
        return tuple(self.as_of - timedelta(days=HISTORY_DAYS - 1 - number) for number in range(HISTORY_DAYS))

    @property
    def midnight(self) -> datetime:
        """The end of the last day."""
        return datetime.combine(self.as_of, time()) + timedelta(days=1)

    def objects_of(self, bucket: str, at: datetime | None = None) -> Iterator[StoredObject]:
        """Yield what a bucket holds, all versions; `at` a moment of its history, or now."""
        for item in self.objects:
            is_gone = item.gone_at is not None and (at is None or item.gone_at <= at)
            if item.bucket == bucket and not is_gone and (at is None or item.modified_at <= at):
                yield item


def make_company(as_of: date) -> Company:
    """Return the company as it is at the end of a day."""
    objects = (*training.training_objects(as_of), *datasets.dataset_objects(as_of), *logs.log_objects(as_of))
    uploads = tuple(training.training_uploads(as_of))
    return Company(as_of, objects, uploads, registrations(), _expectations(as_of, uploads))


def _expectations(as_of: date, uploads: tuple[OpenUpload, ...]) -> Expectations:
    bucket = f"s3://{training.BUCKET}/"
    hostile_folder = checkpoint_uri(*training.HOSTILE_SAVE)
    begun = next(
        item.key.split("/")[3]
        for item in training.training_objects(as_of)
        if ".orbax-checkpoint-tmp-" in item.key
    )
    return Expectations(
        served=checkpoint_uri(*training.SERVED),
        best=_best(),
        latest=tuple(checkpoint_uri(run, run.saves - 1) for run in RUNS),
        interrupted=f"{bucket}{training.CHAT.prefix}checkpoint-{training.INTERRUPTED_STEP}",
        abandoned=f"{bucket}{training.GEMMA.prefix}{begun}",
        active_run=f"{bucket}{training.SPEECH.prefix.rstrip('/')}",
        failed=checkpoint_uri(training.FAILED, 0),
        orphaned=tuple(_orphaned()),
        duplicate=training.copy_uri(),
        stale=tuple(_stale(as_of)),
        lookalikes=tuple(bucket + key for key, _ in training.LOOKALIKES),
        hostile=tuple(f"{hostile_folder}/{name}" for name in training.HOSTILE_NAMES),
        upload_ids=tuple(upload.upload_id for upload in uploads),
        jump_day=as_of - timedelta(days=JUMP_DAYS_AGO),
        jump_team=JUMP_TEAM,
    )


def _best() -> tuple[str, ...]:
    return tuple(
        checkpoint_uri(run, run.framework.best_epoch) for run in RUNS if isinstance(run.framework, Lightning)
    )


def _orphaned() -> Iterator[str]:
    protected = {checkpoint_uri(*training.SERVED), *_best()}
    for run in RUNS:
        for number in run.kept:
            uri = checkpoint_uri(run, number)
            if run.removed and number < run.removed.start and uri not in protected:
                yield uri


def _stale(as_of: date) -> Iterator[str]:
    limit = datetime.combine(as_of, time()) - timedelta(days=_SURELY_OLD_DAYS - 1)
    protected = {checkpoint_uri(*training.SERVED), *_best()}
    for run in RUNS:
        for number in run.kept[:-2]:
            uri = checkpoint_uri(run, number)
            if run.saved_at(number, as_of) < limit and uri not in protected:
                yield uri
