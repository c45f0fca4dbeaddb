-- One row per day, currency and one of the eight same weekdays before it that have a bill.
with

costs as (

    select * from intermediate.int_costs_keyed_daily

),

bill_days as (

    select
        currency,
        usage_date

    from costs

    group by all

),

past_days as (

    select
        later_days.currency,
        later_days.usage_date,
        earlier_days.usage_date as past_date

    from bill_days as later_days

    inner join bill_days as earlier_days
        on
            later_days.currency = earlier_days.currency
            and earlier_days.usage_date in (
                (later_days.usage_date - 7)::date,
                (later_days.usage_date - 14)::date,
                (later_days.usage_date - 21)::date,
                (later_days.usage_date - 28)::date,
                (later_days.usage_date - 35)::date,
                (later_days.usage_date - 42)::date,
                (later_days.usage_date - 49)::date,
                (later_days.usage_date - 56)::date
            )

    where later_days.usage_date > getvariable('as_of') - 35

)

select * from past_days
