"""What `why` asks a snapshot; names of buckets and keys are bound."""

from dataclasses import fields

from pipelines.report.explained import CheckpointFacts, ObjectFacts

FILES_SHOWN = 20
COPIES_SHOWN = 20
WITNESSES_SHOWN = 50

_CHECKPOINT_COLUMNS = ", ".join(f"checkpoints.{field.name}" for field in fields(CheckpointFacts))
_OBJECT_COLUMNS = ", ".join(field.name for field in fields(ObjectFacts))

CHECKPOINT = f"""
select {_CHECKPOINT_COLUMNS}
from marts.checkpoints
where checkpoint_uri = $1 or checkpoint_id = $1
order by checkpoint_id = $1 desc, checkpoint_id
limit 1
"""

CHECKPOINT_OF_OBJECT = f"""
select {_CHECKPOINT_COLUMNS}
from marts.checkpoints
where checkpoint_id in (
    select checkpoint_id from marts.checkpoint_objects where bucket = $1 and object_key = $2
)
and starts_with(checkpoint_uri, $3)
limit 1
"""

OBJECT = f"""
select {_OBJECT_COLUMNS}
from marts.checkpoint_objects
where bucket = $1 and object_key = $2 and starts_with(checkpoint_id, $3)
order by is_latest_version desc, last_modified_at desc
"""

FILES = f"""
select {_OBJECT_COLUMNS}
from marts.checkpoint_objects
where checkpoint_id = $1
order by size_bytes desc, object_key
limit {FILES_SHOWN}
"""

RUN = """
select
    bucket, run, string_agg(distinct framework, ', ' order by framework), max(team),
    count(*), count(*) filter (where is_complete), count(*) filter (where is_protected),
    sum(object_count)::bigint, sum(size_bytes)::bigint, sum(cost_usd_month)::decimal(18,6),
    min(first_modified_at), max(last_modified_at),
    max(checkpoint_uri) filter (where is_latest), max(checkpoint_uri) filter (where is_best)
from marts.checkpoints
where bucket = $1 and run = $2 and starts_with(checkpoint_uri, $3)
group by bucket, run
"""

WASTE = "select reason from marts.checkpoint_waste where bucket = $1 and run = $2 order by all"

COPIES_OF_OBJECT = f"""
select
    left(checkpoint_id, instr(checkpoint_id, '://') + 2) || bucket || '/' || object_key as uri
from marts.checkpoint_objects
where etag = $1 and size_bytes = $2
and left(checkpoint_id, instr(checkpoint_id, '://') + 2) || bucket || '/' || object_key != $3
order by uri
limit {COPIES_SHOWN}
"""

# One object of the same bytes, as many of them, and as large together.
COPIES_OF_CHECKPOINT = f"""
with

mine as (
    select checkpoint_id, object_count, size_bytes from marts.checkpoints where checkpoint_id = $1
),

largest as (
    select etag, size_bytes
    from marts.checkpoint_objects
    where checkpoint_id = $1 and etag is not null and size_bytes > 0
    order by size_bytes desc, object_key
    limit 1
)

select distinct checkpoints.checkpoint_uri
from marts.checkpoint_objects
inner join largest
    on checkpoint_objects.etag = largest.etag and checkpoint_objects.size_bytes = largest.size_bytes
inner join marts.checkpoints
    on checkpoint_objects.checkpoint_id = checkpoints.checkpoint_id
inner join mine
    on
        checkpoints.object_count = mine.object_count
        and checkpoints.size_bytes = mine.size_bytes
        and checkpoints.checkpoint_id != mine.checkpoint_id
order by all
limit {COPIES_SHOWN}
"""

# What the bucket paid per GB in the last thirty days of its bill.
RATE = """
select sum(effective_cost) / nullif(sum(gb_month), 0)
from marts.storage_daily
where
    bucket = $1 and storage_class = $2
    and usage_date > (select max(usage_date) from marts.storage_daily) - 30
"""

# Among the complete checkpoints that the same framework saved into the same folder.
ORDER = """
with

saved as (
    select
        checkpoint_id,
        is_complete,
        kind not in ('final', 'last_copy', 'best_copy') as is_one_of_them,
        coalesce(step, epoch) as place,
        last_modified_at
    from marts.checkpoints
    where
        bucket = $2 and framework = $3
        and starts_with(checkpoint_uri, $4)
        and not contains(substr(checkpoint_uri, length($4) + 1), '/')
),

ranked as (
    select
        *,
        rank() over (order by place desc nulls last) as by_step,
        rank() over (order by last_modified_at desc) as by_time
    from saved
    where is_complete and is_one_of_them
)

select
    (select count(*) from ranked) as complete_count,
    ranked.by_step,
    ranked.by_time,
    ranked.place is not null as has_place
from saved
left outer join ranked on saved.checkpoint_id = ranked.checkpoint_id
where saved.checkpoint_id = $1
"""

WITNESSES = f"""
select witness_kind, witness, says, checkpoint_id, outcome, remark, is_heard
from marts.checkpoint_witnesses
where
    bucket = $2
    and (
        checkpoint_id = $1
        or (
            framework = $3
            and witness_kind in ('latest', 'best')
            and (case provider when 'gcp' then 'gs' else 's3' end)
            || '://' || bucket || '/' || save_directory = $4
        )
    )
order by
    list_position(['latest', 'best', 'metric', 'registered', 'in_use', 'pinned'], witness_kind),
    checkpoint_id = $1 desc, is_heard desc, witness, says
limit {WITNESSES_SHOWN}
"""

NEAR = """
select checkpoint_uri from marts.checkpoints
where starts_with(checkpoint_uri, $1)
order by checkpoint_uri
limit 1000
"""

BUCKETS = "select distinct bucket from marts.checkpoints order by bucket limit 10"
