-- One row per region with prices, storage class and meter: the list price in force on the day.
with

prices as (

    select * from reference.prices

),

regions as (

    select * from reference.price_regions

),

first_tiers as (

    select
        provider,
        region_id,
        storage_class,
        meter,
        usd,
        coalesce(confirmed, true) as is_confirmed

    from prices

    where
        from_gb = 0
        -- A price for one pair of regions is not that of the region.
        and coalesce(to_region_id, '') = ''

    qualify
        row_number() over (
            partition by provider, region_id, storage_class, meter
            order by
                -- Before the first price that is known, that price is the best there is.
                case
                    when
                        valid_from <= getvariable('as_of')
                        and getvariable('as_of') < valid_until
                        then 0
                    else 1
                end,
                valid_from
        ) = 1

),

stand_ins as (

    select first_tiers.*

    from first_tiers

    inner join regions
        on
            first_tiers.provider = regions.provider
            and first_tiers.region_id = regions.region_id

    where regions.is_default

),

candidates as (

    select
        provider,
        region_id,
        storage_class,
        meter,
        usd,
        is_confirmed,
        region_id as price_region_id,
        1 as preference -- noqa: RF04

    from first_tiers

    union all

    select
        regions.provider,
        regions.region_id,
        stand_ins.storage_class,
        stand_ins.meter,
        stand_ins.usd,
        stand_ins.is_confirmed,
        stand_ins.region_id as price_region_id,
        2 as preference -- noqa: RF04

    from regions

    inner join stand_ins
        on regions.provider = stand_ins.provider

),

chosen as (

    select
        provider,
        region_id,
        storage_class,
        meter,
        price_region_id,
        is_confirmed,
        -- A price that nobody confirmed is no price.
        case when is_confirmed then usd end as usd

    from candidates

    qualify
        row_number() over (
            partition by provider, region_id, storage_class, meter
            order by preference
        ) = 1

)

select * from chosen
