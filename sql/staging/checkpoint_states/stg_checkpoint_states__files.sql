-- One row per state file of a bucket, framework that names its files so, and metric in it.
with

source as (

    select * from raw.checkpoint_states

),

renamed as (

    select
        landed_file,
        landed_row,
        provider,
        bucket,
        object_key,
        directory,
        leaf,
        subject_directory,
        framework,
        state_file,
        place as told_from,
        tells,
        field_holds,
        coalesce(etag, '') as etag,
        status,
        coalesce(latest_value, '') as latest_value,
        coalesce(best_value, '') as best_value,
        coalesce(metric_name, '') as metric_name,
        metric_value,
        coalesce(message, '') as message,
        size_bytes,
        status in ('read', 'unchanged', 'changed') as is_read,
        last_modified_at,
        listed_at,
        read_at

    from source

)

select * from renamed
