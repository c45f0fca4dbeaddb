"""The lifecycle rules of an S3 bucket: read whole, written whole, as S3 knows no other way."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lifecycle.errors import ActionRefused
from lifecycle.providers.protocol import BucketRules
from lifecycle.providers.s3_answers import said
from pipelines.stores.s3 import explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NO_RULES = "NoSuchLifecycleConfiguration"
_SERVER_ERROR = 500


def read_rules(client: "S3Client", bucket: str) -> BucketRules:
    """Return all rules of a bucket; times in them as text, as S3 takes them back.

    Raises:
        ActionRefused: they may not be read.
        Transient: the store does not answer.
    """
    with _asking(bucket) as found:
        answer: Mapping[str, Any] = client.get_bucket_lifecycle_configuration(Bucket=bucket)
        rules = tuple(_plain(rule) for rule in answer.get("Rules", ()))
        found.append(BucketRules(rules, answer.get("TransitionDefaultMinimumObjectSize", "")))
    return found[0] if found else BucketRules()


def write_rules(client: "S3Client", bucket: str, rules: BucketRules) -> None:
    """Replace all rules of a bucket; without any, its configuration goes.

    Raises:
        ActionRefused: they may not be written, or S3 does not take them; nothing was changed.
        Transient: the store does not answer.
    """
    with _asking(bucket):
        if not rules.rules:
            client.delete_bucket_lifecycle(Bucket=bucket)
            return
        request: dict[str, Any] = {
            "Bucket": bucket,
            "LifecycleConfiguration": {"Rules": [dict(rule) for rule in rules.rules]},
        }
        if rules.smallest_moved:
            request["TransitionDefaultMinimumObjectSize"] = rules.smallest_moved
        client.put_bucket_lifecycle_configuration(**request)


@contextmanager
def _asking(bucket: str) -> Iterator[list[BucketRules]]:
    from botocore.exceptions import ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

    where = f"s3://{bucket}"
    with explained(where):
        try:
            yield []
        except ClientError as error:
            code, status = said(error)
            if code == _NO_RULES:
                return
            if code == "NoSuchBucket" or status >= _SERVER_ERROR:
                raise
            raise ActionRefused(
                f"the bucket's lifecycle rules cannot be read or written ({code or status})",
                where=where,
                fix="Allow s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration there.",
            ) from error


def _plain(value: Any) -> Any:  # noqa: ANN401  (in the client's own form)
    match value:
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case Mapping():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value
