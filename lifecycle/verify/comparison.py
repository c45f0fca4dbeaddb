"""Looks at the bucket again with its own eyes: lists it, and compares object by object with the plan.

What was to be archived must be there in its class, what was to be deleted must be gone (but for what its
path leaves behind), and what was to remain in the touched runs must be there. Receipts make nothing right:
whatever is not as planned is a difference, and a receipt only says why it was left out. What was tagged may
wait some days for the rule of its bucket. After an undo it is
what came back that must be there, in its old class; what did not come back is told with its reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lifecycle.apply.survey import listing_prefix
from lifecycle.handover.manifests import LEFT_OUT
from lifecycle.model import Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.providers import Clouds
from lifecycle.records.accounts import write_applied, write_undone
from lifecycle.verify.listing import Folder, Listing, list_folders
from lifecycle.verify.waiting import Waiting, rules_in_force, spent, write_moved
from pipelines import published
from pipelines.domain.quoting import quote
from pipelines.engine import connect

MOVED = "moved.parquet"
"""Tagged objects that a rule has moved: in the scratch directory."""
SEEN = "seen.parquet"
"""What is as planned though no receipt says so, of a plan that was handed over: in the scratch directory."""
MOST_SHOWN = 1000
"""Differences kept one by one; the counts are always of all."""
_WORKERS = 8
_FOLDERS_PER_READ = 1000
_EXPECTED = """
    create table expected as
    with

    actions as (

        select
            action_id, scheme, bucket, object_key, version_id, etag, size_bytes, checkpoint_id, path,
            storage_class as old_class,
            if($is_undone, storage_class, target_class) as wanted_class,
            case action
                when 'archive' then 'archived'
                when 'delete' then 'deleted'
                when 'delete_version' then 'version deleted'
                else 'upload aborted'
            end as expected
        from read_parquet($actions)

    ),

    planned as (

        select
            actions.*, said.result, said.detail, said.token, coalesce(said.is_open, true) as is_open, said.at
        from actions left join read_parquet($said) as said on actions.action_id = said.action_id
        where not $is_undone

    ),

    undone as (

        select
            actions.* replace (if(said.result = 'done', 'restored', 'left alone') as expected),
            said.result, said.detail, said.token, said.is_open, said.at
        from actions inner join read_parquet($said) as said on actions.action_id = said.action_id
        where $is_undone

    ),

    kept as (

        select
            null as action_id, scheme, bucket, object_key, version_id, etag, size_bytes, checkpoint_id,
            null as path, null as old_class, null as wanted_class, 'kept' as expected,
            null as result, null as detail, null as token, false as is_open, null::timestamp as "at"
        from read_parquet($survivors) as survivors
        anti join (select * from actions where expected in ('archived', 'deleted')) as changing
            on
                survivors.scheme = changing.scheme
                and survivors.bucket = changing.bucket
                and survivors.object_key = changing.object_key

    )

    select * from planned
    union all
    select * from undone
    union all
    select * from kept
"""
_FOLDERS = """
    select
        coalesce(any_value(decisions.uri), '') as uri,
        expected.scheme,
        expected.bucket,
        min(expected.object_key) as first_key,
        max(expected.object_key) as last_key,
        bool_or(
            coalesce(expected.path, '') in ('delete-marker', 'soft-delete', 'delete-version')
        ) as has_versions,
        bool_or(coalesce(expected.path, '') = 'abort-upload') as has_uploads
    from expected
    left join read_parquet(?) as decisions on expected.checkpoint_id = decisions.checkpoint_id
    group by expected.scheme, expected.bucket, expected.checkpoint_id
    order by all
