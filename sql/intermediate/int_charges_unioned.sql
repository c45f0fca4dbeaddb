-- One row per line of a Google or FOCUS bill, in FOCUS terms, and one more for a promotion on it.
with

charges as (

    select * from staging.stg_focus__charges

),

google_costs as (

    select * from staging.stg_gcp_billing__costs

),

charges_named as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        coalesce(usage_type, sku_meter, sku_id) as meter,
        operation,
        coalesce(charge_category, 'Usage') as charge_category,
        charge_class,
        region_id,
        case when consumed_quantity is null then pricing_unit else consumed_unit end as usage_unit,
        currency,
        tags,
        coalesce(consumed_quantity, pricing_quantity) as usage_quantity,
        billed_cost,
        -- What a commitment pays for stands on the lines it covers, and what it wastes beside them.
        case
            when charge_category = 'Purchase' and commitment_id is not null
                then 0
            when charge_category = 'Purchase'
                then effective_cost
            else coalesce(effective_cost, billed_cost, list_cost)
        end as effective_cost,
        -- Without a public price nothing can have been saved.
        coalesce(list_cost, effective_cost, billed_cost) as list_cost,
        coalesce(contracted_cost, list_cost, effective_cost, billed_cost) as contracted_cost,
        case
            when charge_category = 'Usage' and commitment_status = 'Unused'
                then effective_cost
            else 0
        end as unused_commitment_cost,
        list_cost is not null and effective_cost is not null as is_comparable,
        1 as line_count,
        coalesce(charge_period_start_at, billing_period_start_at)::date as usage_date

    from charges

),

google_costs_named as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        project_id as sub_account_id,
        coalesce(resource_global_name, resource_name) as resource_id,
        'Google Cloud' as provider_name,
        service_id as service_code,
        service_description as service_name,
        null as service_category,
        coalesce(sku_description, sku_id) as meter,
        null as operation, -- noqa: RF04
        case
            when cost_type = 'tax'
                then 'Tax'
            when cost_type in ('adjustment', 'rounding_error')
                then 'Adjustment'
            -- The discounts that a commitment pays for stand on the lines of what it covers.
            when starts_with(sku_description, 'Commitment')
                then 'Purchase'
            else 'Usage'
        end as charge_category,
        case when adjustment_type is not null then 'Correction' end as charge_class,
        coalesce(region_id, location) as region_id,
        usage_unit,
        currency,
        -- Where two say the same of a line, the resource is heard before its project.
        case
            when length(coalesce(labels, '{}')) = 2
                then coalesce(project_labels, labels)
            when length(coalesce(project_labels, '{}')) = 2
                then labels
            else
                concat(
                    substring(labels, 1, length(labels) - 1), ',', substring(project_labels, 2)
                )
        end as tags,
        usage_amount as usage_quantity,
        cost,
        -- Credits are negative.
        coalesce(credits_amount, 0) as credits_amount,
        coalesce(promotions_amount, 0) as promotions_amount,
        coalesce(cost_at_list, cost) as list_cost,
        usage_start_at::date as usage_date

    from google_costs

),

google_costs_in_focus as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        usage_quantity,
        cost + credits_amount - promotions_amount as billed_cost,
        cost + credits_amount - promotions_amount as effective_cost,
        list_cost,
        cost as contracted_cost,
        0 as unused_commitment_cost,
        true as is_comparable,
        1 as line_count,
        usage_date

    from google_costs_named

),

-- A gift is no lower price: who uses it up wastes as much as anybody.
google_promotions as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        'Credit' as charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        0 as usage_quantity,
        promotions_amount as billed_cost,
        promotions_amount as effective_cost,
        promotions_amount as list_cost,
        promotions_amount as contracted_cost,
        0 as unused_commitment_cost,
        true as is_comparable,
        0 as line_count,
        usage_date

    from google_costs_named

    where promotions_amount <> 0

),

unioned as (

    select * from google_costs_in_focus

    union all

    select * from google_promotions

    union all

    select * from charges_named

),

filled as (

    select
        landed_file,
        landed_row,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        coalesce(usage_quantity, 0)::decimal(38, 12) as usage_quantity,
        coalesce(billed_cost, 0)::decimal(38, 12) as billed_cost,
        coalesce(effective_cost, 0)::decimal(38, 12) as effective_cost,
        coalesce(list_cost, 0)::decimal(38, 12) as list_cost,
        coalesce(contracted_cost, 0)::decimal(38, 12) as contracted_cost,
        coalesce(unused_commitment_cost, 0)::decimal(38, 12) as unused_commitment_cost,
        is_comparable,
        line_count::bigint as line_count,
        usage_date

    from unioned

)

select * from filled
