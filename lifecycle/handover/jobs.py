"""What the engine of a cloud is asked to do, as its own API takes it: one request per job. Pure.

Batch Operations on S3 copies and tags, and deletes nothing; storage batch operations on Cloud Storage rewrite
and delete. A request that misses something says so in angle brackets: no cloud accepts that.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from lifecycle.apply.tagging import ARCHIVE_TAG
from lifecycle.handover.bucket_rules import DELETE_TAG
from lifecycle.model import Plan, Scheme
from pipelines.errors import Terminal

Operation = Literal["s3-copy", "s3-tag-archive", "s3-tag-delete", "gcs-rewrite", "gcs-delete"]
TAGGING: frozenset[str] = frozenset({"s3-tag-archive", "s3-tag-delete"})
_ROLE: Final = re.compile(r"arn:([^:]+):iam::(\d{12}):role/.+")
_FOLDER: Final = re.compile(r"(s3|gs)://([^/]+)/?(.*)", re.DOTALL)
_DESCRIPTION_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Errand:
    """What a hand-over needs to know of the clouds' side; what is not known is left to be filled in."""

    role: str = ""
    """The ARN of the role that Batch Operations acts under."""
    manifests: Mapping[str, str] = field(default_factory=dict)
    """Where manifests will be uploaded, by scheme, without a slash at the end."""
    with_tags: bool = False
    """The tags of objects may be replaced by one of ours."""

    @property
    def partition(self) -> str:
        """The part of AWS: `aws`, `aws-cn`."""
        found = _ROLE.fullmatch(self.role)
        return found[1] if found else "aws"

    @property
    def account(self) -> str:
        """The account of the role."""
        found = _ROLE.fullmatch(self.role)
        return found[2] if found else "<account>"

    def folder(self, scheme: Scheme) -> str:
        """Return where a cloud's manifests will be."""
        return self.manifests.get(scheme, f"{scheme}://<bucket>/<prefix>")


@dataclass(frozen=True, slots=True)
class Job:
    """Objects of one bucket, and what is to be done with all of them."""

    name: str
    """`job-001`; jobs run in the order of their names, each after the one before has ended."""
    operation: Operation
    stage: int
    """1: archives, 2: markers of what is deleted, 3: the rest of that."""
    scheme: Scheme
    bucket: str
    target_class: str
    objects: int
    size_bytes: int
    newest_at: datetime
    """When the newest of its objects was written, as planned."""
    manifest: str
    sha256: str
    md5: str
    """The ETag of a manifest that is uploaded with one request."""

    @property
    def place(self) -> str:
        """The bucket's URI."""
        return f"{self.scheme}://{self.bucket}"


def read_errand(role: str, manifests: Sequence[str], *, with_tags: bool) -> Errand:
    """Return an errand from what a person typed.

    Raises:
        Terminal: this is no role, or no folder of a bucket.
    """
    if role and not _ROLE.fullmatch(role):
        raise Terminal(
            "this is no role", where=role, fix="Write its ARN: --role arn:aws:iam::123456789012:role/NAME."
        )
    folders: dict[str, str] = {}
    for uri in manifests:
        found = _FOLDER.fullmatch(uri)
        if not found:
            raise Terminal(
                "manifests are uploaded to a bucket", where=uri, fix="Write --manifests s3://BUCKET/PREFIX."
            )
        folders[found[1]] = uri.rstrip("/")
    return Errand(role, folders, with_tags)


def requests(job: Job, plan: Plan, errand: Errand) -> Mapping[str, Mapping[str, Any]]:
    """Return the requests of a job by the name of their file; on Cloud Storage a dry run comes first."""
    if job.scheme == "s3":
        return {f"{job.name}.json": _batch_operations(job, plan, errand)}
    dry, real = (_storage_batch(job, plan, errand, is_dry=is_dry) for is_dry in (True, False))
    return {f"{job.name}.dry-run.json": dry, f"{job.name}.json": real}


def _batch_operations(job: Job, plan: Plan, errand: Errand) -> Mapping[str, Any]:
    manifest_bucket, prefix = _parts(errand.folder("s3"))
    aws = f"arn:{errand.partition}:s3:::"
    fields = ["Bucket", "Key", *(["VersionId"] if job.operation == "s3-tag-delete" else [])]
    return {
        "AccountId": errand.account,
        "ConfirmationRequired": True,
        "Operation": _s3_operation(job, plan, aws),
        "Manifest": {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": fields},
            "Location": {"ObjectArn": f"{aws}{manifest_bucket}/{prefix}{job.manifest}", "ETag": job.md5},
        },
        "Report": {
            "Bucket": aws + manifest_bucket,
            "Format": "Report_CSV_20180820",
            "Enabled": True,
            "Prefix": f"{prefix}reports",
            "ReportScope": "AllTasks",
        },
        "Description": _description(job, plan),
        "Priority": 10 - job.stage,
        "RoleArn": errand.role or "<role>",
        "ClientRequestToken": f"{plan.fingerprint[:32]}-{job.name}",
    }


def _s3_operation(job: Job, plan: Plan, aws: str) -> Mapping[str, Any]:
    if job.operation == "s3-copy":
        # Rounded up: an inventory may know milliseconds where the condition knows seconds.
        until = job.newest_at.replace(microsecond=0) + timedelta(seconds=bool(job.newest_at.microsecond))
        return {
            "S3PutObjectCopy": {
                "TargetResource": aws + job.bucket,
                "StorageClass": job.target_class,
                "MetadataDirective": "COPY",
                "UnModifiedSinceConstraint": f"{until.isoformat()}Z",
            }
        }
    tag = DELETE_TAG if job.operation == "s3-tag-delete" else ARCHIVE_TAG
    return {"S3PutObjectTagging": {"TagSet": [{"Key": tag, "Value": plan.id}]}}


def _storage_batch(job: Job, plan: Plan, errand: Errand, *, is_dry: bool) -> Mapping[str, Any]:
    operation: Mapping[str, Any] = (
        {"rewriteObject": {"storageClass": job.target_class}}
        if job.operation == "gcs-rewrite"
        # What is live becomes noncurrent where versions are kept; what is noncurrent already is left alone.
        else {"deleteObject": {"permanentObjectDeletionEnabled": False}}
    )
    location = f"{errand.folder('gs')}/{job.manifest}"
    return {
        "description": _description(job, plan),
        "bucketList": {"buckets": [{"bucket": job.bucket, "manifest": {"manifestLocation": location}}]},
        **operation,
        "loggingConfig": {"logActions": ["TRANSFORM"], "logActionStates": ["SUCCEEDED", "FAILED"]},
        "dryRun": is_dry,
    }


def _description(job: Job, plan: Plan) -> str:
    return f"{plan.id}: {job.name}, {job.operation}"[:_DESCRIPTION_LENGTH]


def _parts(folder: str) -> tuple[str, str]:
    bucket, _, prefix = folder.partition("://")[2].partition("/")
    return bucket, f"{prefix}/" if prefix else ""
