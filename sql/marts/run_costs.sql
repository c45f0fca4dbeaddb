-- One row per bucket, run, checkpoint or rest of the run, class and kind of meter: a day's bill.
with

days as (

    select * from intermediate.int_run_days_chosen

),

bills as (

    select * from intermediate.int_bucket_bills_daily

),

runs as (

    select * from intermediate.int_run_bytes_measured

),

day_bills as (

    select bills.*

    from bills

    inner join days
        on
            bills.provider = days.provider
            and bills.bucket = days.bucket
            and bills.usage_date = days.usage_date

),

spread_bills as (

    select
        provider,
        bucket,
        currency,
        storage_class,
        meter_group,
        basis,
        objects_class,
        overhead_bytes,
        sum(billed_amount) as billed_amount,
        sum(effective_cost) as effective_cost,
        usage_date

    from day_bills

    where basis in ('bytes', 'overhead')

    group by all

),

rated as (

    select
        *,
        effective_cost::double / nullif(
            greatest(
                sum(billed_amount) over (
                    partition by
                        provider,
                        bucket,
                        storage_class,
                        meter_group,
                        basis,
                        objects_class,
                        overhead_bytes
                ),
                0
            ),
            0
        )::double as cost_each

    from spread_bills

),

shares as (

    select
        rated.usage_date,
        runs.provider,
        runs.bucket,
        runs.run,
        runs.checkpoint_id,
        rated.storage_class,
        rated.meter_group,
        rated.currency,
        (
            case
                when rated.basis = 'bytes'
                    then runs.byte_seconds::double
                else runs.object_seconds::double * rated.overhead_bytes
            end
            * rated.cost_each
        )::decimal(38, 12) as effective_cost

    from runs

    inner join rated
        on
            runs.provider = rated.provider
            and runs.bucket = rated.bucket
            and runs.storage_class = rated.objects_class

),

spread as (

    select
        usage_date,
        provider,
        bucket,
        run,
        checkpoint_id,
        storage_class,
        meter_group,
        currency,
        sum(coalesce(effective_cost, 0)) as effective_cost,
        false as is_residual

    from shares

    group by all

),

-- What no run explains is what is billed, less what the runs have.
billed_or_explained as (

    select
        usage_date,
        provider,
        bucket,
        storage_class,
        meter_group,
        currency,
        effective_cost

    from day_bills

    union all

    select
        usage_date,
        provider,
        bucket,
        storage_class,
        meter_group,
        currency,
        -effective_cost as effective_cost

    from spread

),

residuals as (

    select
        usage_date,
        provider,
        bucket,
        '(residual)' as run,
        '' as checkpoint_id,
        storage_class,
        meter_group,
        currency,
        sum(effective_cost) as effective_cost,
        true as is_residual

    from billed_or_explained

    group by all

),

unioned as (

    select * from spread

    union all

    select * from residuals

),

final as (

    select
        provider,
        bucket,
        run,
        checkpoint_id,
        storage_class,
        meter_group,
        currency,
        effective_cost::decimal(38, 12) as effective_cost,
        is_residual,
        usage_date

    from unioned

)

select * from final
