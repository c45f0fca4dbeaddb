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

places as (

    select * from intermediate.int_checkpoint_directories_placed

),

listings as (

    select * from intermediate.int_listings_chosen

),

in_places as (

    select
        place_number,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes,
        coalesce(sum(size_bytes) filter (where contains(role, 'weights')), 0)::bigint
            as weights_bytes,
        coalesce(sum(size_bytes) filter (where role = 'optimizer'), 0)::bigint as optimizer_bytes,
        coalesce(sum(object_count) filter (where contains(role, 'weights')), 0)::bigint
            as weights_count,
        coalesce(sum(object_count) filter (where role = 'pin'), 0)::bigint as pin_count,
        coalesce(sum(object_count) filter (where role not in ('pin', 'aux')), 0)::bigint
            as file_count,
        sum(marker_count)::bigint as marker_count,
        sum(unknown_count)::bigint as unknown_count,
        sum(empty_count)::bigint as empty_count,
        min(first_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at

    from files

    group by all

),

shards as (

    select
        place_number,
        sum(shards_there)::bigint as shard_count,
        sum(shards_expected)::bigint as shards_expected

    from expected

    group by all

),

summed as (

    select
        places.checkpoint_id,
        sum(in_places.object_count)::bigint as object_count,
        sum(in_places.size_bytes)::bigint as size_bytes,
        sum(in_places.weights_bytes)::bigint as weights_bytes,
        sum(in_places.optimizer_bytes)::bigint as optimizer_bytes,
        sum(in_places.weights_count)::bigint as weights_count,
        sum(in_places.pin_count)::bigint as pin_count,
        sum(in_places.file_count)::bigint as file_count,
        sum(in_places.marker_count)::bigint as marker_count,
        sum(in_places.unknown_count)::bigint as unknown_count,
        coalesce(sum(in_places.object_count) filter (where places.is_temporary), 0)::bigint
            as temporary_count,
        sum(in_places.empty_count)::bigint as empty_count,
        coalesce(sum(shards.shard_count), 0)::bigint as shard_count,
        coalesce(sum(shards.shards_expected), 0)::bigint as shards_expected,
        min(in_places.first_modified_at) as first_modified_at,
        max(in_places.last_modified_at) as last_modified_at

    from in_places

    inner join places
        on in_places.place_number = places.place_number

    left outer join shards
        on in_places.place_number = shards.place_number

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
        summed.file_count,
        summed.marker_count,
        summed.unknown_count,
        summed.temporary_count,
        summed.empty_count,
        summed.shard_count,
        summed.shards_expected,
        summed.weights_count > 0 as has_weights,
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
        listings.snapshot_at

    from checkpoints

    inner join summed
        on checkpoints.checkpoint_id = summed.checkpoint_id

    left outer join listings
        on
            checkpoints.provider = listings.provider
            and checkpoints.bucket = listings.bucket

)

select * from measured
