"""The bucket `acme-datasets`: versioned, partly in a colder class, with versions that nobody reads."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from pipelines.demo.chance import between, digest
from pipelines.demo.frameworks import GB
from pipelines.demo.objects import StoredObject, declare

BUCKET = "acme-datasets"
SMALL_PREFIX = "vision/thumbnails/"
SMALL_COUNT = 120
"""Pictures in a class that bills each of them as if it had 128 KiB: dearer there than in STANDARD."""
_ODD_KEYS = (
    "nlp/über corpus/naïve 100%+1.jsonl",
    "nlp/über corpus/a%20b+c.jsonl",
    "vision/labels/class=cat/part 01.parquet",
    'speech/calls/it\'s "quoted", twice.json',
    "shared/日本語/データ.jsonl",
)


def dataset_objects(as_of: date) -> Iterator[StoredObject]:
    """Yield every version and delete marker of the bucket at the end of that day."""
    for item in (*_shards(as_of), *_rewritten(as_of), *_removed(as_of), *_small(as_of)):
        yield replace(item, version_id=_version(item))


def _shards(as_of: date) -> Iterator[StoredObject]:
    for number in range(60):
        key = f"nlp/web-crawl/v3/tokens_{number:05d}.bin"
        yield declare(BUCKET, key, 210 * GB + number, _at(as_of, 96 - number * 0.9))
    for number in range(80):
        key = f"vision/video-raw/clips-{number:05d}.tar"
        yield declare(BUCKET, key, 180 * GB + number, _at(as_of, 190 - number), storage_class="STANDARD_IA")
    for number in range(60):
        key = f"speech/calls/part-{number:05d}-of-00060.tar.zst"
        yield declare(BUCKET, key, 38 * GB + number, _at(as_of, 80 - number * 1.2))


def _rewritten(as_of: date) -> Iterator[StoredObject]:
    """Each of these was written again: the version before stays, and stays on the bill."""
    for number in range(24):
        key = f"nlp/instructions/v2/train-{number:05d}-of-00024.parquet"
        for rewrite in range(2):
            yield declare(BUCKET, key, 42 * GB + rewrite, _at(as_of, 70 - 48 * rewrite - number * 0.5))


def _removed(as_of: date) -> Iterator[StoredObject]:
    """These were deleted, which in a versioned bucket deletes nothing."""
    for number in range(6):
        key = f"vision/frames-2025/batch-{number:02d}.tar"
        yield declare(BUCKET, key, 95 * GB, _at(as_of, 120 - number))
        yield StoredObject(BUCKET, key, 0, _at(as_of, 33 - number * 0.01), "", "", is_delete_marker=True)


def _small(as_of: date) -> Iterator[StoredObject]:
    for key in _ODD_KEYS:
        yield declare(BUCKET, key, between(200_000, 90_000_000, key), _at(as_of, 64))
    for number in range(SMALL_COUNT):
        key = f"{SMALL_PREFIX}{number:05d}.webp"
        size = between(9_000, 40_000, key)
        yield declare(BUCKET, key, size, _at(as_of, 75), storage_class="STANDARD_IA")
    for number in range(90):
        key = f"shared/manifests/{number:03d}/_SUCCESS"
        yield declare(BUCKET, key, 0 if number % 2 else 1_024, _at(as_of, 61 - number * 0.6))


def _version(item: StoredObject) -> str:
    return digest("version", item.key, item.modified_at)


def _at(as_of: date, days_ago: float) -> datetime:
    return datetime.combine(as_of, time(11, 30)) - timedelta(minutes=round(days_ago * 1440))
