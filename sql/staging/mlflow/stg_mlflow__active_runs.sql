-- One row per run that has not ended, place that it names, and reading of the registry.
with

source as (

    select * from raw.mlflow_runs

),

renamed as (

    select
        landed_file,
        landed_row,
        run_id,
        coalesce(name, '') as run_name,
        status as run_status,
        coalesce(named_by, '') as named_by,
        coalesce(location, '') as place,
        coalesce(folder, '') as folder,
        started_at,
        read_at

    from source

)

select * from renamed
