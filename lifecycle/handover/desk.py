"""Writes down what the engines of the clouds are to do instead of `apply`: manifests, requests, rules.

Nothing is changed in any bucket. Everything was asked that apply asks first; what only apply can do safely
stays with it. The folder appears whole or not at all, and from then on nothing else acts on the plan.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
from pydantic import TypeAdapter

from lifecycle.errors import PlanRefused
from lifecycle.handover.bucket_rules import archive_rule, delete_rule
from lifecycle.handover.jobs import TAGGING, Errand, Job, requests
from lifecycle.handover.manifests import Ground, LeftOut, Manifests, plan_files
from lifecycle.model import BucketCapability, Moment, Plan
from lifecycle.plan.decisions import sha256_of
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import Clouds, KeepsRules
from pipelines.domain.text import to_json

HANDOVER = "handover.json"
_EFFECTS = {
    "s3-copy": "archives by a copy in place",
    "s3-tag-archive": "tags what a rule of the bucket archives",
    "s3-tag-delete": "tags what a rule of the bucket deletes; versions stay behind",
    "gcs-rewrite": "archives by a rewrite in place",
    "gcs-delete": "deletes by generation",
}


@dataclass(frozen=True, slots=True)
class HandOver:
    """What was written for the engines of the clouds."""

    plan_id: str
    fingerprint: str
    at: Moment
    jobs: tuple[Job, ...]
    left_out: tuple[LeftOut, ...]
    files: Mapping[str, str]
    """Hashes (SHA-256) of all files beside it."""

    @property
    def objects(self) -> int:
        """Objects that jobs are about."""
        return sum(job.objects for job in self.jobs)

    @property
    def tagged_buckets(self) -> tuple[str, ...]:
        """Buckets that need a rule for what is tagged."""
        return tuple(sorted({job.bucket for job in self.jobs if job.operation in TAGGING}))

    def own_rules(self, bucket: str) -> list[Mapping[str, object]]:
        """Return the rules that the bucket needs for what is tagged there."""
        jobs = [job for job in self.jobs if (job.scheme, job.bucket) == ("s3", bucket)]
        deletes = any(job.operation == "s3-tag-delete" for job in jobs)
        classes = sorted({job.target_class for job in jobs if job.operation == "s3-tag-archive"})
        return [
            *([delete_rule(self.plan_id)] if deletes else []),
            *(archive_rule(self.plan_id, to) for to in classes),
        ]


_HAND_OVER = TypeAdapter(HandOver)


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found right before: what buckets enforce, and checkpoints that are not what was planned."""

    capabilities: Mapping[str, BucketCapability]
    surprises: Mapping[str, str]


def refuse_begun(directory: PlanDirectory, plan: Plan) -> None:
    """Refuse a plan that was begun by hand, or holds nothing to do.

    Raises:
        PlanRefused: it was, or does.
    """
    if directory.is_begun:
        raise PlanRefused(
            "an apply of this plan has begun",
            where=str(directory),
            fix=f"Go on with it: moraine-lifecycle apply {plan.id}.",
        )
    if not plan.actions:
        raise PlanRefused("the plan changes nothing", where=str(directory), fix="There is nothing to do.")


@dataclass(frozen=True)
class Desk:
    """Where a plan that may be applied is handed over."""

    directory: PlanDirectory
    plan: Plan
    clouds: Clouds
    connection: duckdb.DuckDBPyConnection

    def hand_over(self, examined: Examined, errand: Errand, now: datetime) -> HandOver:
        """Write the folder `handover`.

        Raises:
            PlanRefused: no cloud's engine can do any of it.
        """
        part = self.directory.path / "handover.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        jobs, left_out = self._manifests(examined, errand, part).write()
        if not jobs:
            shutil.rmtree(part)
            raise PlanRefused(
                f"no cloud's engine can do any of it: {left_out[0].reason}",
                where=str(self.directory),
                fix=f"Nothing was written. Act with: moraine-lifecycle apply {self.plan.id}.",
            )
        for job in jobs:
            for name, request in requests(job, self.plan, errand).items():
                (part / name).write_text(to_json(request), encoding="utf-8")
        whole = HandOver(self.plan.id, self.plan.fingerprint, now, jobs, left_out, {})
        (part / "README.md").write_text("\n".join(_readme(whole, errand)), encoding="utf-8")
        whole = replace(whole, files={path.name: sha256_of(path) for path in sorted(part.iterdir())})
        (part / HANDOVER).write_text(to_json(whole), encoding="utf-8")
        part.rename(self.directory.handover)
        return whole

    def _manifests(self, examined: Examined, errand: Errand, part: Path) -> Manifests:
        return Manifests(
            self.connection,
            plan_files(self.directory.path, self.plan.actions),
            [Ground(found, self._has_acls(found)) for found in examined.capabilities.values()],
            examined.surprises,
            part,
            errand.with_tags,
        )

    def _has_acls(self, found: BucketCapability) -> bool:
        match self.clouds[found.scheme]:
            case KeepsRules() as cloud:
                return cloud.has_acls(found.bucket)
        return False


