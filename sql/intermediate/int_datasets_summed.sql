-- One row per prefix of a bucket that has nothing to do with a run: what it holds, how old it is.
with

prefixes as (

    select * from intermediate.int_dataset_prefixes_found

),

listings as (

    select * from intermediate.int_listings_chosen

),

summed as (

    select
        provider,
        bucket,
        prefix,
        sum(object_count)::bigint as object_count,
        sum(size_bytes)::bigint as size_bytes,
        string_agg(storage_class, ',' order by storage_class) as storage_classes,
        min(first_modified_at) as first_modified_at,
        max(last_modified_at) as last_modified_at

    from prefixes

    group by all

),

named as (

    select
        case summed.provider when 'gcp' then 'gs://' else 's3://' end
        || summed.bucket || '/'
        || case
            -- With its last slash it is what lies right in the folder, else all below as well.
            when length(summed.prefix) - length(replace(summed.prefix, '/', '')) = 3
                then left(summed.prefix, length(summed.prefix) - 1)
            else summed.prefix
        end as dataset_uri,
        summed.provider,
        summed.bucket,
        summed.prefix,
        summed.object_count,
        summed.size_bytes,
        summed.storage_classes,
        summed.first_modified_at,
        summed.last_modified_at,
        listings.snapshot_at as listed_at,
        coalesce(
            summed.last_modified_at < getvariable('as_of')::timestamp - interval 29 day, false
        ) as is_quiet

    from summed

    inner join listings
        on
            summed.provider = listings.provider
            and summed.bucket = listings.bucket

)

select * from named
