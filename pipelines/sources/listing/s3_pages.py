"""A page of an S3 listing as columns, cut at the end of a range. Pure."""

from collections.abc import Iterable

import pyarrow as pa

from pipelines.sources.listing.protocol import Page, Probe
from pipelines.stores.s3_pages import FIELDS, S3Page, plain_text

SCHEMA = pa.schema(
    [
        ("element", pa.string()),
        ("key", pa.string()),
        ("version_id", pa.string()),
        ("is_latest", pa.string()),
        ("last_modified", pa.string()),
        ("etag", pa.string()),
        ("size", pa.string()),
        ("storage_class", pa.string()),
        ("is_encoded", pa.bool_()),
    ]
)
_LATE = 0.75


def cut(page: S3Page, last: str | None) -> Page:
    """Return the rows whose key is not after `last`."""
    probe = _probe(page)
    if last is None or probe.last <= last:
        # A page that ends with the range's last key may leave versions of it to the next.
        return Page(_batch(page), probe, page.following)
    inside = pa.array([page.key(key) <= last for key in page.keys], pa.bool_())
    return Page(_batch(page).filter(inside), probe, None)


def _probe(page: S3Page) -> Probe:
    if not page.keys:
        return Probe(None, is_end=page.following is None)
    first = min(page.key(key) for key in _ends(page, -1))
    last = max(page.key(key) for key in _ends(page, 1))
    late = int(len(page.keys) * _LATE)
    return Probe(
        first,
        late=min(page.key(page.keys[late]), last),
        late_count=len(page.keys) - late - 1,
        last=last,
        count=len(page.keys),
        is_end=page.following is None,
    )


def _ends(page: S3Page, step: int) -> Iterable[bytes]:
    """Return the last key of each kind of row, or with a step of -1 the first."""
    return dict(zip(page.elements[::step], page.keys[::step], strict=True)).values()


def _batch(page: S3Page) -> pa.RecordBatch:
    keys = page.keys if page.is_encoded else [plain_text(key) for key in page.keys]
    nothing = [None] * len(keys)
    texts = (page.elements, keys, *(page.columns.get(name, nothing) for name in FIELDS[1:]))
    encoded = pa.array([page.is_encoded] * len(keys), pa.bool_())
    return pa.RecordBatch.from_arrays(
        [*(pa.array(column, pa.string()) for column in texts), encoded], schema=SCHEMA
    )
