"""Where a place was looked for that is not known, and what is near."""

import difflib
from collections.abc import Iterator, Sequence

import duckdb

from pipelines.domain.text import visible
from pipelines.domain.uris import BucketUri
from pipelines.report.figures import counted
from pipelines.report.listing import Listing, below
from pipelines.report.why_queries import BUCKETS, NEAR

SUGGESTIONS = 5


def searched(place: BucketUri, listings: Sequence[Listing]) -> str:
    """Say where a place was looked for."""
    lists = [str(listing) for listing in listings]
    nothing = [f"no list of bucket {visible(place.bucket)} has landed"] if not lists else []
    return "; ".join(["the published checkpoints", *lists, *nothing])


def nearest(connection: duckdb.DuckDBPyConnection, place: BucketUri, listings: Sequence[Listing]) -> str:
    """Name the longest folder that is listed, and what is most alike below one that holds a checkpoint."""
    there = _nearest_folder(place, listings)
    return f"{there}{_nearest_checkpoint(connection, place)}"


def _nearest_folder(place: BucketUri, listings: Sequence[Listing]) -> str:
    for folder in _folders(place):
        found = below(listings, folder.removeprefix(f"{place.scheme}://{place.bucket}/"))
        if found is not None:
            return f"{visible(folder)} is listed, with {counted(found.object_count, 'object')} below it. "
    return ""


def _nearest_checkpoint(connection: duckdb.DuckDBPyConnection, place: BucketUri) -> str:
    for folder in _folders(place):
        near = [uri for (uri,) in connection.execute(NEAR, [folder]).fetchall()]
        if near:
            alike = difflib.get_close_matches(str(place), near, n=SUGGESTIONS, cutoff=0)
            return f"Known below {visible(folder)}: {', '.join(map(visible, alike))}."
    buckets = [visible(bucket) for (bucket,) in connection.execute(BUCKETS).fetchall()]
    if not buckets:
        return "No checkpoint is known at all: add a source of kind s3-inventory, then 'moraine run'."
    return f"No checkpoint is known in that bucket; there are some in {', '.join(buckets)}."


def _folders(place: BucketUri) -> Iterator[str]:
    """Yield the folders above and at a place, the deepest first, the bucket last."""
    folder = str(place).removesuffix("/") + "/"
    while folder != str(place.root):
        yield folder
        folder = folder.removesuffix("/").rpartition("/")[0] + "/"
    yield folder
