-- One row per day and all that a bill tells its lines apart by: quantities and costs summed.
with

charges as (

    select * from intermediate.int_charges_unioned

),

line_items as (

    select * from intermediate.int_line_items_summed_daily

),

unioned as (

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
        usage_quantity,
        billed_cost,
        effective_cost,
        list_cost,
        contracted_cost,
        unused_commitment_cost,
        line_count,
        usage_date

    from charges

    union all

    select
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        service_code,
        null as service_name,
        null as service_category,
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
        line_count,
        usage_date

    from line_items

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
        -- Most lines cost what is billed: to sum up only what differs is much less work.
        sum(effective_cost - billed_cost) filter (
            where effective_cost <> billed_cost
        ) as effective_difference,
        sum(list_cost - billed_cost) filter (
            where list_cost <> billed_cost
        ) as list_difference,
        sum(contracted_cost - billed_cost) filter (
            where contracted_cost <> billed_cost
        ) as contracted_difference,
        sum(unused_commitment_cost) filter (
            where unused_commitment_cost <> 0
        ) as unused_commitment_cost,
        sum(line_count)::bigint as line_count,
        usage_date

    from unioned

    group by all

),

-- Texts are filled after they were summed by: a null is shared by all lines, and cheap to group.
filled as (

    select
        coalesce(billing_account_id, '') as billing_account_id,
        coalesce(sub_account_id, '') as sub_account_id,
        coalesce(resource_id, '') as resource_id,
        coalesce(provider_name, '') as provider_name,
        coalesce(service_code, '') as service_code,
        coalesce(service_name, '') as service_name,
        coalesce(service_category, '') as service_category,
        coalesce(meter, '') as meter,
        coalesce(operation, '') as operation, -- noqa: RF04
        charge_category,
        coalesce(charge_class, '') as charge_class,
        coalesce(region_id, '') as region_id,
        coalesce(usage_unit, '') as usage_unit,
        coalesce(currency, '') as currency,
        coalesce(tags, '') as tags,
        usage_quantity,
        billed_cost,
        billed_cost + coalesce(effective_difference, 0) as effective_cost,
        billed_cost + coalesce(list_difference, 0) as list_cost,
        billed_cost + coalesce(contracted_difference, 0) as contracted_cost,
        coalesce(unused_commitment_cost, 0) as unused_commitment_cost,
        line_count,
        usage_date

    from summed

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
        line_count,
        usage_date

    from filled

)

select * from identified
