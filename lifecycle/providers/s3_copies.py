"""An object copied onto itself in another class, with everything that belongs to it.

At once up to 5 GiB, above that in parts. A copy makes the ACL private again and drops locks: grants are sent
again, a locked object is refused. There is no condition on an ACL, so one that had grants is read again
afterwards. What somebody changed meanwhile is seen where versions are kept, and put right; that the copy has
other grants than it was given is told, never put right: somebody may just have taken them away.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from lifecycle.errors import AclChanged, ActionRefused
from lifecycle.providers.protocol import ClassChange, ObjectState
from lifecycle.providers.s3_answers import CARRIED_BY_COPY, OBSTACLES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 5 * 1024**3
_MOST_PARTS = 10_000
_GRANTS = {
    "FULL_CONTROL": "GrantFullControl",
    "READ": "GrantRead",
    "READ_ACP": "GrantReadACP",
    "WRITE_ACP": "GrantWriteACP",
}


@dataclass(frozen=True, slots=True)
class _Made:
    """A copy that was made; without a version where none are kept."""

    etag: str
    version_id: str


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy on its way."""

    client: "S3Client"
    bucket: str
    state: ObjectState
    change: ClassChange
    has_acl: bool
    part_bytes: int = PART_BYTES

    def make(self) -> str:
        """Copy; return the new ETag.

        Raises:
            ActionRefused: something of the object would be lost.
            AclChanged: it is copied, and its ACL is not as it was.
            ClientError: the store's own answer.
        """
        _refuse_what_would_be_lost(self.bucket, self.state, in_parts=self.change.in_parts)
        grants = _grants(self.client, {"Bucket": self.bucket, "Key": self.state.key}) if self.has_acl else {}
        made = self._in_parts(grants) if self.change.in_parts else self._at_once(grants)
        if grants:
            self._see_to_grants(grants, made)
        return made.etag

    def _see_to_grants(self, given: Mapping[str, str], made: _Made) -> None:
        """Compare the ACL of the copy with what it was given, and that with what the version before has."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

        place: Any = {"Bucket": self.bucket, "Key": self.state.key}
        copy: Any = {**place, **({"VersionId": made.version_id} if made.version_id else {})}
        try:
            if _grants(self.client, copy) != given:
                raise AclChanged(made.etag, "its access control list is not the one that it was given")
            if made.version_id not in ("", "null"):
                before: Any = _grants(self.client, {**place, "VersionId": self.state.version_id or "null"})
                if before != given:
                    self.client.put_object_acl(**copy, **(before or {"ACL": "private"}))
        except (ActionRefused, BotoCoreError, ClientError) as error:
            raise AclChanged(
                made.etag, "whether its access control list is as it was is not known"
            ) from error

    def _at_once(self, grants: Mapping[str, Any]) -> _Made:
        carried = self.state.carried
        answer = self.client.copy_object(
            Bucket=self.bucket,
            Key=self.state.key,
            CopySource={"Bucket": self.bucket, "Key": self.state.key},
            CopySourceIfMatch=self.change.source,
            IfMatch=self.change.destination,
            StorageClass=self.change.to,  # type: ignore[arg-type]
            MetadataDirective="COPY",
            TaggingDirective="COPY",
            **{name: carried[name] for name in CARRIED_BY_COPY if name in carried},
            **grants,
        )
        return _Made(answer["CopyObjectResult"].get("ETag", "").strip('"'), answer.get("VersionId", ""))

    def _in_parts(self, grants: Mapping[str, Any]) -> _Made:
        place: Any = {"Bucket": self.bucket, "Key": self.state.key}
        tags = self.client.get_object_tagging(**place).get("TagSet")
        if tags is None:
            raise ActionRefused(
                "the store does not tell its tags, so a copy in parts would lose them",
                where=f"s3://{self.bucket}/{self.state.key}",
                fix="Leave it in its class.",
            )
        upload_id = self.client.create_multipart_upload(
            **place,
            StorageClass=self.change.to,  # type: ignore[arg-type]
            # Ceph takes the "+" that stands for a space to be a plus.
            Tagging=urlencode([(tag["Key"], tag["Value"]) for tag in tags], quote_via=quote),
            **self.state.carried,
            **grants,
        )["UploadId"]
        try:
            parts = [self._part(upload_id, number) for number in range(1, self._part_count + 1)]
            answer = self.client.complete_multipart_upload(
                **place,
                UploadId=upload_id,
                IfMatch=self.change.destination,
                MultipartUpload={"Parts": parts},
            )
        except BaseException:
            # An upload that nobody completes is billed, and in no listing of objects.
            _abort(self.client, place, upload_id)
            raise
        return _Made(answer.get("ETag", "").strip('"'), answer.get("VersionId", ""))

    def _part(self, upload_id: str, number: int) -> Any:  # noqa: ANN401  (a part in the client's own form)
        size = self._bytes_per_part
        first, last = (number - 1) * size, min(number * size, self.state.size_bytes) - 1
        answer = self.client.upload_part_copy(
            Bucket=self.bucket,
            Key=self.state.key,
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": self.bucket, "Key": self.state.key},
            CopySourceIfMatch=self.change.source,
            CopySourceRange=f"bytes={first}-{last}",
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    @property
    def _bytes_per_part(self) -> int:
        return max(self.part_bytes, math.ceil(self.state.size_bytes / _MOST_PARTS))

    @property
    def _part_count(self) -> int:
        return max(1, math.ceil(self.state.size_bytes / self._bytes_per_part))


def _abort(client: "S3Client", place: Any, upload_id: str) -> None:  # noqa: ANN401  (the client's parameters)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (see pipelines.stores.s3)

    # What ended the copy is what counts. Where its last answer was lost, the upload is complete and gone.
    with suppress(BotoCoreError, ClientError):
        client.abort_multipart_upload(**place, UploadId=upload_id)


def _refuse_what_would_be_lost(bucket: str, state: ObjectState, *, in_parts: bool) -> None:
    customer_key, unseen_metadata = OBSTACLES
    reasons = {
        f"the object is locked ({state.hold})": bool(state.hold),
        "the object is frozen": state.thaw in ("frozen", "thawing"),
        "the object is under a customer's own key": customer_key in state.carried,
        "a part of its metadata cannot be read": in_parts and unseen_metadata in state.carried,
    }
    for reason, is_so in reasons.items():
        if is_so:
            raise ActionRefused(
                reason,
                where=f"s3://{bucket}/{state.key}",
                fix="Leave it where it is; a frozen object can be copied once it is readable.",
            )


def _grants(client: "S3Client", place: Any) -> dict[str, str]:  # noqa: ANN401  (the client's parameters)
    """Return the parameters that give a copy the ACL of its source; none for an ACL of the owner alone."""
    bucket, key = place["Bucket"], place["Key"]
    acl = client.get_object_acl(**place)
    owner = acl.get("Owner", {}).get("ID", "")
    if owner != client.get_bucket_acl(Bucket=bucket).get("Owner", {}).get("ID", ""):
        raise _cannot_grant(bucket, key, "it belongs to another account than its bucket")
    grants = {(_grantee(grant), grant.get("Permission", "")) for grant in acl.get("Grants", ())}
    if grants == {(f'id="{owner}"', "FULL_CONTROL")}:
        return {}
    if not all(grantee and permission in _GRANTS for grantee, permission in grants):
        raise _cannot_grant(bucket, key, "its ACL has a grant that a copy cannot be given")
    return {
        parameter: ",".join(sorted(grantee for grantee, permission in grants if permission == said))
        for said, parameter in _GRANTS.items()
        if any(permission == said for _, permission in grants)
    }


def _grantee(grant: Any) -> str:  # noqa: ANN401  (in the client's own form)
    grantee = grant.get("Grantee", {})
    kind = {"CanonicalUser": "id", "Group": "uri"}.get(grantee.get("Type", ""), "")
    name = grantee.get("ID" if kind == "id" else "URI", "")
    return f'{kind}="{name}"' if kind and name and '"' not in name else ""


def _cannot_grant(bucket: str, key: str, reason: str) -> ActionRefused:
    return ActionRefused(
        f"the object's ACL would be lost: {reason}",
        where=f"s3://{bucket}/{key}",
        fix="Leave it, or switch ACLs off for the bucket (object ownership: bucket owner enforced).",
    )
