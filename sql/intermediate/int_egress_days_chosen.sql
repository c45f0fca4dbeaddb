-- One row per provider: the last whole days of its bill, at most 30, that egress is judged by.
with

charges as (

    select * from intermediate.int_charges_attributed

),

days as (

    select distinct
        provider,
        usage_date

    from charges

    where
        charge_category = 'Usage'
        and usage_date <= getvariable('as_of')

),

whole_days as (

    select
        provider,
        usage_date

    from days

    -- The newest day of a bill may be delivered in part; a bill of one day has no other.
    qualify
        row_number() over (partition by provider order by usage_date desc) > 1
        or count(*) over (partition by provider) = 1

),

newest as (

    select
        provider,
        max(usage_date) as last_date

    from whole_days

    group by all

),

counted as (

    select
        whole_days.provider,
        count(*) as day_count,
        min(whole_days.usage_date) as first_date,
        newest.last_date

    from whole_days

    inner join newest
        on whole_days.provider = newest.provider

    where whole_days.usage_date > newest.last_date - 30

    group by all

)

select * from counted
