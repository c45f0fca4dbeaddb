-- One row per path of data, what it was for, resource and pair of regions: the judged days, in USD.
with

charges as (

    select * from intermediate.int_charges_attributed

),

days as (

    select * from intermediate.int_egress_days_chosen

),

transfers as (

    select
        charges.provider,
        charges.path,
        case
            when
                charges.path = 'inter_az'
                and regexp_matches(charges.operation, 'PublicIP')
                then 'public_address'
            when charges.path = 'inter_region_out' and regexp_matches(charges.operation, 'Repl')
                then 'replication'
            -- Asking which buckets there are moves bytes, but none of a dataset.
            when
                charges.path = 'inter_region_out'
                and regexp_matches(charges.operation, '^(Head|List)')
                then 'control'
            else ''
        end as purpose,
        case when charges.bucket <> '' then charges.bucket else charges.resource_id end
            as resource_id,
        charges.bucket,
        charges.from_region,
        charges.to_region,
        charges.team,
        charges.meter,
        charges.transferred_gb,
        charges.usage_quantity,
        charges.effective_cost

    from charges

    inner join days
        on
            charges.provider = days.provider
            and charges.usage_date >= days.first_date
            and charges.usage_date <= days.last_date

    where
        charges.is_transfer
        -- Amounts of another currency are no dollars.
        and charges.currency = 'USD'

),

summed as (

    select
        provider,
        path,
        purpose,
        resource_id,
        bucket,
        from_region,
        to_region,
        -- What several teams use has no one owner.
        case when min(team) = max(team) then max(team) else '' end as team,
        case when min(meter) = max(meter) then max(meter) else '' end as meter,
        sum(transferred_gb)::decimal(38, 12) as transferred_gb,
        sum(usage_quantity)::decimal(38, 12) as usage_quantity,
        sum(effective_cost)::decimal(38, 12) as effective_cost

    from transfers

    group by provider, path, purpose, resource_id, bucket, from_region, to_region

)

select * from summed
