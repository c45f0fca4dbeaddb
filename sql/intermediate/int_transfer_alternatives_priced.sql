-- One row per finding and meter of the cheaper path: what a month of it costs at list, by tiers.
with

asked as (

    select * from intermediate.int_transfer_alternatives_asked

),

prices as (

    select * from reference.prices

),

price_regions as (

    select * from reference.price_regions

),

first_days as (

    select
        provider,
        region_id,
        meter,
        min(valid_from) as first_date

    from prices

    where
        confirmed
        and storage_class = ''
        and to_region_id = ''

    group by all

),

tiers as (

    select
        prices.provider,
        prices.region_id,
        prices.meter,
        prices.from_gb,
        prices.to_gb,
        prices.usd

    from prices

    inner join first_days
        on
            prices.provider = first_days.provider
            and prices.region_id = first_days.region_id
            and prices.meter = first_days.meter

    where
        prices.confirmed
        and prices.storage_class = ''
        and prices.to_region_id = ''
        -- Before the first price that is known, that price is the best there is.
        and prices.valid_from <= greatest(getvariable('as_of'), first_days.first_date)
        and greatest(getvariable('as_of'), first_days.first_date) < prices.valid_until

),

priced_regions as (

    select distinct
        provider,
        region_id,
        meter

    from tiers

),

placed as (

    select
        asked.finding_id,
        asked.provider,
        asked.meter,
        asked.quantity,
        -- Where a region's own price is not known, that of the provider's default stands in.
        case
            when priced_regions.region_id is null then price_regions.region_id
            else asked.region_id
        end as price_region_id,
        priced_regions.region_id is null as is_stand_in

    from asked

    left outer join priced_regions
        on
            asked.provider = priced_regions.provider
            and asked.region_id = priced_regions.region_id
            and asked.meter = priced_regions.meter

    left outer join price_regions
        on
            asked.provider = price_regions.provider
            and price_regions.is_default

),

filled as (

    select
        placed.finding_id,
        placed.provider,
        placed.meter,
        placed.quantity,
        placed.price_region_id,
        placed.is_stand_in,
        tiers.usd,
        case
            when tiers.to_gb < placed.quantity then tiers.to_gb - tiers.from_gb
            when tiers.from_gb < placed.quantity then placed.quantity - tiers.from_gb
            else 0
        end::decimal(38, 12) as tier_quantity

    from placed

    left outer join tiers
        on
            placed.provider = tiers.provider
            and placed.price_region_id = tiers.region_id
            and placed.meter = tiers.meter

),

summed as (

    select
        finding_id,
        provider,
        meter,
        quantity,
        coalesce(price_region_id, '') as price_region_id,
        is_stand_in,
        -- A quantity beyond the last tier that is known has no price, which is not zero.
        case
            when sum(tier_quantity) = quantity
                then sum(tier_quantity::decimal(21, 8) * usd::decimal(16, 10))
        end::decimal(38, 12) as usd_month

    from filled

    group by finding_id, provider, meter, quantity, price_region_id, is_stand_in

)

select * from summed