def read_hand_over(directory: PlanDirectory, plan: Plan) -> HandOver:
    """Return what was handed over.

    Raises:
        PlanRefused: nothing of this plan was.
    """
    try:
        found = _HAND_OVER.validate_json((directory.handover / HANDOVER).read_bytes())
        if found.fingerprint == plan.fingerprint:
            return found
    except (FileNotFoundError, ValueError):
        pass
    raise PlanRefused(
        "the plan was not handed over",
        where=str(directory),
        fix=f"Hand it over first: moraine-lifecycle apply {plan.id} --handover.",
    )


def _readme(whole: HandOver, errand: Errand) -> Iterator[str]:
    yield f"# Hand-over of {whole.plan_id}"
    yield ""
    yield (
        f"Written {whole.at:%Y-%m-%d %H:%M} UTC, when every checkpoint was looked at a last time. Nothing "
        "was changed. What people pin, tag or register from then on no engine sees: cancel the job."
    )
    yield ""
    yield "| job | bucket | what it does | objects | bytes |"
    yield "|---|---|---|---:|---:|"
    for job in whole.jobs:
        what = f"{_EFFECTS[job.operation]} {job.target_class}".rstrip()
        yield f"| {job.name} | {job.place} | {what} | {job.objects:,} | {job.size_bytes:,} |"
    yield from ("", "## What to do, in this order", "")
    yield from (f"{number}. {step}" for number, step in enumerate(_steps(whole, errand), 1))
    yield from ("", "## What to know", "")
    yield from (f"* {fact}" for fact in _facts(whole))
    if whole.left_out:
        yield from ("", "## What is in no job", "")
        yield from (f"* {each.objects:,} objects: {each.reason}" for each in whole.left_out)
        yield ""
        yield "`left-out.parquet` names each. The next plan takes them up; apply it without `--handover`."
    yield ""


def _steps(whole: HandOver, errand: Errand) -> Iterator[str]:
    for scheme in sorted({job.scheme for job in whole.jobs}):
        yield f"Upload the `.csv` files of `{scheme}://` buckets to `{errand.folder(scheme)}`."
    yield (
        "Fill in what the requests have in angle brackets. The ETag of a manifest on S3 is the MD5 in the "
        "request only when it was uploaded with one request and without a KMS key; else put in its own."
    )
    if whole.tagged_buckets:
        yield f"Put the rules for what is tagged: `moraine-lifecycle rules {whole.plan_id} --put`."
    yield (
        "Create the jobs one after the other, each when the one before has ended. S3: `aws s3control "
        "create-job --cli-input-json file://job-001.json`. Cloud Storage: a POST of the JSON to "
        "`https://storagebatchoperations.googleapis.com/v1/projects/PROJECT/locations/global/jobs?jobId=ID`, "
        "the dry run first."
    )
    if len({job.stage for job in whole.jobs if job.stage > 1}) > 1:
        yield (
            "Deletions go in two stages, markers of completeness first: begin the second when the objects of "
            "the first are gone, or a trainer could start from half a checkpoint."
        )
    yield f"See how far they are: `moraine-lifecycle verify {whole.plan_id}`, exit code 3 until all is done."
    if whole.tagged_buckets:
        yield f"Then take the rules away: `moraine-lifecycle rules {whole.plan_id} --remove`."


def _facts(whole: HandOver) -> Iterator[str]:
    operations = {job.operation for job in whole.jobs}
    if "s3-copy" in operations:
        yield (
            "Copies on S3 know no ETag per object, only one time for the whole job: what was written after "
            "its newest object is not copied. All were compared with the plan when this was written, so "
            "what changed since is newer, and stays. Objects under a KMS key of their own get the bucket's."
        )
    if operations & TAGGING:
        yield (
            "Tagging on S3 replaces all tags of an object, as `--with-tags` allowed. Who copies a tagged "
            "object copies the tag, and the rule then is about the copy, too: take it away soon."
        )
    if "s3-tag-archive" in operations:
        yield (
            "Tagging where no versions are kept has no condition: what is overwritten before the job runs "
            "is tagged and archived, too. Nothing is lost by it but tags."
        )
    if "gcs-delete" in operations:
        yield "Deletes on Cloud Storage name the generation: what was overwritten since is not touched."
    yield (
        f"To go back: end or cancel the jobs, then `moraine-lifecycle undo {whole.plan_id} --jobs-ended`. It "
        "takes the plan's rules away, and back what the buckets show to be done: a copy by a copy, a delete "
        "by removing its delete marker or restoring the generation, while the bucket keeps it. Tags stay."
    )
