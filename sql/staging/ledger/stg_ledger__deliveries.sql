-- One row per delivery and raw table: what is whole in the lake, and what is damaged.
with

source as (

    select * from raw.deliveries

),

renamed as (

    select
        source.delivery_id,
        source.source,
        source.kind,
        source.table_name,
        source.scope,
        source.checksum,
        source.fault,
        source.fix,
        source.row_count,
        source.byte_count,
        source.delivered_at,
        source.snapshot_at

    from source

)

select * from renamed
