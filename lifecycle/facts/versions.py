"""Published snapshot → noncurrent versions, or expired delete markers, put together by folder.

Which of them are due is said once, in `versions_in_question`: what is counted for the decision and what is
written as actions come from the same words, and cannot differ. Of a large folder so many go together as one
worker sees through.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import duckdb

from lifecycle.decide.versions import Staying, VersionSet
from lifecycle.facts.snapshot import explained, streamed
from lifecycle.model import Artifact, ClassShare
from lifecycle.plan.savings import rounded
from lifecycle.policy import Match, Policy
from pipelines import published
from pipelines.domain.claims import Claim, Claims
from pipelines.domain.quoting import quote
from pipelines.domain.snapshots import Snapshot

VERSIONS_TOGETHER = 5_000
"""Versions of a folder in one artifact: about what one task deletes in some minutes."""
_IN_QUESTION = """
    with

    matched as (

        select *, if(provider = 'gcp', 'gs://', 's3://') || bucket || '/' as place
        from marts.object_versions
        where {kind}

    ),

    judged as (

        select
            matched.place || matched.folder as uri,
            matched.bucket, matched.object_key, matched.version_id, matched.etag, matched.size_bytes,
            coalesce(matched.storage_class, '') as storage_class, matched.last_modified_at,
            matched.cost_usd_month,
            case
                -- Not a join: of one whose side is surely empty, DuckDB 2.0 sorts sums as if they were 0.
                when matched.checkpoint_id in (select checkpoint_id from marts.checkpoints where is_protected)
                    then 'protected'
                when matched.is_held then 'held'
                {stays}
                else 'due'
            end as verdict
        from matched
        where {where}

    ),

    numbered as (

        select
            *,
            if(
                verdict = 'due',
                (row_number() over (
                    partition by uri, verdict = 'due' order by object_key, version_id
                ) - 1) // {together},
                0
            ) as part
        from judged

    )

    select
        if(part = 0, uri, uri || '#' || part) as checkpoint_id,
        *,
        false as is_marker,
        true as is_latest_version
    from numbered
"""
_NONCURRENT = """
                when newer_noncurrent < {newest} then 'newest'
                when noncurrent_since is null then 'undated'
                when noncurrent_since > {cutoff} then 'young'
"""
_MARKERS = """
                when last_modified_at is null then 'undated'
                when last_modified_at > {cutoff} then 'young'
"""
_FOLDERS = """
    select
        uri, part, checkpoint_id, bucket, verdict, storage_class,
        count(*) as object_count,
        sum(size_bytes)::bigint as size_bytes,
        max(size_bytes) as largest_bytes,
        sum(cost_usd_month) as cost_usd_month,
        max(last_modified_at) as last_modified_at
    from ({in_question})
    group by uri, part, checkpoint_id, bucket, verdict, storage_class
    order by uri, part, verdict, storage_class
"""
_LISTINGS = """
    select
        if(provider = 'gcp', 'gs://', 's3://') || bucket as place, lists_versions, listed_at
    from marts.bucket_listings
    order by all
"""
_CLAIMS = "select claim_label, place, folder from marts.claims order by all"


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of buckets and of what people need."""

    claims: Claims
    listed_at: Mapping[str, datetime]
    oldest: datetime
    """Listings before this are older than the policy allows."""


def due_versions(policy: Policy, day: date) -> str:
    """Return the query of the versions that are due at the end of a day, with the columns of objects."""
    return f"select * from ({versions_in_question(policy, day)}) where verdict = 'due'"


def versions_in_question(policy: Policy, day: date) -> str:
    """Return the query of all that a policy is about, each with its `verdict`: `due`, or what keeps it."""
    is_marker = policy.match.kind == "delete_marker"
    cutoff = datetime.combine(day, time()) + timedelta(days=1) - policy.age_to_delete
    values = {
        "kind": "is_delete_marker and is_only_version" if is_marker else "not is_delete_marker",
        "stays": (_MARKERS if is_marker else _NONCURRENT).strip(),
        "where": _where(policy.match),
        "cutoff": f"{quote(cutoff.isoformat(' '))}::timestamp",
        "newest": str(policy.keep.versions),
        "together": str(VERSIONS_TOGETHER),
    }
    query = _IN_QUESTION.replace("{stays}", values.pop("stays"))
    for name in ("kind", "cutoff", "newest", "together", "where"):
        query = query.replace(f"{{{name}}}", values[name])
    return query


