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

prices as (

    select * from reference.prices

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

listed as (

    select
        provider,
        storage_class,
        min_by(
            usd,
            -- Before the first price that is known, that price is the best there is.
            case
                when
                    valid_from <= getvariable('as_of')
                    and getvariable('as_of') < valid_until
                    then 0
                else epoch(valid_from)
            end
        ) as usd_gb_month

    from prices

    where
        meter = 'storage'
        and from_gb = 0

    group by all

),

classes as (

    select
        provider,
        storage_class

    from listed

    union

    select
        provider,
        storage_class

    from billed

),

chosen as (

    select
        buckets.provider,
        buckets.bucket,
        classes.storage_class,
        case when billed.usd_gb_month is null then 'list' else 'bill' end as rate_basis,
        coalesce(billed.usd_gb_month, listed.usd_gb_month, 0)::decimal(38, 12) as usd_gb_month

    from buckets

    inner join classes
        on buckets.provider = classes.provider

    left outer join billed
        on
            buckets.provider = billed.provider
            and buckets.bucket = billed.bucket
            and classes.storage_class = billed.storage_class

    left outer join listed
        on
            classes.provider = listed.provider
            and classes.storage_class = listed.storage_class

)

select * from chosen
