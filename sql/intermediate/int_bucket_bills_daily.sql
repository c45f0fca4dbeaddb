-- One row per day, bucket, class, kind of meter, basis, currency and team: what a bucket is billed.
with

charges as (

    select * from intermediate.int_charges_attributed

),

meters as (

    select * from intermediate.int_meters_spread

),

measured as (

    select
        charges.provider,
        charges.bucket,
        charges.currency,
        charges.storage_class,
        charges.meter_group,
        -- A credit or a tax is of no amount.
        case when charges.charge_category = 'Usage' then meters.basis end as basis,
        meters.objects_class,
        meters.overhead_bytes,
        charges.team,
        charges.usage_quantity,
        charges.gb_month,
        charges.effective_cost,
        charges.usage_date

    from charges

    left outer join meters
        on charges.meter_id = meters.meter_id

    where charges.bucket <> ''

),

summed as (

    select
        provider,
        bucket,
        coalesce(currency, '') as currency,
        storage_class,
        meter_group,
        coalesce(basis, 'none') as basis,
        case when basis is null then '' else objects_class end as objects_class,
        case when basis is null then 0 else overhead_bytes end as overhead_bytes,
        coalesce(team, '') as team,
        sum(
            case
                when basis in ('bytes', 'padding', 'overhead')
                    then
                        (
                            gb_month::double
                            * 1073741824 * 86400 * day(last_day(usage_date))
                        )::decimal(38, 0)
                when basis in ('new_objects', 'monitored_objects')
                    then usage_quantity::decimal(38, 0)
                else 0
            end
        )::decimal(38, 0) as billed_amount,
        sum(effective_cost)::decimal(38, 12) as effective_cost,
        usage_date

    from measured

    group by all

)

select * from summed