def read_version_places(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, policy: Policy
) -> list[str]:
    """Return the URIs of the buckets in which there is something that the policy is about.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    query = (
        "select distinct split_part(uri, '://', 1) || '://' || bucket as place "
        f"from ({versions_in_question(policy, snapshot.as_of)}) order by all"
    )
    with explained(snapshot):
        return [place for (place,) in connection.execute(query).fetchall()]


def read_versions(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, policy: Policy
) -> Iterator[VersionSet]:
    """Yield the folders of the policy's buckets with what is hidden in them, by bucket and folder.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    ends_at = datetime.combine(snapshot.as_of, time()) + timedelta(days=1)
    query = _FOLDERS.replace("{in_question}", versions_in_question(policy, snapshot.as_of))
    with explained(snapshot), closing(connection.cursor()) as cursor:
        known = _Known(
            read_claims(connection),
            {row["place"]: row["listed_at"] for row in published.rows(connection, _LISTINGS)},
            ends_at - policy.max_facts_age,
        )
        found = streamed(cursor, query, {})
        for _, rows in groupby(found, key=lambda row: row["checkpoint_id"]):
            yield _version_set(list(rows), known)


def read_claims(connection: duckdb.DuckDBPyConnection) -> Claims:
    """Return what registries, runs and pins needed when the snapshot was made."""
    return Claims.of(
        Claim(row["claim_label"], row["place"], (row["folder"],) if row["folder"] else ())
        for row in published.rows(connection, _CLAIMS)
    )


def unlisted(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, match: Match) -> tuple[str, ...]:
    """Return of which of the policy's buckets no versions are known, and why.

    Raises:
        Terminal: the snapshot lacks a table or column that a decision needs.
    """
    with explained(snapshot):
        listed = {row["place"]: row["lists_versions"] for row in published.rows(connection, _LISTINGS)}
    return tuple(filter(None, (_unlisted(place, listed) for place in sorted(match.places or listed))))


def _unlisted(place: str, listed: Mapping[str, bool]) -> str:
    if place not in listed:
        return f"no listing of {place} has landed, so nothing of it is planned"
    if listed[place]:
        return ""
    if place.startswith("gs://"):
        return f"the listing of {place} names no noncurrent version"
    return (
        f"the listing of {place} names current objects only, so what it hides is not known: "
        "let its inventory include all versions"
    )


def _where(match: Match) -> str:
    conditions = ["true"]
    if match.places:
        places = ", ".join(quote(f"{place}/") for place in sorted(match.places))
        conditions.append(f"matched.place in ({places})")
    if match.prefixes:
        below = " or ".join(f"starts_with(matched.object_key, {quote(prefix)})" for prefix in match.prefixes)
        conditions.append(f"({below})")
    return " and ".join(conditions)


def _version_set(rows: Sequence[Mapping[str, Any]], known: _Known) -> VersionSet:
    due = [row for row in rows if row["verdict"] == "due"]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + row["object_count"]
    staying = {verdict: count for verdict, count in counts.items() if verdict != "due"}
    return VersionSet(_artifact(due or rows, known), bool(due), Staying(**staying))


def _artifact(rows: Sequence[Mapping[str, Any]], known: _Known) -> Artifact:
    row = rows[0]
    uri = row["uri"]
    needed_by = known.claims.on(uri)
    return Artifact(
        checkpoint_id=row["checkpoint_id"],
        uri=uri,
        bucket=row["bucket"],
        run=uri.partition("://")[2].partition("/")[2].rstrip("/"),
        framework="",
        step=None,
        epoch=None,
        state="hidden",
        state_reason="",
        kind="noncurrent",
        is_latest=False,
        is_best=False,
        is_protected=needed_by is not None,
        protected_because=needed_by or "",
        object_count=sum(share["object_count"] for share in rows),
        size_bytes=sum(share["size_bytes"] for share in rows),
        last_modified_at=max(share["last_modified_at"] or datetime.min for share in rows),  # noqa: DTZ901  (UTC without a zone)
        cost_usd_month=rounded(sum((share["cost_usd_month"] or Decimal(0) for share in rows), Decimal(0))),
        classes=tuple(
            ClassShare(
                share["storage_class"],
                share["object_count"],
                share["size_bytes"],
                0,
                0,
                share["largest_bytes"],
            )
            for share in rows
        ),
        doubt=_doubt(uri, known),
    )


def _doubt(uri: str, known: _Known) -> str:
    scheme, _, rest = uri.partition("://")
    listed_at = known.listed_at.get(f"{scheme}://{rest.partition('/')[0]}")
    if listed_at is None:
        return "nobody says when its bucket was listed"
    return f"its bucket was last listed on {listed_at:%Y-%m-%d}" if listed_at < known.oldest else ""
