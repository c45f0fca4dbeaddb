-- One row per day, account, meter, operation, region, resource and team: all charges of all bills.
with

charges as (

    select * from intermediate.int_charges_attributed

),

summed as (

    select
        billing_account_id,
        sub_account_id,
        resource_id,
        provider,
        service_code,
        service_name,
        meter,
        operation,
        charge_category,
        charge_class,
        layer,
        region_id,
        team,
        allocation_method,
        usage_unit,
        currency,
        sum(usage_quantity) as usage_quantity,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost,
        sum(unused_commitment_cost) as unused_commitment_cost,
        usage_date

    from charges

    group by all

)

select * from summed
