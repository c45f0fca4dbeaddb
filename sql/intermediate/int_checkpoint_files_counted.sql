-- One row per checkpoint, directory, rule, role and count of shards in the name: what is there.
with

members as (

    select * from intermediate.int_objects_grouped_to_checkpoints

),

counted as (

    select
        checkpoint_id,
        layout_id,
        directory,
        coalesce(file_rule, '') as file_rule,
        role,
        coalesce(shard_total, 0) as shard_total,
        count(*) as object_count,
        sum(size_bytes)::bigint as size_bytes,
        count(*) filter (where is_marker) as marker_count,
        count(*) filter (where is_unknown) as unknown_count,
        count(*) filter (where is_temporary) as temporary_count,
        count(*) filter (where size_bytes = 0 and contains(role, 'weights')) as empty_count,
        min(etag) filter (where contains(role, 'weights')) as first_weights_etag,
        max(etag) filter (where contains(role, 'weights')) as last_weights_etag,
        max(rank_number) as highest_rank,
        max(column_number) as highest_column,
        min(last_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at,
        max(snapshot_at) as snapshot_at

    from members

    group by all

),

-- Two files of one rank are one rank. Grouping twice is ten times faster than count(distinct …).
numbers as (

    select distinct
        checkpoint_id,
        directory,
        file_rule,
        role,
        coalesce(shard_total, 0) as shard_total,
        shard_number,
        rank_number,
        column_number

    from members

    where
        shard_number is not null
        or rank_number is not null
        or column_number is not null

),

numbered as (

    select
        checkpoint_id,
        directory,
        file_rule,
        role,
        shard_total,
        count(*) as number_count

    from numbers

    group by all

),

completed as (

    select
        counted.*,
        coalesce(numbered.number_count, 0) as number_count

    from counted

    left outer join numbered
        on
            counted.checkpoint_id = numbered.checkpoint_id
            and counted.directory = numbered.directory
            and counted.file_rule = numbered.file_rule
            and counted.role = numbered.role
            and counted.shard_total = numbered.shard_total

)

select * from completed
