-- One row per delivery of a bill that ever arrived: what it replaces, and which came before it.
with

bill_days as (

    select * from staging.stg_bills__days

),

deliveries as (

    select distinct
        source,
        table_name,
        delivery_id,
        scope,
        -- Files of an export that only grows change one figure together.
        case when table_name = 'gcp_billing' then '' else scope end as restated_scope,
        delivered_at

    from bill_days

),

ordered as (

    select
        source,
        table_name,
        delivery_id,
        scope,
        restated_scope,
        lead(delivery_id) over (
            partition by source, table_name, scope
            order by delivered_at, delivery_id
        ) as replaced_by_delivery_id,
        lag(delivery_id) over (
            partition by source, table_name, restated_scope
            order by delivered_at, delivery_id
        ) as previous_delivery_id,
        lag(delivered_at) over (
            partition by source, table_name, restated_scope
            order by delivered_at, delivery_id
        ) as previous_delivered_at,
        delivered_at

    from deliveries

)

select * from ordered
