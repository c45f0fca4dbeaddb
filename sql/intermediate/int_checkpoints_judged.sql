-- One row per checkpoint: whether a trainer could start from it, and if not, why.
with

checkpoints as (

    select * from intermediate.int_checkpoints_measured

),

found as (

    select * from intermediate.int_checkpoints_found

),

rules as (

    select * from reference.layout_files

),

-- Asked for again: few are of these kinds, and a step with several readers keeps all of them.
named_temporary as (

    select checkpoint_number from intermediate.int_checkpoints_measured

    where name_state = 'temporary'

),

in_temporary_folders as (

    select checkpoint_number from intermediate.int_checkpoints_measured

    where temporary_count > 0

),

with_empty_files as (

    select
        checkpoint_number,
        empty_count

    from intermediate.int_checkpoints_measured

    where empty_count > 0

),

far_smaller as (

    select checkpoint_number from intermediate.int_checkpoints_measured

    where is_far_smaller and empty_count = 0

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
        checkpoint_number,
        1 as gap_order,
        'its name says that the save did not end' as gap

    from named_temporary

    union all

    select distinct
        found.checkpoint_number,
        1 as gap_order,
        'an object beside it says that it is being written or removed' as gap

    from found

    inner join marked
        on
            found.provider = marked.provider
            and found.bucket = marked.bucket
            and found.save_directory = marked.directory
            and starts_with(found.checkpoint_name || '.', marked.marked_name || '.')

    union all

    select
        checkpoint_number,
        2 as gap_order,
        'a folder in it has the name of a save that did not end' as gap

    from in_temporary_folders

    union all

    select
        checkpoint_number,
        3 as gap_order,
        what || ': missing' as gap

    from unmet

    union all

    select
        missing.checkpoint_number,
        4 as gap_order,
        rules.file_rule || ': ' || missing.shards_there
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

    inner join rules
        on
            missing.layout_id = rules.layout_id
            and missing.rule_number = rules.rule_order

    union all

    select
        checkpoint_number,
        5 as gap_order,
        empty_count || ' files that hold weights are empty' as gap

    from with_empty_files

    union all

    select
        checkpoint_number,
        6 as gap_order,
        'less than a tenth of the size of its siblings' as gap

    from far_smaller

),

explained as (

    select
        checkpoint_number,
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
        on checkpoints.checkpoint_number = explained.checkpoint_number

),

judged as (

    select
        checkpoint_number,
        series_number,
        grain,
        layout_id,
        checkpoint_kind,
        is_best_by_name,
        is_last_by_name,
        step,
        epoch,
        sort_number,
        case
            when name_state = 'trash' then 'marked_deleted'
            when gaps is null then 'complete'
            when is_young then 'in_progress'
            when has_weights then 'incomplete'
            else 'stub'
        end as state,
        case
            when name_state = 'trash' then 'moved to a name that says it is deleted'
            when gaps is null then ''
            when is_young then 'less than 24 hours old when it was listed; ' || gaps
            else gaps
        end as state_reason,
        object_count,
        size_bytes,
        weights_bytes,
        optimizer_bytes,
        weights_count,
        pin_count,
        file_count,
        marker_count,
        unknown_count,
        shard_count,
        shards_expected,
        has_weights,
        is_far_smaller,
        first_modified_at,
        last_modified_at

    from aged

)

select * from judged
