-- One row per checkpoint: its place among the saves in the same folder.
with

checkpoints as (

    select * from intermediate.int_checkpoints_judged

),

-- Saves of one run into one folder. What all of them have orders them; where only some have steps,
-- epochs do not order the others.
series as (

    select
        series_number,
        coalesce(
            bool_and(epoch is not null)
            filter (where checkpoint_kind = 'intermediate' and grain != 'run'),
            false
        )
        and not coalesce(
            bool_and(step is not null)
            filter (where checkpoint_kind = 'intermediate' and grain != 'run'),
            false
        ) as is_ordered_by_epochs,
        bool_or(step is not null) as has_steps,
        count(*) filter (where state = 'complete' and grain != 'run') as complete_count

    from checkpoints

    group by all

),

placed as (

    select
        checkpoints.checkpoint_number,
        checkpoints.series_number,
        checkpoints.layout_id,
        checkpoints.checkpoint_kind,
        series.complete_count,
        case
            when checkpoints.sort_number is not null then checkpoints.sort_number
            when series.is_ordered_by_epochs or not series.has_steps then checkpoints.epoch
            else checkpoints.step
        end as place,
        checkpoints.shards_expected,
        checkpoints.file_count,
        checkpoints.weights_count,
        checkpoints.weights_bytes,
        checkpoints.state = 'complete'
        and checkpoints.grain != 'run'
        and checkpoints.checkpoint_kind = 'intermediate' as is_candidate,
        checkpoints.state = 'complete'
        and checkpoints.grain != 'run'
        and checkpoints.is_last_by_name as is_last_copy,
        checkpoints.grain != 'run' and checkpoints.state in ('incomplete', 'stub')
            as is_unfinished,
        checkpoints.state = 'marked_deleted' as is_deleted,
        checkpoints.last_modified_at

    from checkpoints

    inner join series
        on checkpoints.series_number = series.series_number

),

highest as (

    select
        series_number,
        max(place) filter (where is_candidate) as first_place,
        max(place) filter (where not is_deleted) as highest_place,
        max(last_modified_at) filter (where is_candidate) as newest_at,
        max(last_modified_at) filter (where is_last_copy) as last_copy_at,
        coalesce(bool_or(is_last_copy and checkpoint_kind = 'final'), false) as has_final

    from placed

    group by all

),

-- Those without a place come last, together.
next_highest as (

    select
        placed.series_number,
        max(placed.place) as second_place

    from placed

    inner join highest
        on
            placed.series_number = highest.series_number
            and placed.place < highest.first_place

    where placed.is_candidate

    group by all

),

ranked as (

    select
        placed.*,
        highest.highest_place,
        highest.newest_at,
        highest.last_copy_at,
        highest.has_final,
        placed.is_candidate
        and coalesce(placed.place = highest.first_place, highest.first_place is null)
            as is_first_place,
        placed.is_candidate
        and highest.first_place is not null
        and coalesce(
            placed.place = next_highest.second_place,
            placed.place is null and next_highest.second_place is null
        ) as is_second_place,
        placed.is_candidate and placed.last_modified_at = highest.newest_at as is_newest,
        placed.is_last_copy
        and coalesce(
            placed.last_modified_at = highest.last_copy_at, highest.last_copy_at is null
        ) as is_newest_last_copy

    from placed

    inner join highest
        on placed.series_number = highest.series_number

    left outer join next_highest
        on placed.series_number = next_highest.series_number

),

newest as (

    select
        series_number,
        max(last_modified_at) as newest_place_at

    from ranked

    where is_first_place

    group by all

),

-- One layout's saves have as many files each; a copy in another form has not.
newest_of_layout as (

    select
        series_number,
        layout_id,
        min(shards_expected) as newest_shards,
        min(file_count) as newest_file_count,
        min(weights_count) as newest_weights_count,
        min(weights_bytes) as newest_weights_bytes

    from ranked

    where is_first_place

    group by all

),

ordered as (

    select
        ranked.checkpoint_number,
        ranked.complete_count,
        coalesce(
            (
                ranked.is_first_place
                and ranked.place is not null
                and (ranked.last_copy_at is null or ranked.last_copy_at < newest.newest_place_at)
            )
            or (
                ranked.is_newest_last_copy
                and (
                    newest.newest_place_at is null
                    or newest.newest_place_at <= ranked.last_copy_at
                )
            ),
            false
        ) as is_latest,
        coalesce(
            ranked.newest_at > newest.newest_place_at
            and (ranked.is_first_place or ranked.is_newest),
            false
        ) as is_order_open,
        ranked.is_candidate and ranked.place is null as is_place_unknown,
        -- A final one may be an export, or a base model that lies there. Equal times say nothing.
        coalesce(
            ranked.is_first_place
            and (ranked.has_final or ranked.last_copy_at = newest.newest_place_at),
            false
        ) as is_newest_beside_last,
        -- Only gaps between ranks show. Fewer than before may mean that the highest is missing.
        coalesce(
            ranked.is_second_place
            and (
                ranked.shards_expected > newest_of_layout.newest_shards
                or ranked.file_count > newest_of_layout.newest_file_count
                or ranked.weights_count > newest_of_layout.newest_weights_count
                or ranked.weights_bytes > newest_of_layout.newest_weights_bytes * 2
            ),
            false
        ) as is_larger_than_latest,
        coalesce(ranked.is_unfinished and ranked.place = ranked.highest_place, false)
            as is_newest_unfinished

    from ranked

    left outer join newest
        on ranked.series_number = newest.series_number

    left outer join newest_of_layout
        on
            ranked.series_number = newest_of_layout.series_number
            and ranked.layout_id = newest_of_layout.layout_id

)

select * from ordered