"""
_COMPARED = """
    create table compared as
    with

    listed as (

        select
            scheme, bucket, object_key, any_value(version_id) as version_id, any_value(etag) as etag,
            any_value(storage_class) as storage_class, any_value(size_bytes) as size_bytes
        from read_parquet($objects)
        group by all

    ),

    versions as (

        select distinct scheme, bucket, object_key, version_id
        from read_parquet($versions)
        where not is_delete_marker

    ),

    versioned as (

        select distinct scheme, bucket, object_key from versions

    ),

    removable as (

        select distinct scheme, bucket, object_key, version_id
        from read_parquet($versions)
        where not is_soft_deleted
        union
        select distinct scheme, bucket, object_key, version_id from read_parquet($uploads)

    ),

    found as (

        select
            expected.*,
            listed.object_key is not null as is_there,
            if(expected.scheme = 's3', listed.etag, listed.version_id) as found_token,
            listed.storage_class as found_class,
            listed.size_bytes as found_bytes,
            case
                when coalesce(expected.token, '') <> '' and expected.scheme = 's3'
                    then listed.etag in (expected.token, expected.etag)
                when coalesce(expected.token, '') <> '' then listed.version_id = expected.token
                when
                    expected.scheme <> 's3'
                    or expected.path = 'copy-in-parts'
                    or contains(expected.etag, '-')
                    then true
                else coalesce(listed.etag = expected.etag, true)
            end as has_content,
            -- The plan may know no version of an object that was there before versions were kept.
            if(
                coalesce(expected.version_id, 'null') = 'null',
                versioned.object_key is not null,
                versions.object_key is not null
            ) as has_version,
            expected.path = 'delete-marker' or (
                expected.path = 'soft-delete'
                and kept.bucket is not null
                and coalesce(kept.until > $now, true)
            ) as keeps_version,
            removable.object_key is not null as is_removable
        from expected
        left join listed
            on
                expected.scheme = listed.scheme
                and expected.bucket = listed.bucket
                and expected.object_key = listed.object_key
        left join versions
            on
                expected.scheme = versions.scheme
                and expected.bucket = versions.bucket
                and expected.object_key = versions.object_key
                and expected.version_id = versions.version_id
        left join versioned
            on
                expected.scheme = versioned.scheme
                and expected.bucket = versioned.bucket
                and expected.object_key = versioned.object_key
        left join removable
            on
                expected.scheme = removable.scheme
                and expected.bucket = removable.bucket
                and expected.object_key = removable.object_key
                and expected.version_id = removable.version_id
        left join kept on expected.scheme = kept.scheme and expected.bucket = kept.bucket

    )

    select
        expected,
        scheme,
        bucket,
        object_key,
        action_id,
        coalesce(found_token, '') as found_token,
        path,
        wanted_class,
        "at",
        result,
        detail,
        is_open,
        coalesce(
            path = 'tag-and-rule'
            and expected = 'archived'
            and result = 'done'
            and is_there
            and found_class = old_class
            and found_bytes = size_bytes
            and has_content,
            false
        ) as is_waiting,
        case
            when expected = 'left alone' then detail
            when expected = 'version deleted' and is_removable then 'the version is still there'
            when expected = 'upload aborted' and is_removable then 'the upload is still there'
            when expected in ('version deleted', 'upload aborted') then null
            when expected = 'deleted' and is_there then 'it is still there'
            when expected = 'deleted' and keeps_version and not has_version then 'its version is gone'
            when expected = 'deleted' then null
            when not is_there then 'it is not there'
            when expected = 'kept' then null
            when found_class <> wanted_class then 'its class is ' || found_class || ', not ' || wanted_class
            when found_bytes <> size_bytes then 'its size is ' || found_bytes || ', not ' || size_bytes
            when not has_content then 'its content is not what it was'
        end as difference
    from found
"""
_NOTHING_COMPARED = """
    create table compared (
        expected text, scheme text, bucket text, object_key text, result text, detail text, is_open boolean,
        path text, is_waiting boolean, difference text
    )
"""
_SEEN = """
    copy (
        select action_id, found_token as token from compared
        where expected in ('archived', 'deleted') and difference is null and result is null
    ) to {path} (format parquet)
"""
_COUNTS = """
    select
        expected,
        count(*) as checked,
        count(*) filter (where difference is null and not is_waiting) as as_planned,
        count(*) filter (where is_waiting) as waiting,
        count(*) filter (where difference is not null and is_open) as open
    from compared
    group by all
    order by all
"""
_LEFT_OUT = """
    select result, count(*) as objects
    from compared
    where difference is not null and result is not null and result <> 'done'
    group by all
    order by all
"""
_NOT_MOVED = """
    select distinct bucket
    from compared
    where path = 'tag-and-rule' and (is_waiting or (difference is not null and is_open))
