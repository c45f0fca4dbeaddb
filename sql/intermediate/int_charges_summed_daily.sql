-- One row per day and all that a bill tells its lines apart by: quantities and costs summed.
with

charges as (

    select * from intermediate.int_charges_unioned

),

summed as (

    select
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
        sum(usage_quantity) as usage_quantity,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost,
        sum(unused_commitment_cost) as unused_commitment_cost,
        usage_date

    from charges

    group by all

),

identified as (

    select
        billing_account_id,
        sub_account_id,
        resource_id,
        -- A character that no name holds keeps the parts apart.
        md5(
            concat_ws(
                chr(31),
                provider_name,
                service_code,
                service_name,
                service_category,
                meter,
                operation
            )
        ) as meter_id,
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
        billed_cost,
        effective_cost,
        list_cost,
        contracted_cost,
        unused_commitment_cost,
        usage_date

    from summed

)

select * from identified
