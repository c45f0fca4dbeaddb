"""What a night reads of the labelled listings: the small files that it chooses, by the real parser."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.domain.configuration import Source
from pipelines.domain.deliveries import Landed
from pipelines.sources import Place, checkpoint_states, open_place
from pipelines.sources.checkpoint_states import Answer
from pipelines.sources.state_candidates import Candidate, choose, wanted_files

Row = dict[str, Any]
PROVIDERS = {"s3_inventory": "aws", "gcs_inventory": "gcp"}


def read_states(
    folder: Path,
    file: Path,
    listings: Mapping[str, Sequence[Mapping[str, Any]]],
    listed_at: datetime,
    table: str = "s3_inventory",
) -> list[Row]:
    """Return the rows of `checkpoint_states` of the buckets that the landed list `file` has.

    A line without `content` is a file that the store refuses.
    """
    source = Source(name="train", kind="s3-inventory", uri=str(folder), bucket="any")
    place = open_place(source, folder, (), folder / "scratch")
    rows = [
        row
        for bucket, lines in listings.items()
        for row in _of_bucket(place, file, _landed(bucket, listed_at, table), lines)
    ]
    return [{"provider": PROVIDERS[table], "read_at": listed_at, **row} for row in rows]


def _of_bucket(place: Place, file: Path, listing: Landed, lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    contents = {line["key"]: line.get("content") for line in lines}
    rows: list[Row] = []
    for candidate in choose(place, listing, [file], wanted_files()):
        rows += checkpoint_states._told(candidate, _answer(contents[candidate.object_key], candidate))
    return [{"bucket": listing.scope, **row} for row in rows]


def _landed(bucket: str, listed_at: datetime, table: str) -> Landed:
    return Landed(
        source="train",
        kind="s3-inventory",
        table=table,
        delivery_id="x",
        delivered_at=listed_at,
        scope=bucket,
        checksum="",
        row_count=0,
        byte_count=0,
    )


def _answer(content: object, candidate: Candidate) -> Answer:
    if content is None:
        return Answer("refused", message="the store refused the request")
    assert candidate.size_bytes
    return Answer("read", (content if isinstance(content, str) else json.dumps(content)).encode())
