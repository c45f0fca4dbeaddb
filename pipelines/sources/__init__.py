"""Finding complete deliveries, and turning each of their parts into typed Parquet.

One module per kind of source; see the README beside this file for how to add one. What asks a service is
loaded where it is needed: HTTP clients and Arrow take longer to load than a small file takes to land, and a
night is landed by many small processes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from pipelines.domain.deliveries import Converted, Delivery, Landed
from pipelines.domain.uris import BucketUri
from pipelines.sources import (
    aws_cur,
    aws_cur2,
    bill_days,
    focus,
    gcp_billing,
    gcs_inventory,
    s3_inventory,
)
from pipelines.sources.places import Found, Place, open_place, reads_states
from pipelines.sources.reading import FileForm, Query, convert_file

__all__ = [
    "STATES",
    "Found",
    "Place",
    "at_once",
    "convert",
    "find",
    "find_states",
    "open_place",
    "reads_states",
]

STATES = "checkpoint_states"
"""The raw table of what the small files of checkpoints say."""

ROLLUPS: Mapping[str, Mapping[str, str]] = {
    "s3_inventory": s3_inventory.ROLLUPS,
    "gcs_inventory": gcs_inventory.ROLLUPS,
}
"""Per raw table the further tables that are made of each part: name and SQL over the view `landed`."""


def find(place: Place, now: datetime) -> Found:
    """Return the complete deliveries of a place, oldest first; `now` dates what is asked of a service.

    Raises:
        Transient: the place does not answer, or its first delivery is still arriving.
        Terminal: there is nothing to read.
    """
    match place.source.kind:
        case "s3-inventory":
            return _with_uploads(place, s3_inventory.find(place), now)
        case "bucket-listing":
            from pipelines.sources import bucket_listing  # noqa: PLC0415  (see above)

            return _with_uploads(place, bucket_listing.find(place, now), now)
        case "mlflow":
            from pipelines.sources import mlflow  # noqa: PLC0415  (see above)

            return Found(mlflow.find(place, now))
        case kind:
            return _FINDERS[kind](place)


def convert(place: Place, delivery: Delivery, index: int, into: Path) -> Converted:
    """Turn one part of a delivery into Parquet files in `into`, with the columns of its raw table.

    Raises:
        Damaged: the part is missing, is not what the manifest says, or cannot be read.
    """
    if delivery.is_answer:
        from pipelines.sources import observed  # noqa: PLC0415  (see above)

        return observed.convert(place, delivery, into)
    rollups = {**ROLLUPS.get(delivery.table, {}), **bill_days.rollup(delivery)}
    if delivery.kind == "bucket-listing":
        from pipelines.sources import bucket_listing  # noqa: PLC0415  (see above)

        return bucket_listing.convert(place, delivery, index, into, rollups)
    query, form = _FILES[delivery.kind](delivery)
    return convert_file(place, delivery, index, into, query, form=form, rollups=rollups)


def at_once(delivery: Delivery) -> int:
    """Return how many parts of a delivery are best converted at a time."""
    if delivery.kind != "bucket-listing":
        return 1
    from pipelines.sources.listing import LISTERS  # noqa: PLC0415  (see above)

    return LISTERS


def find_states(
    place: Place, listing: Landed, files: Iterable[Path], earlier: Iterable[Path], now: datetime
) -> Found:
    """Return what the small files of checkpoints in a listed bucket say, as a delivery if there are any.

    `files` are those of the landed list, `earlier` those of what was read last.

    Raises:
        Terminal: the list cannot be read, or there are no credentials for the bucket.
    """
    from pipelines.sources import checkpoint_states, state_candidates  # noqa: PLC0415  (see above)

    candidates = state_candidates.choose(place, listing, files, state_candidates.wanted_files())
    return checkpoint_states.find(place, listing, candidates, earlier, now)


def _with_uploads(place: Place, inventories: Found, now: datetime) -> Found:
    if not isinstance(place.uri, BucketUri):
        return inventories
    from pipelines.sources import s3_uploads  # noqa: PLC0415  (see above)

    match s3_uploads.find(place, now):
        case Delivery() as uploads:
            return replace(inventories, deliveries=(*inventories.deliveries, uploads))
        case s3_uploads.NotListed(reason=reason):
            return replace(inventories, warnings=(*inventories.warnings, reason))
        case None:
            return inventories


_FINDERS: Mapping[str, Callable[[Place], Found]] = {
    "gcs-inventory": gcs_inventory.find,
    "aws-cur": aws_cur.find,
    "aws-cur2": aws_cur2.find,
    "focus": focus.find,
    "gcp-billing": gcp_billing.find,
}
_FILES: Mapping[str, Callable[[Delivery], tuple[Query, FileForm]]] = {
    "s3-inventory": lambda each: (partial(s3_inventory.query, each), s3_inventory.form(each)),
    "gcs-inventory": lambda each: (partial(gcs_inventory.query, each), gcs_inventory.form(each)),
    "aws-cur": lambda each: (partial(aws_cur.query, each), aws_cur.form(each)),
    "aws-cur2": lambda _: (aws_cur2.query, aws_cur2.FORM),
    "focus": lambda each: (partial(focus.query, each), focus.FORM),
    "gcp-billing": lambda each: (gcp_billing.query, gcp_billing.form(each)),
}
"""How the files of a delivery are read, by kind: the query over one of them, and the form they are in."""
