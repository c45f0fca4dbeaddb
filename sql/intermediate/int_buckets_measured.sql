-- One row per listed bucket: the bytes of its newest inventory, and what its last 30 days wrote.
with

directories as (

    select * from intermediate.int_directories_counted

),

newest as (

    select
        provider,
        bucket,
        max(snapshot_at) as snapshot_at

    from directories

    group by all

),

listed as (

    select
        directories.provider,
        directories.bucket,
        directories.object_count,
        directories.size_bytes,
        directories.created_date > directories.snapshot_at::date - 30 as is_written_lately

    from directories

    inner join newest
        on
            directories.provider = newest.provider
            and directories.bucket = newest.bucket
            and directories.snapshot_at = newest.snapshot_at

),

summed as (

    select
        provider,
        bucket,
        (sum(size_bytes)::double / 1073741824)::decimal(38, 12) as stored_gb,
        (coalesce(sum(size_bytes) filter (where is_written_lately), 0)::double / 1073741824)
        ::decimal(38, 12) as written_gb_month,
        coalesce(sum(object_count) filter (where is_written_lately), 0)::bigint
            as written_objects_month

    from listed

    group by all

)

select * from summed
