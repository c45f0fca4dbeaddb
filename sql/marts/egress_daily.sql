-- One row per day, path of data, pair of regions, resource, team, currency: what moving data cost.
with

charges as (

    select * from intermediate.int_charges_attributed

),

summed as (

    select
        resource_id,
        provider,
        path,
        from_region,
        to_region,
        team,
        currency,
        sum(transferred_gb) as transferred_gb,
        sum(effective_cost) as effective_cost,
        usage_date

    from charges

    where is_transfer

    group by all

)

select * from summed
