"""Are checkpoints what their objects are, and as many as yesterday? What a clean-up relies on."""

from collections.abc import Sequence
from decimal import Decimal

from pipelines.domain.configuration import Gates
from pipelines.domain.deliveries import LISTINGS
from pipelines.domain.durations import format_duration
from pipelines.gates.check import SOME, ZERO, Bounds, Check, Shared, count_of, listed

LEAST_KEPT = Decimal("0.5")
MOST_NEW = Decimal(3)
FEW = 10

OBJECTS = Shared(
    "objects_by_checkpoint",
    "select checkpoint_id, count(*) as object_count, sum(size_bytes)::bigint as size_bytes "
    "from marts.checkpoint_objects group by all",
)
"""What is listed of each checkpoint: the only time that a check reads all of its objects."""

_UNLIKE_THEIR_OBJECTS = """
select
    '' as scope,
    checkpoints.checkpoint_id,
    checkpoints.object_count,
    coalesce(listed.object_count, 0) as objects_listed,
    checkpoints.size_bytes,
    coalesce(listed.size_bytes, 0) as bytes_listed
from marts.checkpoints
left outer join objects_by_checkpoint as listed on checkpoints.checkpoint_id = listed.checkpoint_id
where
    checkpoints.object_count is distinct from listed.object_count
    or checkpoints.size_bytes is distinct from listed.size_bytes
order by checkpoints.checkpoint_id
"""
_OF_NO_CHECKPOINT = """
select '' as scope, listed.checkpoint_id, listed.object_count, listed.size_bytes
from objects_by_checkpoint as listed
anti join marts.checkpoints on listed.checkpoint_id = checkpoints.checkpoint_id
order by listed.checkpoint_id
"""
_RUNS_OF_ONE_ONLY = """
with
saved as (select distinct bucket, run, framework from marts.checkpoints),
judged as (select distinct bucket, run, framework from marts.checkpoint_waste)
select '' as scope, bucket, run, framework, 'checkpoints has it, checkpoint_waste has not' as what
from (from saved except from judged)
union all
select '' as scope, bucket, run, framework, 'checkpoint_waste has it, checkpoints has not' as what
from (from judged except from saved)
order by all
"""

_COUNTS = f"""
with
listed_buckets as (
    select distinct scope as bucket
    from raw.deliveries
    where table_name in ({listed(LISTINGS)}) and fault is null
),
before as (select bucket, count(*) as checkpoint_count from previous.marts.checkpoints group by all),
now as (select bucket, count(*) as checkpoint_count from marts.checkpoints group by all)
select
    before.bucket as scope,
    coalesce(now.checkpoint_count, 0) / before.checkpoint_count as measured,
    format('{{}} before, {{}} now', before.checkpoint_count, coalesce(now.checkpoint_count, 0)) as example
from before
inner join listed_buckets on before.bucket = listed_buckets.bucket
left outer join now on before.bucket = now.bucket
-- Of a handful half comes and goes.
where before.checkpoint_count >= {FEW}
order by scope
"""
_COME_AND_GONE = """
with
moved as (
    select bucket as scope, 'gone' as what, checkpoint_id, kind, object_count, size_bytes
    from previous.marts.checkpoints
    where checkpoint_id not in (select checkpoint_id from marts.checkpoints)
    union all
    select bucket as scope, 'new' as what, checkpoint_id, kind, object_count, size_bytes
    from marts.checkpoints
    where checkpoint_id not in (select checkpoint_id from previous.marts.checkpoints)
)
select * from moved order by count(*) over (partition by scope, what) desc, size_bytes desc, checkpoint_id
"""


