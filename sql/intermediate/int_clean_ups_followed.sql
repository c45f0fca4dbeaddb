-- One row per plan and bucket that it changed: what it was to save, and what it has saved so far.
with

dated as (

    select * from intermediate.int_clean_ups_dated

),

days as (

    select * from intermediate.int_clean_up_days_priced

),

charges as (

    select * from intermediate.int_clean_up_charges_found

),

summed_days as (

    select
        plan_id,
        provider,
        bucket,
        usage_date,
        count(*) as change_count,
        count(counterfactual_usd - moved_usd) as priced_count,
        sum(counterfactual_usd)::decimal(38, 12) as counterfactual_usd,
        sum(moved_usd)::decimal(38, 12) as moved_usd,
        sum(behind_usd)::decimal(38, 12) as behind_usd

    from days

    group by all

),

summed as (

    select
        plan_id,
        provider,
        bucket,
        min(priced_count - change_count) = 0 as is_priced,
        sum(counterfactual_usd)::decimal(38, 12) as counterfactual_usd,
        sum(moved_usd)::decimal(38, 12) as moved_usd,
        sum(behind_usd)::decimal(38, 12) as behind_usd,
        max_by(behind_usd, usage_date) as behind_usd_day,
        max_by(counterfactual_usd - moved_usd - behind_usd, usage_date) as saved_usd_day

    from summed_days

    group by all

),

bases as (

    select
        plan_id,
        provider,
        bucket,
        string_agg(distinct rate_basis, ',' order by rate_basis) as rate_basis

    from days

    group by all

),

joined as (

    select
        dated.plan_id,
        dated.policy,
        dated.provider,
        dated.bucket,
        dated.currency,
        dated.object_count,
        dated.size_bytes,
        dated.undone_object_count,
        dated.undone_bytes,
        dated.predicted_usd_month,
        (
            dated.predicted_usd_month * dated.days_followed / 30.4375 - dated.predicted_one_off_usd
        )::decimal(38, 6) as predicted_usd,
        coalesce(bases.rate_basis, 'none') as rate_basis,
        case
            when coalesce(summed.is_priced, true)
                then coalesce(summed.counterfactual_usd, 0)::decimal(38, 6)
        end as counterfactual_usd,
        case
            when coalesce(summed.is_priced, true)
                then coalesce(summed.moved_usd + summed.behind_usd, 0)::decimal(38, 6)
        end as actual_usd,
        coalesce(
            charges.request_usd + charges.retrieval_usd + charges.early_delete_usd, 0
        )::decimal(38, 6) as clean_up_usd,
        case
            when summed.is_priced then summed.behind_usd_day::decimal(38, 6)
        end as behind_usd_day,
        case
            when summed.is_priced then summed.saved_usd_day::decimal(38, 6)
        end as saved_usd_day,
        dated.days_followed,
        dated.is_billed,
        dated.before_date,
        dated.applied_date,
        dated.last_date

    from dated

    left outer join summed
        on
            dated.plan_id = summed.plan_id
            and dated.provider = summed.provider
            and dated.bucket = summed.bucket

    left outer join bases
        on
            dated.plan_id = bases.plan_id
            and dated.provider = bases.provider
            and dated.bucket = bases.bucket

    left outer join charges
        on
            dated.plan_id = charges.plan_id
            and dated.provider = charges.provider
            and dated.bucket = charges.bucket

)

select * from joined
