-- One row per place or folder that a registered version or a run that has not ended needs.
with

versions as (

    select * from staging.stg_mlflow__model_versions

),

runs as (

    select * from staging.stg_mlflow__active_runs

),

labelled_versions as (

    select
        place,
        run_id,
        model_id,
        'models:/' || model_name || '/' || model_version as version_uri,
        case when registry_stage = 'None' then '' else registry_stage end as registry_stage,
        replace(translate(aliases, '[]" ', ''), ',', ', @') as aliases,
        starts_with(place, 's3://') or starts_with(place, 'gs://') as is_in_bucket

    from versions

),

named_versions as (

    select
        place,
        is_in_bucket,
        case when is_in_bucket then '' else run_id end as run_folder,
        case when is_in_bucket then '' else model_id end as model_folder,
        version_uri || case
            when registry_stage != '' and aliases != ''
                then ' (' || registry_stage || ', @' || aliases || ')'
            when registry_stage != '' then ' (' || registry_stage || ')'
            when aliases != '' then ' (@' || aliases || ')'
            else ''
        end as claim_label

    from labelled_versions

),

named_runs as (

    select
        place,
        starts_with(place, 's3://') or starts_with(place, 'gs://') as is_in_bucket,
        folder,
        'run '
        || case when run_name = '' then run_id else run_name || ' (' || run_id || ')' end
        || ', ' || run_status
        || coalesce(' since ' || strftime(started_at, '%Y-%m-%d'), '')
        || case when named_by = '' then '' else ', as ' || named_by end as claim_label

    from runs

),

claims as (

    select
        'registered' as claim_kind,
        claim_label,
        place,
        is_in_bucket,
        '' as folder,
        place = '' and run_folder = '' and model_folder = '' as is_anywhere

    from named_versions

    where place != '' or (run_folder = '' and model_folder = '')

    union all

    select
        'registered' as claim_kind,
        claim_label,
        '' as place,
        false as is_in_bucket,
        run_folder as folder,
        false as is_anywhere

    from named_versions

    where run_folder != ''

    union all

    select
        'registered' as claim_kind,
        claim_label,
        '' as place,
        false as is_in_bucket,
        model_folder as folder,
        false as is_anywhere

    from named_versions

    where model_folder != ''

    union all

    select
        'in_use' as claim_kind,
        claim_label,
        place,
        is_in_bucket,
        folder,
        false as is_anywhere

    from named_runs

    where place != '' or folder != ''

),

-- A path of one word is the name of a folder.
shaped as (

    select distinct
        claim_kind,
        claim_label,
        case when is_in_bucket or contains(place, '/') then place else '' end as place,
        is_in_bucket,
        case
            when folder != '' then folder
            when not is_in_bucket and not contains(place, '/') then place
            else ''
        end as folder,
        is_anywhere

    from claims

)

select * from shaped
