-- One row per bucket, prefix and storage class of the newest inventory: what could lie elsewhere.
with

directories as (

    select * from intermediate.int_directories_counted

),

classes as (

    select * from reference.storage_classes

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
        regexp_extract(directories.directory, '^([^/]*/){1,3}', 0) as prefix, -- noqa: RF04
        directories.storage_class,
        directories.object_count,
        directories.size_bytes,
        case
            -- Nobody counted the small ones, and there are some: at worst all are.
            when
                coalesce(directories.small_object_count, 0) = 0
                and directories.size_bytes < 131072 * directories.object_count
                then directories.object_count
            else coalesce(directories.small_object_count, 0)
        end as small_object_count,
        coalesce(directories.small_object_bytes, 0) as small_object_bytes,
        greatest(
            coalesce(classes.minimum_days, 0)
            - date_diff('day', directories.created_date, getvariable('as_of')::date),
            0
        ) as days_owed

    from directories

    inner join newest
        on
            directories.provider = newest.provider
            and directories.bucket = newest.bucket
            and directories.snapshot_at = newest.snapshot_at

    left outer join classes
        on
            directories.provider = classes.provider
            and directories.storage_class = classes.storage_class

    where coalesce(directories.is_current, true)

),

prefixes as (

    select
        provider,
        bucket,
        prefix,
        storage_class,
        sum(object_count) as object_count,
        sum(size_bytes) as size_bytes,
        sum(small_object_count) as small_object_count,
        sum(small_object_bytes) as small_object_bytes,
        sum(case when days_owed > 0 then size_bytes else 0 end) as young_bytes,
        sum(size_bytes::decimal(38, 0) * days_owed) as byte_days_owed

    from listed

    group by all

),

ranked as (

    select
        *,
        row_number() over (
            partition by provider, bucket
            order by size_bytes desc, prefix asc, storage_class asc
        ) as size_rank

    from prefixes

    where object_count > 0

),

summed as (

    select
        provider,
        bucket,
        -- A bucket of many prefixes has few that are worth a decision of their own.
        case when size_rank <= 100 then prefix else '(other prefixes)' end as prefix, -- noqa: RF04
        storage_class,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes,
        sum(small_object_count)::bigint as small_object_count,
        sum(small_object_bytes)::bigint as small_object_bytes,
        sum(young_bytes)::bigint as young_bytes,
        sum(byte_days_owed)::decimal(38, 0) as byte_days_owed

    from ranked

    group by all

)

select * from summed
