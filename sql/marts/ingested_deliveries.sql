-- One row per delivery and raw table: what arrived, and whether the numbers of the day rest on it.
with

deliveries as (

    select * from staging.stg_ledger__deliveries

),

arrived as (

    select
        *,
        -- Providers finish a day up to 24 hours after it ends.
        epoch(delivered_at) >= epoch(getvariable('as_of')::timestamp) + 172800 as is_late

    from deliveries

),

compared as (

    select
        *,
        first_value(delivery_id) over (
            partition by source, table_name, scope, is_late
            order by delivered_at desc, delivery_id desc
        ) as newest_delivery_id

    from arrived

),

judged as (

    select
        delivery_id,
        source,
        kind,
        table_name,
        scope,
        checksum,
        case
            when is_late then 'late'
            when delivery_id = newest_delivery_id then 'in_force'
            else 'superseded'
        end as status,
        case
            when is_late
                then 'It arrived after the day was closed; a later night sees it.'
            when delivery_id <> newest_delivery_id
                then 'A newer delivery of the same scope replaces it: ' || newest_delivery_id
            when row_count = 0
                then 'It is the newest of its scope, and it is empty.'
            else 'It is the newest of its scope.'
        end as reason,
        row_count,
        byte_count,
        delivered_at,
        snapshot_at

    from compared

)

select * from judged
