-- One row per path and pair of regions: the rate of a month's last GB, which one GB less saves.
with

charges as (

    select * from intermediate.int_charges_attributed

),

days as (

    select * from intermediate.int_egress_days_chosen

),

summed as (

    select
        charges.provider,
        charges.path,
        charges.from_region,
        charges.to_region,
        sum(charges.transferred_gb) as transferred_gb,
        sum(charges.effective_cost) as effective_cost,
        days.first_date,
        charges.usage_date

    from charges

    inner join days
        on
            charges.provider = days.provider
            and charges.usage_date >= date_trunc('month', days.first_date)
            and charges.usage_date <= days.last_date

    where
        charges.is_transfer
        and charges.currency = 'USD'

    group by all

),

counted as (

    select
        provider,
        path,
        from_region,
        to_region,
        transferred_gb,
        effective_cost,
        -- Tiers begin anew with each month.
        sum(transferred_gb) over (
            partition by provider, path, from_region, to_region, date_trunc('month', usage_date)
            order by usage_date
            rows between unbounded preceding and current row
        ) as month_to_date_gb,
        first_date,
        usage_date

    from summed

),

rated as (

    select
        provider,
        path,
        from_region,
        to_region,
        (effective_cost::double / transferred_gb::double)::decimal(38, 12) as usd_gb

    from counted

    where
        transferred_gb > 0
        and effective_cost > 0
        and usage_date >= first_date

    qualify
        row_number() over (
            partition by provider, path, from_region, to_region
            order by month_to_date_gb desc, usage_date desc
        ) = 1

)

select * from rated
