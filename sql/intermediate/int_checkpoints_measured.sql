-- One row per checkpoint: its size, what holds the weights, and how many of its files are there.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

-- Asked for again: a step with several readers would keep all of it in memory.
single_files as (

    select * from intermediate.int_checkpoints_found

    where grain = 'object'

),

siblings as (

    select * from intermediate.int_checkpoints_found

),

sizes as (

    select * from intermediate.int_checkpoint_sizes_by_class

),

sibling_sizes as (

    select * from intermediate.int_checkpoint_sizes_by_class

),

expected as (

    select * from intermediate.int_checkpoint_shards_expected

),

listings as (

    select * from intermediate.int_listings_chosen

),

summed as (

    select
        checkpoint_number,
        bit_or(rule_bits) as rule_bits,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes,
        sum(weights_bytes)::bigint as weights_bytes,
        sum(optimizer_bytes)::bigint as optimizer_bytes,
        sum(weights_count)::bigint as weights_count,
        sum(pin_count)::bigint as pin_count,
        sum(file_count)::bigint as file_count,
        sum(marker_count)::bigint as marker_count,
        sum(unknown_count)::bigint as unknown_count,
        sum(temporary_count)::bigint as temporary_count,
        sum(empty_count)::bigint as empty_count,
        min(first_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at

    from sizes

    group by all

),

shards as (

    select
        checkpoint_number,
        sum(shards_there)::bigint as shard_count,
        sum(shards_expected)::bigint as shards_expected

    from expected

    group by all

),

single_series as (

    select distinct
        series_number,
        layout_id

    from single_files

),

compared_sizes as (

    select
        single_series.series_number,
        single_series.layout_id,
        siblings.checkpoint_number,
        sum(sibling_sizes.size_bytes)::bigint as size_bytes

    from sibling_sizes

    inner join siblings
        on sibling_sizes.checkpoint_number = siblings.checkpoint_number

    inner join single_series
        on
            siblings.series_number = single_series.series_number
            and siblings.layout_id = single_series.layout_id

    group by all

),

-- A file cut short says nothing in its name; its siblings do.
largest_siblings as (

    select
        series_number,
        layout_id,
        max(size_bytes) as size_bytes

    from compared_sizes

    group by all

),

measured as (

    select
        checkpoints.checkpoint_number,
        checkpoints.series_number,
        checkpoints.provider,
        checkpoints.grain,
        checkpoints.layout_id,
        checkpoints.checkpoint_kind,
        checkpoints.name_state,
        checkpoints.is_best_by_name,
        checkpoints.is_last_by_name,
        checkpoints.step,
        checkpoints.epoch,
        checkpoints.sort_number,
        coalesce(summed.rule_bits, 0) as rule_bits,
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
        coalesce(shards.shard_count, 0) as shard_count,
        coalesce(shards.shards_expected, 0) as shards_expected,
        summed.weights_count > 0 as has_weights,
        checkpoints.grain = 'object'
        and coalesce(summed.size_bytes * 10 < largest_siblings.size_bytes, false)
            as is_far_smaller,
        summed.first_modified_at,
        summed.last_modified_at,
        listings.snapshot_at

    from checkpoints

    inner join summed
        on checkpoints.checkpoint_number = summed.checkpoint_number

    left outer join shards
        on checkpoints.checkpoint_number = shards.checkpoint_number

    left outer join largest_siblings
        on
            checkpoints.series_number = largest_siblings.series_number
            and checkpoints.layout_id = largest_siblings.layout_id

    left outer join listings
        on
            checkpoints.provider = listings.provider
            and checkpoints.bucket = listings.bucket

)

select * from measured
