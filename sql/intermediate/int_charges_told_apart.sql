-- One row per charge: per combination of all texts by which bills tell their lines apart.
with

line_items as (

    select * from staging.stg_aws_cur2__line_items

),

charges as (

    select * from intermediate.int_charges_unioned

),

line_items_told_apart as (

    select distinct
        payer_account_id as billing_account_id,
        usage_account_id as sub_account_id,
        resource_id,
        product_code,
        service_code,
        usage_type as meter,
        operation,
        line_item_type as line_type,
        region_id,
        pricing_unit as usage_unit,
        currency,
        resource_tags as tags,
        savings_plan_arn is not null as is_of_savings_plan,
        reservation_arn is not null as is_of_reservation,
        coalesce(
            line_item_type = 'Refund' and usage_start_at < billing_period_start_at, false
        ) as is_correction

    from line_items

),

charges_told_apart as (

    select distinct
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
        tags

    from charges

),

unioned as (

    select
        billing_account_id,
        sub_account_id,
        resource_id,
        'AWS' as provider_name,
        product_code,
        service_code,
        null as service_name,
        null as service_category,
        meter,
        operation,
        line_type,
        null as charge_category,
        null as charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        is_of_savings_plan,
        is_of_reservation,
        is_correction,
        hash(
            billing_account_id,
            sub_account_id,
            resource_id,
            product_code,
            service_code,
            meter,
            operation,
            line_type,
            region_id,
            usage_unit,
            currency,
            tags,
            is_of_savings_plan,
            is_of_reservation,
            is_correction
        )::decimal(38, 0) as texts_hash

    from line_items_told_apart

    union all

    select
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        null as product_code,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        null as line_type,
        charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        false as is_of_savings_plan,
        false as is_of_reservation,
        false as is_correction,
        hash(
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
            tags
        )::decimal(38, 0) as texts_hash

    from charges_told_apart

),

-- Two charges may have one hash: by chance, or because somebody made up a tag for it.
shared_hashes as (

    select texts_hash

    from unioned

    group by all

    having count(*) > 1

),

twins as (

    select
        unioned.*,
        row_number() over (
            partition by unioned.texts_hash
            order by
                unioned.billing_account_id,
                unioned.sub_account_id,
                unioned.resource_id,
                unioned.provider_name,
                unioned.product_code,
                unioned.service_code,
                unioned.service_name,
                unioned.service_category,
                unioned.meter,
                unioned.operation,
                unioned.line_type,
                unioned.charge_category,
                unioned.charge_class,
                unioned.region_id,
                unioned.usage_unit,
                unioned.currency,
                unioned.tags,
                unioned.is_of_savings_plan,
                unioned.is_of_reservation,
                unioned.is_correction
        ) as twin

    from unioned

    inner join shared_hashes
        on unioned.texts_hash = shared_hashes.texts_hash

),

numbered as (

    select
        unioned.*,
        0 as twin

    from unioned

    left outer join shared_hashes
        on unioned.texts_hash = shared_hashes.texts_hash

    where shared_hashes.texts_hash is null

    union all

    select * from twins

),

identified as (

    select
        (texts_hash * 1000000000 + twin)::decimal(38, 0) as charge_id,
        billing_account_id,
        sub_account_id,
        resource_id,
        provider_name,
        product_code,
        service_code,
        service_name,
        service_category,
        meter,
        operation,
        line_type,
        charge_category,
        charge_class,
        region_id,
        usage_unit,
        currency,
        tags,
        twin::bigint as twin,
        is_of_savings_plan,
        is_of_reservation,
        is_correction

    from numbered

)

select * from identified
