-- One row per checkpoint that a model registry refers to, with the versions that do.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

versions as (

    select * from staging.stg_mlflow__model_versions

),

labelled as (

    select distinct
        run_id,
        rtrim(
            case
                when starts_with(source_uri, 's3a://') or starts_with(source_uri, 's3n://')
                    then 's3://' || substr(source_uri, 7)
                else source_uri
            end,
            '/'
        ) as source_uri,
        'models:/' || model_name || '/' || model_version as version_uri,
        case when registry_stage = 'None' then '' else registry_stage end as registry_stage,
        replace(translate(aliases, '[]" ', ''), ',', ', @') as aliases

    from versions

),

named as (

    select
        run_id,
        source_uri,
        starts_with(source_uri, 's3://') or starts_with(source_uri, 'gs://') as is_located,
        length(source_uri) - length(replace(source_uri, '/', '')) + 1 as levels_down,
        version_uri || case
            when registry_stage != '' and aliases != ''
                then ' (' || registry_stage || ', @' || aliases || ')'
            when registry_stage != '' then ' (' || registry_stage || ')'
            when aliases != '' then ' (@' || aliases || ')'
            else ''
        end as version_label

    from labelled

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

source_depths as (

    select distinct levels_down from named

    where is_located

),

checkpoint_depths as (

    select distinct levels_down from located

),

-- The registered place is the checkpoint or lies above it.
above as (

    select
        located.checkpoint_id,
        named.version_label

    from located

    inner join source_depths
        on located.levels_down >= source_depths.levels_down

    inner join named
        on
            array_to_string(list_slice(located.segments, 1, source_depths.levels_down), '/')
            = named.source_uri

    where named.is_located

),

-- The registered place lies inside. The root of a run holds the run's other checkpoints as well.
below as (

    select
        located.checkpoint_id,
        named.version_label

    from named

    inner join checkpoint_depths
        on named.levels_down > checkpoint_depths.levels_down

    inner join located
        on
            array_to_string(
                list_slice(string_split(named.source_uri, '/'), 1, checkpoint_depths.levels_down),
                '/'
            )
            = located.checkpoint_uri

    where
        named.is_located
        and located.grain != 'run'

),

segments as (

    select
        checkpoint_id,
        unnest(segments) as segment

    from located

),

-- A source such as runs:/… names no place; a folder called like the run is the best clue there is.
by_run as (

    select
        segments.checkpoint_id,
        named.version_label

    from segments

    inner join named
        on segments.segment = named.run_id

    where
        not named.is_located
        and named.run_id != ''

),

touched as (

    select * from above

    union

    select * from below

    union

    select * from by_run

),

registered as (

    select
        checkpoint_id,
        string_agg(version_label, ', ' order by version_label) as registered_as

    from touched

    group by all

)

select * from registered
