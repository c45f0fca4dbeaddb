"""Buckets and generations as the service describes them."""

import base64
from datetime import datetime
from urllib.parse import quote

from tests.fakes.gcs.clock import stamp
from tests.fakes.gcs.messages import Json
from tests.fakes.gcs.rules import retained_until
from tests.fakes.gcs.state import Bucket, Generation


def bucket_resource(bucket: Bucket, base_url: str) -> Json:
    """Return a bucket's document."""
    return {
        **bucket.fields,
        "kind": "storage#bucket",
        "id": bucket.name,
        "name": bucket.name,
        "selfLink": f"{base_url}/storage/v1/b/{bucket.name}",
        "projectNumber": "1",
        "metageneration": str(bucket.metageneration),
        "etag": _etag(0, bucket.metageneration),
        "timeCreated": stamp(bucket.created_at),
        "updated": stamp(bucket.updated_at or bucket.created_at),
    }


def object_resource(bucket: Bucket, known: Generation, base_url: str) -> Json:
    """Return a generation's document."""
    path = f"storage/v1/b/{bucket.name}/o/{quote(known.name, safe='')}"
    document: Json = {
        **known.fields,
        "kind": "storage#object",
        "id": f"{bucket.name}/{known.name}/{known.generation}",
        "name": known.name,
        "bucket": bucket.name,
        "selfLink": f"{base_url}/{path}",
        "mediaLink": f"{base_url}/download/{path}?generation={known.generation}&alt=media",
        "generation": str(known.generation),
        "metageneration": str(known.metageneration),
        "etag": _etag(known.generation, known.metageneration),
        "size": str(known.content.size),
        "crc32c": known.content.crc32c,
        "storageClass": known.storage_class,
        "timeCreated": stamp(known.created_at),
        "timeFinalized": stamp(known.created_at),
        "timeStorageClassUpdated": stamp(known.created_at),
        "updated": stamp(known.updated_at or known.created_at),
    }
    return {**document, **_hashes(known), **_ends(bucket, known)}


def _hashes(known: Generation) -> Json:
    # The service computes no MD5 of composed objects.
    if known.component_count is not None:
        return {"componentCount": known.component_count}
    return {"md5Hash": known.content.md5}


def _ends(bucket: Bucket, known: Generation) -> Json:
    moments: dict[str, datetime | None] = {
        "timeDeleted": known.noncurrent_at,
        "softDeleteTime": known.soft_deleted_at,
        "hardDeleteTime": known.hard_delete_at,
        "retentionExpirationTime": retained_until(bucket, known),
    }
    return {name: stamp(moment) for name, moment in moments.items() if moment is not None}


def _etag(generation: int, metageneration: int) -> str:
    return base64.b64encode(f"{generation}/{metageneration}".encode()).decode()
