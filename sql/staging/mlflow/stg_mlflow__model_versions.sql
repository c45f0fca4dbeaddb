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
        read_at

    from source

)

select * from renamed
