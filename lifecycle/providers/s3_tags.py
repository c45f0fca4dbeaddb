"""The tags of an S3 object: read whole, written whole, as S3 knows no other way and no condition.

They are read right before they are written, so that what others tagged is carried along.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.errors import ActionRefused
from lifecycle.providers.protocol import MOST_TAGS, ObjectState
from lifecycle.providers.s3_answers import answered, said
from lifecycle.providers.s3_buckets import is_amazons

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Tags = Mapping[str, str]


def read_tags(client: "S3Client", bucket: str, key: str, version_id: str | None = None) -> Tags:
    """Return an object's tags; none where the store says that it knows no tags.

    Raises:
        Gone, ActionRefused, Transient: see `Provider.head`.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

    with answered(bucket, key):
        try:
            answer = client.get_object_tagging(Bucket=bucket, Key=key, **_version(version_id))
        except ClientError as error:
            if said(error)[0] == "NotImplemented":
                return {}
            raise
    if "TagSet" not in answer:
        # Ceph RGW 16 answers so about an object that was uploaded in parts with tags.
        raise ActionRefused(
            "the store does not tell its tags",
            where=f"s3://{bucket}/{key}",
            fix="Tag it again, or leave it.",
        )
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def change_tags(client: "S3Client", bucket: str, state: ObjectState, change: Callable[[Tags], Tags]) -> None:
    """Replace the tags of the version that was looked at by what becomes of those that are there now.

    Raises:
        Gone, ActionRefused, Transient: see `KeepsRules.tag`.
    """
    found = read_tags(client, bucket, state.key, state.version_id)
    wanted = change(found)
    if wanted == found:
        return
    if len(wanted) > MOST_TAGS:
        raise ActionRefused(
            f"it has {len(found)} tags, and the store takes no more",
            where=f"s3://{bucket}/{state.key}",
            fix="Leave it, or take a tag off.",
        )
    request: Any = {"TagSet": [{"Key": name, "Value": text} for name, text in wanted.items()]}
    where = {"Bucket": bucket, "Key": state.key, **_version(state.version_id)}
    with answered(bucket, state.key):
        if wanted or not is_amazons(client):
            client.put_object_tagging(Tagging=request, **where)
        else:
            # Amazon has this for the last tag. Ceph RGW 16 loses the storage class by it, or keeps the tag.
            client.delete_object_tagging(**where)


def with_tag(name: str, text: str) -> Callable[[Tags], Tags]:
    """Return what adds a tag."""
    return lambda found: {**found, name: text}


def without_tag(name: str, text: str) -> Callable[[Tags], Tags]:
    """Return what takes off a tag, if it has this text."""
    return lambda found: {key: value for key, value in found.items() if (key, value) != (name, text)}


def _version(version_id: str | None) -> Any:  # noqa: ANN401  (the client's parameters)
    return {"VersionId": version_id} if version_id else {}
