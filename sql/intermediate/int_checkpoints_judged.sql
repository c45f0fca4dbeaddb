-- One row per checkpoint: whether a trainer could start from it, and if not, why.
with

checkpoints as (

    select * from intermediate.int_checkpoints_measured

),

unmet as (

    select * from intermediate.int_checkpoint_requirements_checked

),

signed as (

    select * from intermediate.int_directories_signed

),

anchors as (

    select * from intermediate.int_checkpoint_anchors_found

),

missing as (

    select * from intermediate.int_checkpoint_shards_missing

),

places as (

    select * from intermediate.int_checkpoint_directories_placed

),

marked as (

    select distinct
        signed.provider,
        signed.bucket,
        signed.directory,
        anchors.marked_name

    from signed

    inner join anchors
        on signed.signature = anchors.signature

    where anchors.marked_name != ''

),

gaps as (

    select
        checkpoint_id,
        1 as gap_order,
        'its name says that the save did not end' as gap

    from checkpoints

    where name_state = 'temporary'

    union all

    select distinct
        checkpoints.checkpoint_id,
        1 as gap_order,
        'an object beside it says that it is being written or removed' as gap

    from checkpoints

    inner join marked
        on
            checkpoints.provider = marked.provider
            and checkpoints.bucket = marked.bucket
            and checkpoints.save_directory = marked.directory
            and starts_with(checkpoints.checkpoint_name || '.', marked.marked_name || '.')

    union all

    select
        checkpoint_id,
        2 as gap_order,
        'a folder in it has the name of a save that did not end' as gap

    from checkpoints

    where temporary_count > 0

    union all

    select
        checkpoint_id,
        3 as gap_order,
        what || ': missing' as gap

    from unmet

    union all

    select
        places.checkpoint_id,
        4 as gap_order,
        missing.file_rule || ': ' || missing.shards_there
        || ' of ' || missing.shards_expected || ' files, missing '
        || case
            when missing.rank_total is null then 'shard ' || missing.first_missing
            when missing.shards_expected = missing.rank_total then 'rank ' || missing.first_missing
            when missing.rank_total = 1 then 'model-parallel rank ' || missing.first_missing
            else
                'rank ' || missing.first_missing % missing.rank_total
                || ' of model-parallel rank ' || missing.first_missing // missing.rank_total
        end
        || case
            when missing.shards_expected - missing.shards_there > 1 then ' and more'
            else ''
        end as gap

    from missing

    inner join places
        on missing.place_number = places.place_number

    union all

    select
        checkpoint_id,
        5 as gap_order,
        empty_count || ' files that hold weights are empty' as gap

    from checkpoints

    where empty_count > 0

    union all

    select
        checkpoint_id,
        6 as gap_order,
        'less than a tenth of the size of its siblings' as gap

    from checkpoints

    where is_far_smaller and empty_count = 0

),

explained as (

    select
        checkpoint_id,
        string_agg(gap, '; ' order by gap_order, gap) as gaps

    from gaps

    group by all

),

aged as (

    select
        checkpoints.*,
        explained.gaps,
        -- Measured at the listing: what was being written then may have been finished since.
        checkpoints.last_modified_at + interval 24 hours
        > least(checkpoints.snapshot_at, getvariable('as_of') + interval 1 day) as is_young

    from checkpoints

    left outer join explained
        on checkpoints.checkpoint_id = explained.checkpoint_id

),

judged as (

    select
        aged.checkpoint_id,
        aged.checkpoint_uri,
        aged.provider,
        aged.bucket,
        aged.grain,
        aged.directory,
        aged.leaf,
        aged.save_directory,
        aged.run,
        aged.checkpoint_name,
        aged.layout_id,
        aged.framework,
        aged.checkpoint_kind,
        aged.name_state,
        case
            when aged.name_state = 'trash' then 'marked_deleted'
            when aged.gaps is null then 'complete'
            when aged.is_young then 'in_progress'
            when aged.has_weights then 'incomplete'
            else 'stub'
        end as state,
        case
            when aged.name_state = 'trash' then 'moved to a name that says it is deleted'
            when aged.gaps is null then ''
            when aged.is_young then 'less than 24 hours old when it was listed; ' || aged.gaps
            else aged.gaps
        end as state_reason,
        aged.is_best_by_name,
        aged.is_last_by_name,
        aged.named_metric,
        aged.named_value,
        aged.step,
        aged.epoch,
        aged.sort_number,
        aged.object_count,
        aged.size_bytes,
        aged.weights_bytes,
        aged.optimizer_bytes,
        aged.weights_count,
        aged.pin_count,
        aged.file_count,
        aged.marker_count,
        aged.unknown_count,
        aged.temporary_count,
        aged.empty_count,
        aged.shard_count,
        aged.shards_expected,
        aged.has_weights,
        aged.is_far_smaller,
        aged.first_modified_at,
        aged.last_modified_at,
        aged.snapshot_at

    from aged

)

select * from judged
