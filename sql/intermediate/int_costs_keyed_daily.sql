-- One row per day and key (service, meter, team, bucket, unit and currency): use and its cost.
with

charges as (

    select * from intermediate.int_charges_attributed

),

keyed as (

    select
        coalesce(provider, '') as provider, -- noqa: RF04
        coalesce(nullif(service_name, ''), service_code, '') as service_name,
        coalesce(meter, '') as meter,
        coalesce(team, '') as team,
        coalesce(bucket, '') as bucket,
        coalesce(usage_unit, '') as usage_unit,
        coalesce(currency, '') as currency,
        coalesce(charge_class, '') = 'Correction' as is_correction,
        charge_category = 'Usage' as is_usage,
        meter_group in ('storage', 'transfer') as is_tiered,
        usage_quantity,
        effective_cost,
        usage_date

    from charges

    -- Five weeks of days, each with eight weeks before it.
    where
        usage_date > getvariable('as_of') - 92
        and usage_date <= getvariable('as_of')

),

summed as (

    select
        provider,
        service_name,
        meter,
        team,
        bucket,
        usage_unit,
        currency,
        coalesce(
            sum(usage_quantity) filter (where is_usage and not is_correction), 0
        ) as usage_quantity,
        coalesce(
            sum(effective_cost) filter (where is_usage and not is_correction), 0
        ) as usage_cost,
        coalesce(
            sum(effective_cost) filter (where not is_usage and not is_correction), 0
        ) as other_cost,
        coalesce(sum(effective_cost) filter (where is_correction), 0) as corrected_cost,
        coalesce(bool_or(is_tiered), false) as is_tiered,
        usage_date

    from keyed

    group by all

),

split as (

    select
        md5(
            concat_ws(
                chr(31),
                provider,
                service_name,
                meter,
                team,
                bucket,
                usage_unit,
                currency
            )
        ) as key_id,
        provider,
        service_name,
        meter,
        team,
        bucket,
        usage_unit,
        currency,
        -- Only what was used has a price; a credit line with a negative quantity has none.
        greatest(usage_quantity, 0)::decimal(38, 12) as usage_quantity,
        case when usage_quantity > 0 then usage_cost else 0 end::decimal(38, 12) as used_cost,
        (
            other_cost + case when usage_quantity > 0 then 0 else usage_cost end
        )::decimal(38, 12) as fee_cost,
        corrected_cost::decimal(38, 12) as corrected_cost,
        (usage_cost + other_cost + corrected_cost)::decimal(38, 12) as effective_cost,
        is_tiered,
        -- A GB kept for a day is a larger share of a month with 28 days than of one with 31.
        regexp_matches(lower(usage_unit), '[a-z].*[ /-]mo(nth)?s?$') as is_counted_by_month,
        regexp_matches(lower(usage_unit), '[a-z].*[ /-]mo(nth)?s?$')
        or (
            provider = 'aws' and lower(usage_unit) in ('byte-hrs', 'byte-hours', 'bytehrs')
        ) as is_priced_by_month,
        usage_date

    from summed

)

select * from split
