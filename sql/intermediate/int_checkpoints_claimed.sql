-- One row per checkpoint and kind of claim on it, with who needs it.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

claims as (

    select * from intermediate.int_claims_unioned

),

named as (

    select
        claim_kind,
        claim_label,
        place,
        length(place) - length(replace(place, '/', '')) + 1 as levels_down

    from claims

    where is_in_bucket

),

located as (

    select
        checkpoint_id,
        checkpoint_uri,
        grain,
        string_split(checkpoint_uri, '/') as segments,
        length(checkpoint_uri) - length(replace(checkpoint_uri, '/', '')) + 1 as levels_down

    from checkpoints

),

place_depths as (

    select distinct levels_down from named

),

checkpoint_depths as (

    select distinct levels_down from located

),

-- The place is the checkpoint or lies above it.
above as (

    select
        located.checkpoint_id,
        named.claim_kind,
        named.claim_label

    from located

    inner join place_depths
        on located.levels_down >= place_depths.levels_down

    inner join named
        on
            array_to_string(list_slice(located.segments, 1, place_depths.levels_down), '/')
            = named.place

),

-- The place lies inside. The root of a run holds the run's other checkpoints as well.
below as (

    select
        located.checkpoint_id,
        named.claim_kind,
        named.claim_label

    from named

    inner join checkpoint_depths
        on named.levels_down > checkpoint_depths.levels_down

    inner join located
        on
            array_to_string(
                list_slice(string_split(named.place, '/'), 1, checkpoint_depths.levels_down), '/'
            )
            = located.checkpoint_uri

    where located.grain != 'run'

),

folders as (

    select
        checkpoint_id,
        unnest(segments) as folder

    from located

),

by_folder as (

    select
        folders.checkpoint_id,
        claims.claim_kind,
        claims.claim_label

    from folders

    inner join claims
        on folders.folder = claims.folder

    where claims.folder != ''

),

-- Paths of other machines begin differently: a mount hides the bucket. Two folders must agree.
paths as (

    select
        claim_kind,
        claim_label,
        string_split(place, '/') as segments

    from claims

    where not is_in_bucket and place != ''

),

path_pairs as (

    select
        claim_kind,
        claim_label,
        array_to_string(list_slice(segments, place_number, place_number + 1), '/') as pair,
        place_number = len(segments) - 1 as is_end

    from (
        select
            *,
            unnest(range(1, len(segments))) as place_number
        from paths
    ) as numbered

),

checkpoint_pairs as (

    select
        checkpoint_id,
        array_to_string(list_slice(segments, place_number, place_number + 1), '/') as pair,
        place_number = len(segments) - 1 as is_end

    from (
        select
            checkpoint_id,
            segments,
            unnest(range(3, len(segments))) as place_number
        from located
    ) as numbered

    where exists (select 1 from paths)

),

by_path as (

    select
        checkpoint_pairs.checkpoint_id,
        path_pairs.claim_kind,
        path_pairs.claim_label

    from checkpoint_pairs

    inner join path_pairs
        on checkpoint_pairs.pair = path_pairs.pair

    where checkpoint_pairs.is_end or path_pairs.is_end

),

anywhere as (

    select
        claim_kind,
        min(claim_label) || ', and nothing says where that is' as claim_label

    from claims

    where is_anywhere

    group by all

),

touched as (

    select * from above

    union

    select * from below

    union

    select * from by_folder

    union

    select * from by_path

    union

    select
        located.checkpoint_id,
        anywhere.claim_kind,
        anywhere.claim_label

    from located

    cross join anywhere

),

claimed as (

    select
        checkpoint_id,
        claim_kind,
        string_agg(claim_label, ', ' order by claim_label) as claimed_by

    from touched

    group by all

)

select * from claimed
