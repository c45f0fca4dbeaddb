-- One row per month, currency, bucket, owner and rule for shared costs: what the bills come to.
with

charges as (

    select * from intermediate.int_charges_attributed

),

shared_costs as (

    select
        *,
        -- Whatever the tags are, they are there.
        case when json_path = '' then '$' else json_path end as path_in_tags

    from reference.shared_costs

),

summed as (

    select
        date_trunc('month', usage_date)::date as usage_month,
        currency,
        provider,
        team,
        allocation_method,
        -- Tags and prefixes beat accounts; a prefix may own a part of a bucket only.
        case when allocation_method in ('account', 'none') then bucket else '' end as bucket,
        case when team = '' then billing_account_id else '' end as billing_account_id,
        case when team = '' then sub_account_id else '' end as sub_account_id,
        case when team = '' then service_code else '' end as service_code,
        case when team = '' then service_name else '' end as service_name,
        case when team = '' then charge_category else '' end as charge_category,
        case when team = '' then tags else '' end as tags,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost

    from charges

    group by all

),

unowned as (

    select distinct
        billing_account_id,
        sub_account_id,
        service_code,
        service_name,
        charge_category,
        tags,
        case when json_valid(tags) then lower(tags) else '{}' end as lower_tags

    from summed

    where team = ''

),

matched as (

    select
        unowned.billing_account_id,
        unowned.sub_account_id,
        unowned.service_code,
        unowned.service_name,
        unowned.charge_category,
        unowned.tags,
        min(shared_costs.position) as shared_rule

    from unowned

    inner join shared_costs
        on
            shared_costs.service in ('', unowned.service_code, unowned.service_name)
            and shared_costs.account_id
            in ('', unowned.sub_account_id, unowned.billing_account_id)
            and shared_costs.charge_category in ('', unowned.charge_category)
            and shared_costs.tag_value in (
                '', trim(json_extract_string(unowned.lower_tags, shared_costs.path_in_tags))
            )

    group by all

),

owned as (

    select
        summed.usage_month,
        summed.currency,
        summed.provider,
        summed.bucket,
        summed.team,
        summed.allocation_method,
        coalesce(matched.shared_rule, 0) as shared_rule,
        sum(summed.billed_cost) as billed_cost,
        sum(summed.effective_cost) as effective_cost

    from summed

    left outer join matched
        on
            summed.team = ''
            and summed.billing_account_id = matched.billing_account_id
            and summed.sub_account_id = matched.sub_account_id
            and summed.service_code = matched.service_code
            and summed.service_name = matched.service_name
            and summed.charge_category = matched.charge_category
            and summed.tags = matched.tags

    group by all

)

select * from owned
