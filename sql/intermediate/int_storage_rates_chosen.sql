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

    select bucket

    from charges

    where bucket <> ''

    union

    select bucket from inventory_files

    union

    select bucket from uploads

),

billed as (

    select
        bucket,
        storage_class,
        max_by(usd_gb_month, usage_date) as usd_gb_month

    from rates

    where usage_date <= getvariable('as_of')

    group by all

),

listed as (

    select
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
        provider = 'aws'
        and meter = 'storage'
        and from_gb = 0

    group by all

),

classes as (

    select storage_class from listed

    union

    select storage_class from billed

),

chosen as (

    select
        buckets.bucket,
        classes.storage_class,
        case when billed.usd_gb_month is null then 'list' else 'bill' end as rate_basis,
        coalesce(billed.usd_gb_month, listed.usd_gb_month, 0)::decimal(38, 12) as usd_gb_month

    from buckets

    cross join classes

    left outer join billed
        on
            buckets.bucket = billed.bucket
            and classes.storage_class = billed.storage_class

    left outer join listed
        on classes.storage_class = listed.storage_class

)

select * from chosen
