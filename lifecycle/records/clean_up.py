"""Tells the lake what became of a plan: the numbers that the next bills are held against.

Receipts are joined with actions chunk by chunk, so that a hundred million objects need no more memory than
one chunk. Nothing here can fail an apply: whoever verifies the plan tells the lake again.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb

from lifecycle.model import BucketCapability, Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.moves import moved_files
from lifecycle.records.rule_moves import rule_moves
from pipelines.domain.clean_ups import Change, CleanUp, LeftBehind, clean_up_to_json
from pipelines.engine import connect
from pipelines.errors import MoraineError
from pipelines.stores import Store

_PROVIDERS = {"s3": "aws", "gs": "gcp"}
_NEVER_COPIED = frozenset({"tag-and-rule", "abort-upload"})
"""Paths that leave no soft-deleted copy: a rule's move keeps the object, parts are no objects."""
_log = logging.getLogger(__name__)

# `done` is an action's last word, in both journals: the order of lines does not matter.
_DONE = """
    select action_id, left(max("at"), 10)::date as began_date, began_date as done_date
    from read_json(
        $files,
        format = 'newline_delimited',
        columns = {action_id: 'varchar', "at": 'varchar', result: 'varchar'},
        ignore_errors = true
    )
    where result = 'done'
    group by action_id
"""
_SEEN = (
    "select action_id, handed_at::date as began_date, seen_at::date as done_date from read_parquet($files)"
)
_NONE = "select null::varchar as action_id where false and $files is not null"
_SUMMED = """
    with

    done as ({done}),

    undone as ({undone}),

    moved as ({moved}),

    actions as (

        select * from read_parquet($actions)

    ),

    lines as (

        select checkpoint_id, action_bytes, tail_usd_month, one_off_usd
        from read_parquet($decisions)
        where chunk = $chunk

    ),

    shares as (

        select
            actions.scheme, actions.bucket, actions.path, actions.size_bytes, actions.saving_usd_month,
            -- Parts of an upload are billed as STANDARD, whatever it was to become.
            case
                when actions.scheme = 's3' and actions.action = 'abort_upload' then 'STANDARD'
                else coalesce(nullif(actions.storage_class, ''), 'STANDARD')
            end as storage_class,
            coalesce(actions.target_class, '') as target_class,
            actions.size_bytes::double / greatest(lines.action_bytes, 1) as share,
            lines.tail_usd_month,
            lines.one_off_usd,
            coalesce(moved.moved_date, done.began_date) as began_date,
            coalesce(moved.moved_date, done.done_date) as done_date,
            undone.action_id is not null as is_undone
        from actions
        inner join done on actions.action_id = done.action_id
        left join undone on actions.action_id = undone.action_id
        left join moved on actions.action_id = moved.action_id
        left join lines on actions.checkpoint_id = lines.checkpoint_id
        -- A tag saves nothing before a rule has moved what has it.
        where actions.path <> 'tag-and-rule' or moved.action_id is not null

    )

    select
        scheme, bucket, storage_class, target_class, path,
        count(*) filter (where not is_undone),
        coalesce(sum(size_bytes) filter (where not is_undone), 0)::bigint,
        count(*) filter (where is_undone),
        coalesce(sum(size_bytes) filter (where is_undone), 0)::bigint,
        coalesce(sum(saving_usd_month) filter (where not is_undone), 0)::decimal(38, 6),
        coalesce(sum(tail_usd_month * share) filter (where not is_undone), 0)::decimal(38, 6),
        coalesce(sum(one_off_usd * share) filter (where not is_undone), 0)::decimal(38, 6),
        min(began_date),
        max(done_date)
    from shares
    group by all
    order by all
"""
_Key = tuple[str, ...]


def record(lake: Callable[[], Store], directory: PlanDirectory, plan: Plan) -> None:
    """Write what was done so far into the lake; when that fails, a warning says so, and that is all."""
    try:
        clean_up = clean_up_of(directory, plan)
        if clean_up.changes:
            lake().write(clean_up.key, clean_up_to_json(clean_up))
    except (MoraineError, OSError, duckdb.Error) as error:
        _log.warning(
            "what %s saves will not be known until it is verified: the lake could not be told (%s)",
            plan.id,
            error.what if isinstance(error, MoraineError) else type(error).__name__,
        )


def clean_up_of(directory: PlanDirectory, plan: Plan) -> CleanUp:
    """Return what was done of a plan, summed up, by its receipts; what nobody is sure of does not count.

    Of a plan that was handed over it is what verifications saw as planned, begun when it was handed over.
    """
    capabilities = {known.place: known for known in plan.capabilities}
    summed: dict[_Key, Change] = {}
    with closing(connect(threads=1)) as connection:
        for chunk in plan.chunks:
            for change in _changes(connection, directory, chunk, capabilities):
                key = (change.provider, change.bucket, change.storage_class, change.target_class, change.path)
                summed[key] = _added(summed[key], change) if key in summed else change
    changes = tuple(summed[key] for key in sorted(summed))
    return CleanUp(plan.id, plan.policy.name, plan.fingerprint, plan.snapshot_id, changes)


def _changes(
    connection: duckdb.DuckDBPyConnection,
    directory: PlanDirectory,
    chunk: str,
    capabilities: Mapping[str, BucketCapability],
) -> Iterator[Change]:
    done, undone = _done_files(directory, chunk), directory.undo_receipts(chunk)
    if not done:
        return
    did = _SEEN if directory.is_handed_over else _DONE
    query = _SUMMED.format(
        done=did.replace("$files", "$done_file"),
        undone=_said(undone, "undone_file"),
        moved=rule_moves(directory),
    )
    values = {
        "actions": str(directory.path / "actions" / f"{chunk}.parquet"),
        "decisions": str(directory.decisions),
        "chunk": int(chunk.removeprefix("chunk-")),
        "done_file": done,
        "undone_file": str(undone),
    }
    for scheme, bucket, *row in connection.execute(query, values).fetchall():
        left, days = _left_behind(row[2], capabilities.get(f"{scheme}://{bucket}"))
        storage_class, target_class, path, *rest = row
        yield Change(_PROVIDERS[scheme], bucket, storage_class, target_class, path, left, days, *rest)


def _done_files(directory: PlanDirectory, chunk: str) -> list[str]:
    if directory.is_handed_over:
        return moved_files(directory)
    path = directory.receipts(chunk)
    return [str(path)] if path.exists() else []


def _said(path: Path, name: str) -> str:
    return (_DONE if path.exists() else _NONE).replace("$files", f"${name}")


def _left_behind(path: str, capability: BucketCapability | None) -> tuple[LeftBehind, int]:
    """Return what a change leaves that is billed, and for how many days at most."""
    days = capability.soft_delete_days if capability else 0
    keeps_versions = capability is not None and capability.versioning == "on"
    if path == "delete-marker" or (path == "soft-delete" and keeps_versions):
        return "versions", 0
    if days and path not in _NEVER_COPIED:
        return "window", days
    return "nothing", 0


def _added(one: Change, other: Change) -> Change:
    return replace(
        one,
        object_count=one.object_count + other.object_count,
        size_bytes=one.size_bytes + other.size_bytes,
        undone_object_count=one.undone_object_count + other.undone_object_count,
        undone_bytes=one.undone_bytes + other.undone_bytes,
        saving_usd_month=one.saving_usd_month + other.saving_usd_month,
        tail_usd_month=one.tail_usd_month + other.tail_usd_month,
        one_off_usd=one.one_off_usd + other.one_off_usd,
        began_date=min(one.began_date, other.began_date),
        ended_date=max(one.ended_date, other.ended_date),
    )
