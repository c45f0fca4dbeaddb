-- One row per checkpoint: its size, what holds the weights, and how many of its files are there.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

files as (

    select * from intermediate.int_checkpoint_files_counted

),

expected as (

    select * from intermediate.int_checkpoint_shards_expected

),

summed as (

    select
        checkpoint_id,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes,
        coalesce(sum(size_bytes) filter (where contains(role, 'weights')), 0)::bigint
            as weights_bytes,
        coalesce(sum(size_bytes) filter (where role = 'optimizer'), 0)::bigint as optimizer_bytes,
        coalesce(sum(object_count) filter (where contains(role, 'weights')), 0)::bigint
            as weights_count,
        coalesce(sum(object_count) filter (where role = 'pin'), 0)::bigint as pin_count,
        sum(marker_count)::bigint as marker_count,
        sum(unknown_count)::bigint as unknown_count,
        sum(temporary_count)::bigint as temporary_count,
        sum(empty_count)::bigint as empty_count,
        bool_or(contains(role, 'weights')) as has_weights,
        min(first_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at,
        max(snapshot_at) as snapshot_at

    from files

    group by all

),

shards as (

    select
        checkpoint_id,
        sum(shards_there)::bigint as shard_count,
        sum(shards_expected)::bigint as shards_expected

    from expected

    group by all

),

measured as (

    select
        checkpoints.checkpoint_id,
        checkpoints.checkpoint_uri,
        checkpoints.provider,
        checkpoints.bucket,
        checkpoints.grain,
        checkpoints.directory,
        checkpoints.leaf,
        checkpoints.save_directory,
        checkpoints.run,
        checkpoints.checkpoint_name,
        checkpoints.layout_id,
        checkpoints.framework,
        checkpoints.checkpoint_kind,
        checkpoints.name_state,
        checkpoints.is_best_by_name,
        checkpoints.is_last_by_name,
        checkpoints.named_metric,
        checkpoints.named_value,
        checkpoints.step,
        checkpoints.epoch,
        checkpoints.sort_number,
        summed.object_count,
        summed.size_bytes,
        summed.weights_bytes,
        summed.optimizer_bytes,
        summed.weights_count,
        summed.pin_count,
        summed.marker_count,
        summed.unknown_count,
        summed.temporary_count,
        summed.empty_count,
        coalesce(shards.shard_count, 0) as shard_count,
        coalesce(shards.shards_expected, 0) as shards_expected,
        summed.has_weights,
        -- A file cut short says nothing in its name; its siblings do.
        checkpoints.grain = 'object' and summed.size_bytes * 10 < max(summed.size_bytes) over (
            partition by
                checkpoints.provider,
                checkpoints.bucket,
                checkpoints.save_directory,
                checkpoints.layout_id
        ) as is_far_smaller,
        summed.first_modified_at,
        summed.last_modified_at,
        summed.snapshot_at

    from checkpoints

    inner join summed
        on checkpoints.checkpoint_id = summed.checkpoint_id

    left outer join shards
        on checkpoints.checkpoint_id = shards.checkpoint_id

)

select * from measured
