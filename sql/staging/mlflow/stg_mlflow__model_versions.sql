-- One row per registered model version and reading of the registry.
with

source as (

    select * from raw.mlflow_versions

),

renamed as (

    select
        landed_file,
        landed_row,
        name as model_name,
        version as model_version,
        coalesce(stage, '') as registry_stage,
        coalesce(aliases, '[]') as aliases,
        coalesce(source, '') as source_uri,
        coalesce(run_id, '') as run_id,
        coalesce(status, '') as version_status,
        coalesce(model_id, '') as model_id,
        -- What landed before places were looked up says it in the words of the registry.
        coalesce(
            location,
            case
                when starts_with(source, 's3a://') or starts_with(source, 's3n://')
                    then rtrim('s3://' || substr(source, 7), '/')
                when starts_with(source, 's3://') or starts_with(source, 'gs://')
                    then rtrim(source, '/')
            end,
            ''
        ) as place,
        read_at

    from source

)

select * from renamed