"""
_DIFFERENT = """
    select
        expected,
        scheme || '://' || bucket || '/' || object_key as uri,
        difference,
        case
            when result is null or result = 'done' then ''
            when coalesce(detail, '') = '' or detail = difference then result
            else result || ': ' || detail
        end as left_out
    from compared
    where difference is not null
    order by all
    limit ?
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not as the plan says; after an undo, not as it was before."""

    expected: str
    uri: str
    difference: str
    left_out: str = ""
    """What the receipts say about it: how it was left out, and why; empty where they call it done."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What the bucket says about a plan."""

    plan_id: str
    fingerprint: str
    at: datetime
    checked: Mapping[str, int]
    """Objects looked for: archived, deleted, kept; after an undo restored, left alone, kept."""
    as_planned: Mapping[str, int]
    difference_count: int
    differences: tuple[Difference, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Differences that receipts explain, by what they say: changed, protected, skipped, failed."""
    left: int = 0
    """Differences that running apply, or undo, again may still take away."""
    is_undone: bool = False
    """It was compared with how things were before the plan, as far as undo went."""
    is_handed_over: bool = False
    """The engines of the clouds are at it: what is left may be done by and by."""
    waiting: int = 0
    """Tagged, and not moved by the bucket's rule yet: neither as planned nor a difference."""
    spent_rules: tuple[str, ...] = ()
    """Buckets in which a rule of the plan is in force that has nothing to move any more."""

    @property
    def is_clean(self) -> bool:
        """Everything is as planned."""
        return not self.difference_count


def verify(
    clouds: Clouds, directory: PlanDirectory, plan: Plan, now: datetime, scratch: Path, memory_limit: str = ""
) -> Verification:
    """List what the plan is about and compare.

    Raises:
        Transient: the store does not answer.
        Terminal: it may not be listed.
    """
    settings: dict[str, Any] = {"temp_directory": str(scratch)}
    if memory_limit:
        settings["memory_limit"] = memory_limit
    with connect(scratch / "verification.duckdb", **settings) as connection:
        if plan.actions:
            _expect(connection, directory, plan, scratch / "said.parquet")
            listing = list_folders(clouds, _folders(connection, directory), scratch, _WORKERS)
            _compare(connection, listing, plan, now)
        else:
            connection.execute(_NOTHING_COMPARED)
        in_force = {} if directory.is_handed_over else rules_in_force(clouds, directory, plan)
        if in_force and not directory.is_undone:
            Waiting(clouds, plan, now, in_force).tell(connection, scratch / "told.parquet")
            write_moved(connection, scratch / MOVED)
        is_handed_over = directory.is_handed_over and not directory.is_undone
        if is_handed_over:
            connection.execute(_SEEN.replace("{path}", quote(str(scratch / SEEN))))
        found = _verification(connection, plan, now, is_undone=directory.is_undone)
        not_moved = [bucket for (bucket,) in connection.execute(_NOT_MOVED).fetchall()]
        return replace(found, is_handed_over=is_handed_over, spent_rules=spent(in_force, not_moved))


def _expect(connection: duckdb.DuckDBPyConnection, directory: PlanDirectory, plan: Plan, said: Path) -> None:
    if directory.is_handed_over and not directory.is_undone:
        said = directory.handover / LEFT_OUT
    else:
        write = write_undone if directory.is_undone else write_applied
        write(directory, plan, said)
    where = {
        "actions": [str(directory.path / file.name) for file in plan.actions],
        "survivors": str(directory.survivors),
        "said": str(said),
        "is_undone": directory.is_undone,
    }
    connection.execute(_EXPECTED, where)


def _folders(connection: duckdb.DuckDBPyConnection, directory: PlanDirectory) -> Iterator[Folder]:
    answer = connection.execute(_FOLDERS, [str(directory.decisions)])
    while rows := answer.fetchmany(_FOLDERS_PER_READ):
        for uri, scheme, bucket, first_key, last_key, has_versions, has_uploads in rows:
            prefix = listing_prefix(uri, (first_key, last_key))
            yield Folder(scheme, bucket, prefix, has_versions, has_uploads)


def _compare(connection: duckdb.DuckDBPyConnection, listing: Listing, plan: Plan, now: datetime) -> None:
    connection.register("kept", _kept(plan))
    where = {name: str(getattr(listing, name)) for name in ("objects", "versions", "uploads")}
    connection.execute(_COMPARED, {**where, "now": now})


def _kept(plan: Plan) -> pa.Table:
    """Return until when each bucket surely keeps what was deleted softly: nothing went before the plan.

    Without an end where the bucket keeps versions.
    """
    rows = [
        {
            "scheme": capability.scheme,
            "bucket": capability.bucket,
            "until": None
            if capability.versioning == "on"
            else plan.created_at + timedelta(days=capability.soft_delete_days),
        }
        for capability in plan.capabilities
    ]
    schema = pa.schema([("scheme", pa.string()), ("bucket", pa.string()), ("until", pa.timestamp("us"))])
    return pa.Table.from_pylist(rows, schema)


def _verification(
    connection: duckdb.DuckDBPyConnection, plan: Plan, now: datetime, *, is_undone: bool
) -> Verification:
    counts = published.rows(connection, _COUNTS)
    checked = {row["expected"]: row["checked"] for row in counts}
    as_planned = {row["expected"]: row["as_planned"] for row in counts}
    waiting = sum(row["waiting"] for row in counts)
    return Verification(
        plan_id=plan.id,
        fingerprint=plan.fingerprint,
        at=now,
        checked=checked,
        as_planned=as_planned,
        difference_count=sum(checked.values()) - sum(as_planned.values()) - waiting,
        differences=tuple(Difference(**row) for row in published.rows(connection, _DIFFERENT, [MOST_SHOWN])),
        left_out={row["result"]: row["objects"] for row in published.rows(connection, _LEFT_OUT)},
        left=sum(row["open"] for row in counts),
        is_undone=is_undone,
        waiting=waiting,
    )
