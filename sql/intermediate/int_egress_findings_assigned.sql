-- One row per finding: the bytes that are its own, as billed on the judged days and for a month.
with

transfers as (

    select * from intermediate.int_transfers_summed

),

days as (

    select * from intermediate.int_egress_days_chosen

),

rates as (

    select * from intermediate.int_transfer_rates_marginal

),

-- The object store bills what it exchanges with machines of its region, at no cost.
store_bytes as (

    select
        provider,
        from_region,
        sum(transferred_gb) as transferred_gb

    from transfers

    where path = 'same_region_service'

    group by all

),

gateway_bytes as (

    select
        provider,
        from_region,
        sum(transferred_gb) as transferred_gb

    from transfers

    where path = 'nat_processing'

    group by all

),

gateway_shares as (

    select
        gateway_bytes.provider,
        gateway_bytes.from_region,
        store_bytes.transferred_gb > 0 as is_known,
        case
            when store_bytes.transferred_gb < gateway_bytes.transferred_gb
                then
                    (
                        store_bytes.transferred_gb::double
                        / nullif(gateway_bytes.transferred_gb::double, 0)
                    )::decimal(18, 12)
            else 1
        end as share_of_store

    from gateway_bytes

    inner join store_bytes
        on
            gateway_bytes.provider = store_bytes.provider
            and gateway_bytes.from_region = store_bytes.from_region

    where store_bytes.transferred_gb > 0

),

busy_gateways as (

    select distinct
        provider,
        resource_id

    from transfers

    where
        path = 'nat_processing'
        and transferred_gb > 0

),

shared as (

    select
        transfers.*,
        coalesce(gateway_shares.is_known, false) as is_share_known,
        (transfers.transferred_gb::double * coalesce(gateway_shares.share_of_store, 1)::double)
        ::decimal(38, 12) as store_gb,
        (transfers.effective_cost::double * coalesce(gateway_shares.share_of_store, 1)::double)
        ::decimal(38, 12) as store_cost,
        coalesce(gateway_shares.share_of_store, 1) = 1 as is_all_store,
        busy_gateways.resource_id is null and transfers.resource_id <> '' as is_idle

    from transfers

    left outer join gateway_shares
        on
            transfers.path = 'nat_processing'
            and transfers.provider = gateway_shares.provider
            and transfers.from_region = gateway_shares.from_region

    left outer join busy_gateways
        on
            transfers.provider = busy_gateways.provider
            and transfers.resource_id = busy_gateways.resource_id

),

-- In the order of the steps, so that no byte is found twice.
assigned as (

    select
        case
            when path = 'nat_processing' then 'same_region_through_nat'
            when path = 'nat_hours' then 'idle_nat_gateway'
            when path = 'inter_az' and purpose = 'public_address' then 'public_address_in_region'
            when path = 'inter_az' then 'cross_zone'
            when path in ('replication', 'replication_rtc') or purpose = 'replication'
                then 'replication'
            when path = 'inter_region_out' then 'cross_region_reads'
            when path = 'internet_out' and bucket = '' then 'internet_to_own_sites'
            when path = 'internet_out' then 'public_download'
            else 'unclassified_transfer'
        end as kind,
        provider,
        path,
        resource_id,
        bucket,
        from_region,
        to_region,
        team,
        meter,
        is_share_known as is_measured,
        case
            when path = 'nat_processing' and not is_all_store then store_gb
            else transferred_gb
        end as transferred_gb,
        case
            when path = 'nat_processing' and not is_all_store then store_cost
            else effective_cost
        end as effective_cost

    from shared

    where
        path in (
            'nat_processing',
            'inter_az',
            'replication',
            'replication_rtc',
            'internet_out',
            'unclassified_transfer'
        )
        or (path = 'inter_region_out' and purpose <> 'control')
        or (path = 'nat_hours' and is_idle)

    union all

    select
        'endpoint_instead_of_nat' as kind,
        provider,
        path,
        resource_id,
        bucket,
        from_region,
        to_region,
        team,
        meter,
        is_share_known as is_measured,
        transferred_gb - store_gb as transferred_gb,
        effective_cost - store_cost as effective_cost

    from shared

    where
        path = 'nat_processing'
        and not is_all_store

),

measured as (

    select
        assigned.kind,
        case
            when assigned.kind in ('same_region_through_nat', 'idle_nat_gateway') then 'A'
            when assigned.kind = 'endpoint_instead_of_nat' then 'A2'
            when assigned.kind in ('public_address_in_region', 'cross_zone') then 'B'
            when assigned.kind = 'cross_region_reads' then 'C'
            when assigned.kind = 'internet_to_own_sites' then 'D'
            when assigned.kind = 'public_download' then 'E'
            when assigned.kind = 'replication' then 'F'
            else 'G'
        end as step,
        assigned.provider,
        assigned.path,
        assigned.resource_id,
        assigned.bucket,
        assigned.from_region,
        assigned.to_region,
        assigned.team,
        assigned.meter,
        assigned.is_measured,
        assigned.transferred_gb,
        assigned.effective_cost,
        days.day_count,
        case
            when days.day_count = 30 then assigned.transferred_gb
            else
                (assigned.transferred_gb::double * 30 / days.day_count)::decimal(38, 12)
        end as gb_month,
        case
            when days.day_count = 30 then assigned.effective_cost
            else
                (assigned.effective_cost::double * 30 / days.day_count)::decimal(38, 12)
        end as usd_month,
        (
            assigned.effective_cost::double / nullif(assigned.transferred_gb::double, 0)
        )::decimal(38, 12) as average_usd_gb,
        days.first_date,
        days.last_date

    from assigned

    inner join days
        on assigned.provider = days.provider

    -- What a refund has already given back cannot be saved.
    where assigned.effective_cost > 0

),

rated as (

    select
        md5(
            concat_ws(
                chr(31),
                measured.kind,
                measured.provider,
                measured.path,
                measured.resource_id,
                measured.bucket,
                measured.from_region,
                measured.to_region
            )
        ) as finding_id,
        measured.kind,
        measured.step,
        measured.provider,
        measured.path,
        measured.resource_id,
        measured.bucket,
        measured.from_region,
        measured.to_region,
        measured.team,
        measured.meter,
        measured.is_measured,
        measured.transferred_gb,
        measured.effective_cost,
        measured.day_count,
        measured.gb_month,
        measured.usd_month,
        -- Of two rates the lower: a saving that comes true is one at the margin.
        case
            when rates.usd_gb < measured.average_usd_gb then rates.usd_gb
            else coalesce(measured.average_usd_gb, 0)
        end as usd_gb,
        measured.first_date,
        measured.last_date

    from measured

    left outer join rates
        on
            measured.provider = rates.provider
            and measured.path = rates.path
            and measured.from_region = rates.from_region
            and measured.to_region = rates.to_region

)

select * from rated