_LISTED_SINCE = f"""
with
lists as (
    select scope, max(snapshot_at) as snapshot_at
    from raw.deliveries
    where table_name in ({listed(LISTINGS)}) and fault is null
    group by scope
),
read as (
    select scope, max(snapshot_at) as snapshot_at
    from raw.deliveries
    where table_name = 'checkpoint_states' and fault is null
    group by scope
)
select
    lists.scope,
    greatest(epoch(lists.snapshot_at) - epoch(read.snapshot_at), 0) / 3600 as measured,
    'read for the list of ' || read.snapshot_at as example
from lists
inner join read on lists.scope = read.scope
order by lists.scope
"""
_READINGS = """
select scope, source, delivery_id, snapshot_at, delivered_at, row_count
from raw.deliveries
where table_name = 'checkpoint_states' and fault is null
order by snapshot_at desc
"""


def checkpoints(limits: Gates) -> Sequence[Check]:
    """Return the checks of checkpoints."""
    return (*_content(), _counts(), _readings(limits))


def _content() -> Sequence[Check]:
    return (
        Check(
            "checkpoints_are_found",
            "marts.checkpoints",
            "warn",
            "select '' as scope, count(*) as measured, null as example from marts.checkpoints",
            SOME,
            "at least 1",
            "Objects are listed but none belongs to a checkpoint: the layouts do not fit what is stored.",
            "select '' as scope, scope as bucket, row_count as objects_listed from raw.deliveries "
            f"where table_name in ({listed(LISTINGS)}) and fault is null order by row_count desc",
            needs="objects",
        ),
        Check(
            "checkpoints_equal_their_objects",
            "marts.checkpoints",
            "block",
            count_of(_UNLIKE_THEIR_OBJECTS, ("checkpoint_id",)),
            ZERO,
            "0 checkpoints differ",
            "A plan lists the objects and shows people the checkpoint's count and bytes: they must agree.",
            _UNLIKE_THEIR_OBJECTS,
            needs="inventory",
            reads=OBJECTS,
        ),
        Check(
            "objects_belong_to_checkpoints",
            "marts.checkpoint_objects",
            "block",
            count_of(_OF_NO_CHECKPOINT, ("checkpoint_id",)),
            ZERO,
            "0 groups of objects without a checkpoint",
            "Nothing protects the objects of a checkpoint that is not there: no rule speaks about them.",
            _OF_NO_CHECKPOINT,
            needs="inventory",
            reads=OBJECTS,
        ),
        Check(
            "waste_names_runs_of_checkpoints",
            "marts.checkpoint_waste",
            "block",
            count_of(_RUNS_OF_ONE_ONLY, ("bucket", "run", "what")),
            ZERO,
            "the runs of checkpoints",
            "Each run is judged once, from its checkpoints: one that only one of the tables has was lost or "
            "made up on the way.",
            _RUNS_OF_ONE_ONLY,
            needs="inventory",
        ),
    )


def _counts() -> Check:
    return Check(
        "checkpoint_counts_are_steady",
        "marts.checkpoints",
        "warn",
        _COUNTS,
        Bounds(LEAST_KEPT, MOST_NEW),
        f"between {LEAST_KEPT} and {MOST_NEW} times as many as in the last snapshot",
        "A night adds a few percent and the demo's clean-up deletes half: more is a listing that is cut, or "
        "names that are read otherwise. The bucket is left alone for a night. It does not block, because "
        "then the same snapshot would be compared with for ever, after a real clean-up too.",
        _COME_AND_GONE,
        needs="previous",
        unit="times",
        excludes=True,
    )


def _readings(limits: Gates) -> Check:
    age = format_duration(limits.max_inventory_age)
    return Check(
        "state_files_are_fresh",
        "raw.deliveries",
        "warn",
        _LISTED_SINCE,
        Bounds(at_most=Decimal(int(limits.max_inventory_age.total_seconds())) / 3600),
        f"at most {age} older than the bucket's list",
        "Which checkpoint is the latest or the best is read from small files right after the list has "
        "landed. Readings that fell behind name what was the best then: a newer one is protected by its "
        "name, step and time only. The limit is gates.max_inventory_age.",
        _READINGS,
        needs="states",
        unit="h",
    )
