-- One row per bucket and storage class: the rate for what lies there now, billed or listed.
with

rates as (

    select * from intermediate.int_storage_rates_daily

),

charges as (

    select * from intermediate.int_charges_attributed

),

inventory_files as (

    select * from intermediate.int_inventory_files_deduplicated

),

uploads as (

    select * from staging.stg_s3_uploads__uploads

),

list_prices as (

    select * from intermediate.int_list_prices_chosen

),

bucket_regions as (

    select * from intermediate.int_bucket_regions_found

),

regions as (

    select * from reference.price_regions

),

buckets as (

    select
        provider,
        bucket

    from charges

    where bucket <> ''

    union

    select
        provider,
        bucket

    from inventory_files

    union

    select
        'aws' as provider, -- noqa: RF04
        bucket

    from uploads

),

billed as (

    select
        provider,
        bucket,
        storage_class,
        max_by(usd_gb_month, usage_date) as usd_gb_month

    from rates

    where usage_date <= getvariable('as_of')

    group by all

),

placed as (

    select
        buckets.provider,
        buckets.bucket,
        -- A list of objects does not say where its bucket is.
        coalesce(
            bucket_regions.price_list_region_id, regions.region_id
        ) as price_list_region_id

    from buckets

    left outer join bucket_regions
        on
            buckets.provider = bucket_regions.provider
            and buckets.bucket = bucket_regions.bucket

    left outer join regions
        on
            buckets.provider = regions.provider
            and regions.is_default

),

listed as (

    select
        placed.provider,
        placed.bucket,
        list_prices.storage_class,
        list_prices.price_region_id,
        list_prices.usd as usd_gb_month

    from placed

    inner join list_prices
        on
            placed.provider = list_prices.provider
            and placed.price_list_region_id = list_prices.region_id

    where
        list_prices.meter = 'storage'
        and list_prices.usd is not null

),

classes as (

    select
        provider,
        bucket,
        storage_class

    from listed

    union

    select
        provider,
        bucket,
        storage_class

    from billed

),

chosen as (

    select
        classes.provider,
        classes.bucket,
        classes.storage_class,
        case when billed.usd_gb_month is null then 'list' else 'bill' end as rate_basis,
        case
            when billed.usd_gb_month is null
                then listed.price_region_id
        end as price_region_id,
        coalesce(billed.usd_gb_month, listed.usd_gb_month, 0)::decimal(38, 12) as usd_gb_month

    from classes

    left outer join billed
        on
            classes.provider = billed.provider
            and classes.bucket = billed.bucket
            and classes.storage_class = billed.storage_class

    left outer join listed
        on
            classes.provider = listed.provider
            and classes.bucket = listed.bucket
            and classes.storage_class = listed.storage_class

)

select * from chosen
