-- One row per prefix of a bucket that has nothing to do with a run.
with

prefixes as (

    select * from intermediate.int_dataset_prefixes_found

),

stores as (

    select * from intermediate.int_table_stores_found

),

reads as (

    select * from intermediate.int_bucket_reads_dated

),

rates as (

    select * from intermediate.int_storage_rates_chosen

),

datasets as (

    select * from intermediate.int_datasets_summed

),

priced as (

    select
        prefixes.provider,
        prefixes.bucket,
        prefixes.prefix,
        sum(
            case
                when prefixes.size_bytes = 0 then 0
                else prefixes.size_bytes::double / 1073741824 * rates.usd_gb_month::double
            end::decimal(18, 6)
        )::decimal(18, 6) as cost_usd_month

    from prefixes

    left outer join rates
        on
            prefixes.provider = rates.provider
            and prefixes.bucket = rates.bucket
            and prefixes.storage_class = rates.storage_class

    group by all

),

levels as (

    select unnest([1, 2, 3]) as level_count

),

-- A prefix is the table, lies in it, or holds it.
store_folders as (

    select
        stores.provider,
        stores.bucket,
        array_to_string(
            list_slice(string_split(stores.store_root, '/'), 1, levels.level_count), '/'
        ) || '/' as prefix, -- noqa: RF04
        stores.store_root,
        stores.store_sign

    from stores

    cross join levels

    where stores.store_root <> ''

),

prefix_folders as (

    select
        datasets.provider,
        datasets.bucket,
        datasets.prefix,
        array_to_string(
            list_slice(string_split(datasets.prefix, '/'), 1, levels.level_count), '/'
        ) || '/' as folder

    from datasets

    cross join levels

    union

    select
        provider,
        bucket,
        prefix,
        '' as folder

    from datasets

),

in_stores as (

    select
        prefix_folders.provider,
        prefix_folders.bucket,
        prefix_folders.prefix,
        stores.store_sign

    from prefix_folders

    inner join stores
        on
            prefix_folders.provider = stores.provider
            and prefix_folders.bucket = stores.bucket
            and prefix_folders.folder = stores.store_root

    union

    select
        provider,
        bucket,
        prefix,
        store_sign

    from store_folders

),

told as (

    select
        provider,
        bucket,
        prefix,
        min(store_sign) as store_sign

    from in_stores

    group by all

),

joined as (

    select
        datasets.dataset_uri,
        datasets.provider,
        datasets.bucket,
        datasets.prefix,
        coalesce(told.store_sign, '') as store_sign,
        datasets.object_count,
        datasets.size_bytes,
        datasets.storage_classes,
        priced.cost_usd_month,
        reads.billed_from,
        reads.billed_to,
        reads.last_read_on,
        datasets.first_modified_at,
        datasets.last_modified_at,
        datasets.listed_at,
        datasets.is_quiet

    from datasets

    left outer join priced
        on
            datasets.provider = priced.provider
            and datasets.bucket = priced.bucket
            and datasets.prefix = priced.prefix

    left outer join told
        on
            datasets.provider = told.provider
            and datasets.bucket = told.bucket
            and datasets.prefix = told.prefix

    left outer join reads
        on
            datasets.provider = reads.provider
            and datasets.bucket = reads.bucket

)

select * from joined
