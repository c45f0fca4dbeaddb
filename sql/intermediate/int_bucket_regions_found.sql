-- One row per bucket on a bill: the region it is in, and the region its list prices are of.
with

charges as (

    select * from intermediate.int_charges_attributed

),

regions as (

    select * from reference.price_regions

),

counted as (

    select
        provider,
        bucket,
        lower(region_id) as region_id,
        count(*) as row_count

    from charges

    where
        bucket <> ''
        and region_id <> ''
        and not is_transfer

    group by all

),

found as (

    select
        provider,
        bucket,
        region_id

    from counted

    qualify
        row_number() over (
            partition by provider, bucket
            order by row_count desc, region_id asc
        ) = 1

),

defaults as (

    select
        provider,
        region_id

    from regions

    where is_default

),

placed as (

    select
        found.provider,
        found.bucket,
        found.region_id,
        coalesce(regions.region_id, defaults.region_id) as price_list_region_id

    from found

    left outer join regions
        on
            found.provider = regions.provider
            and found.region_id = regions.region_id

    left outer join defaults
        on found.provider = defaults.provider

)

select * from placed
