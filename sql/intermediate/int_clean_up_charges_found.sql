-- One row per plan and bucket: what clean-up itself cost in requests, reads and early deletion.
with

changes as (

    select * from staging.stg_clean_ups__changes

),

charges as (

    select * from intermediate.int_charges_attributed

),

prices as (

    select * from intermediate.int_tier_rates_chosen

),

applied as (

    select *

    from changes

    where ended_date <= getvariable('as_of')

),

early_charges as (

    select
        provider,
        bucket,
        storage_class,
        usage_date,
        sum(effective_cost)::decimal(38, 12) as effective_cost

    from charges

    where
        path = 'early_delete'
        and bucket <> ''
        and currency in ('USD', '')
        and usage_date <= getvariable('as_of')

    group by all

),

classes_left as (

    select
        plan_id,
        provider,
        bucket,
        storage_class,
        min(began_date) as began_date

    from applied

    group by all

),

ranked as (

    select
        classes_left.plan_id,
        early_charges.provider,
        early_charges.bucket,
        early_charges.effective_cost,
        -- A charge has one cause: of the plans that may be it, the newest.
        row_number() over (
            partition by
                early_charges.provider,
                early_charges.bucket,
                early_charges.storage_class,
                early_charges.usage_date
            order by classes_left.began_date desc, classes_left.plan_id desc
        ) as position -- noqa: RF04

    from early_charges

    inner join classes_left
        on
            early_charges.provider = classes_left.provider
            and early_charges.bucket = classes_left.bucket
            and early_charges.storage_class = classes_left.storage_class
            and early_charges.usage_date >= classes_left.began_date

),

early as (

    select
        plan_id,
        provider,
        bucket,
        sum(effective_cost)::decimal(38, 12) as early_delete_usd

    from ranked

    where position = 1

    group by all

),

moves as (

    select
        applied.plan_id,
        applied.provider,
        applied.bucket,
        case
            when applied.target_class <> ''
                then
                    (applied.object_count + applied.undone_object_count)
                    * coalesce(now_prices.transition_usd, 0)
                    + applied.undone_object_count * coalesce(left_prices.transition_usd, 0)
            else 0
        end as request_usd,
        case
            when applied.target_class <> '' and applied.path <> 'tag-and-rule'
                then
                    (
                        (applied.size_bytes + applied.undone_bytes)
                        * coalesce(left_prices.retrieval_usd, 0)
                        + applied.undone_bytes * coalesce(now_prices.retrieval_usd, 0)
                    ) / 1073741824
            else 0
        end as retrieval_usd

    from applied

    left outer join prices as left_prices
        on
            applied.provider = left_prices.provider
            and applied.bucket = left_prices.bucket
            and applied.storage_class = left_prices.storage_class

    left outer join prices as now_prices
        on
            applied.provider = now_prices.provider
            and applied.bucket = now_prices.bucket
            and applied.target_class = now_prices.storage_class

),

moved as (

    select
        plan_id,
        provider,
        bucket,
        sum(request_usd)::decimal(38, 12) as request_usd,
        sum(retrieval_usd)::decimal(38, 12) as retrieval_usd

    from moves

    group by all

),

joined as (

    select
        moved.plan_id,
        moved.provider,
        moved.bucket,
        moved.request_usd,
        moved.retrieval_usd,
        coalesce(early.early_delete_usd, 0)::decimal(38, 12) as early_delete_usd

    from moved

    left outer join early
        on
            moved.plan_id = early.plan_id
            and moved.provider = early.provider
            and moved.bucket = early.bucket

)

select * from joined
