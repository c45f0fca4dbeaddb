-- One row per charge and day: quantities and costs in FOCUS terms.
with

summed as (

    select * from intermediate.int_bill_lines_summed_daily

),

charges as (

    select * from intermediate.int_charges_named

),

in_focus as (

    select
        summed.charge_id,
        charges.currency,
        -- A savings plan's usage comes twice, once covered and once negated: count it once.
        case
            when charges.line_type = 'SavingsPlanNegation'
                then 0
            else summed.usage_quantity
        end as usage_quantity,
        summed.billed_cost,
        case
            when
                charges.line_type in (
                    'SavingsPlanCoveredUsage',
                    'SavingsPlanRecurringFee',
                    'DiscountedUsage',
                    'RIFee'
                )
                then summed.commitment_cost
            when
                charges.line_type in (
                    'SavingsPlanNegation',
                    'SavingsPlanUpfrontFee',
                    'Fee of a reservation',
                    'Refund of a savings plan'
                )
                then 0
            else summed.billed_cost + summed.effective_difference
        end as effective_cost,
        case
            when
                charges.line_type in (
                    'SavingsPlanNegation',
                    'Discount',
                    'BundledDiscount',
                    'EdpDiscount',
                    'PrivateRateDiscount'
                )
                then 0
            else summed.billed_cost + summed.list_difference
        end as list_cost,
        -- What the account's own prices come to before commitments; a report shows no other.
        case
            when charges.line_type = 'SavingsPlanNegation'
                then 0
            when charges.line_type = 'DiscountedUsage'
                then summed.billed_cost + summed.list_difference
            else summed.billed_cost + summed.contracted_difference
        end as contracted_cost,
        case
            when charges.line_type in ('SavingsPlanRecurringFee', 'RIFee')
                then summed.commitment_cost
            else summed.unused_commitment_cost
        end as unused_commitment_cost,
        summed.line_count,
        summed.usage_date

    from summed

    inner join charges
        on summed.charge_id = charges.charge_id

),

typed as (

    select
        charge_id,
        currency,
        usage_quantity::decimal(38, 12) as usage_quantity,
        billed_cost,
        effective_cost::decimal(38, 12) as effective_cost,
        list_cost::decimal(38, 12) as list_cost,
        contracted_cost::decimal(38, 12) as contracted_cost,
        unused_commitment_cost::decimal(38, 12) as unused_commitment_cost,
        line_count,
        usage_date

    from in_focus

)

select * from typed
