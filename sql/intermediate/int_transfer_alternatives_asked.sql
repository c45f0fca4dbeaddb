-- One row per finding and meter of the cheaper path: how much of it a month would need.
with

findings as (

    select * from intermediate.int_egress_findings_assigned

),

meters as (

    select
        finding_id,
        provider,
        from_region as region_id,
        'endpoint_processing' as meter,
        gb_month as quantity

    from findings

    where kind = 'endpoint_instead_of_nat'

    union all

    select
        finding_id,
        provider,
        from_region as region_id,
        'endpoint_hours' as meter,
        -- A gateway stands in one zone, and there an endpoint would; a month has 730 hours.
        730 as quantity

    from findings

    where kind = 'endpoint_instead_of_nat'

    union all

    select
        finding_id,
        provider,
        from_region as region_id,
        'direct_connect_out' as meter,
        gb_month as quantity

    from findings

    where kind = 'internet_to_own_sites'

    union all

    select
        finding_id,
        provider,
        from_region as region_id,
        'cdn_out' as meter,
        gb_month as quantity

    from findings

    where kind = 'public_download'

),

asked as (

    select
        finding_id,
        provider,
        region_id,
        meter,
        quantity::decimal(38, 12) as quantity

    from meters

)

select * from asked
