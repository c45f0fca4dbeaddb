-- One row per day and all that AWS' bills tell lines apart by: summed first, then in FOCUS terms.
with

line_items as (

    select * from staging.stg_aws_cur2__line_items

),

-- What depends on the single line. All else is said of the sums: a bill has millions of lines.
measured as (

    select
        payer_account_id,
        usage_account_id,
        resource_id,
        -- The product code tells S3 from EC2 on transfers too, where the service code does not.
        coalesce(product_code, service_code) as service_code,
        usage_type,
        operation,
        -- Most lines are plain usage, and are asked first.
        case
            when line_item_type = 'Usage'
                then 'Usage'
            when line_item_type = 'Refund' and savings_plan_arn is not null
                then 'Refund of a savings plan'
            when line_item_type = 'Fee' and reservation_arn is not null
                then 'Fee of a reservation'
            else line_item_type
        end as line_type,
        -- FOCUS calls a correction only what changes a period that was invoiced before.
        case
            when line_item_type = 'Refund' and usage_start_at < billing_period_start_at
                then 'Correction'
        end as charge_class,
        region_id,
        pricing_unit,
        currency,
        resource_tags,
        usage_amount,
        coalesce(net_unblended_cost, unblended_cost, 0) as paid_cost,
        case
            -- The free tier costs nothing, but its public price is not nothing.
            when line_item_type = 'Usage' and unblended_cost = 0
                then 0
            else coalesce(public_on_demand_cost, unblended_cost, 0)
        end as public_cost,
        case
            when line_item_type = 'Usage'
                then null
            when line_item_type = 'SavingsPlanCoveredUsage'
                then coalesce(savings_plan_net_effective_cost, savings_plan_effective_cost)
            when line_item_type = 'SavingsPlanRecurringFee'
                then savings_plan_commitment_to_date - savings_plan_used_commitment
            when line_item_type = 'DiscountedUsage'
                then coalesce(reservation_net_effective_cost, reservation_effective_cost)
            when line_item_type = 'RIFee'
                then
                    coalesce(reservation_net_unused_upfront_fee, reservation_unused_upfront_fee, 0)
                    + coalesce(
                        reservation_net_unused_recurring_fee, reservation_unused_recurring_fee, 0
                    )
        end as commitment_cost,
        coalesce(usage_start_at, billing_period_start_at)::date as usage_date

    from line_items

),

summed as (

    select
        payer_account_id,
        usage_account_id,
        resource_id,
        service_code,
        usage_type,
        operation,
        line_type,
        charge_class,
        region_id,
        pricing_unit,
        currency,
        resource_tags,
        coalesce(sum(usage_amount), 0) as usage_amount,
        sum(paid_cost) as paid_cost,
        -- Most lines cost their public price: to sum up only what differs is less work.
        coalesce(
            sum(public_cost - paid_cost) filter (where public_cost <> paid_cost), 0
        ) as public_difference,
        coalesce(sum(commitment_cost), 0) as commitment_cost,
        count(*) as line_count,
        usage_date

    from measured

    group by all

),

in_focus as (

    select
        payer_account_id as billing_account_id,
        usage_account_id as sub_account_id,
        resource_id,
        'AWS' as provider_name,
        service_code,
        usage_type as meter,
        operation,
        line_type,
        case
            when line_type in ('Tax', 'Credit')
                then line_type
            when
                line_type in (
                    'Fee',
                    'Fee of a reservation',
                    'RIFee',
                    'SavingsPlanUpfrontFee',
                    'SavingsPlanRecurringFee',
                    'Refund of a savings plan'
                )
                then 'Purchase'
            else 'Usage'
        end as charge_category,
        charge_class,
        region_id,
        pricing_unit as usage_unit,
        currency,
        resource_tags as tags,
        -- A savings plan's usage comes twice, once covered and once negated: count it once.
        case
            when line_type = 'SavingsPlanNegation'
                then 0
            else usage_amount
        end as usage_quantity,
        paid_cost as billed_cost,
        case
            when
                line_type in (
                    'SavingsPlanCoveredUsage',
                    'SavingsPlanRecurringFee',
                    'DiscountedUsage',
                    'RIFee'
                )
                then commitment_cost
            when
                line_type in (
                    'SavingsPlanNegation',
                    'SavingsPlanUpfrontFee',
                    'Fee of a reservation',
                    'Refund of a savings plan'
                )
                then 0
            else paid_cost
        end as effective_cost,
        case
            when line_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
                then paid_cost + public_difference
            when
                line_type in (
                    'SavingsPlanNegation',
                    'Discount',
                    'BundledDiscount',
                    'EdpDiscount',
                    'PrivateRateDiscount'
                )
                then 0
            else paid_cost
        end as list_cost,
        -- What the account's own prices come to before commitments; a report shows no other.
        case
            when line_type = 'SavingsPlanNegation'
                then 0
            when line_type = 'DiscountedUsage'
                then paid_cost + public_difference
            else paid_cost
        end as contracted_cost,
        case
            when line_type in ('SavingsPlanRecurringFee', 'RIFee')
                then commitment_cost
            else 0
        end as unused_commitment_cost,
        line_count,
        usage_date

    from summed

),

typed as (

    select
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        meter,
        operation,
        line_type,
        charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        usage_quantity::decimal(38, 12) as usage_quantity,
        billed_cost::decimal(38, 12) as billed_cost,
        effective_cost::decimal(38, 12) as effective_cost,
        list_cost::decimal(38, 12) as list_cost,
        contracted_cost::decimal(38, 12) as contracted_cost,
        unused_commitment_cost::decimal(38, 12) as unused_commitment_cost,
        line_count::bigint as line_count,
        usage_date

    from in_focus

)

select * from typed
