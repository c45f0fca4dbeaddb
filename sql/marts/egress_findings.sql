-- One row per finding: network cost that could be avoided, how surely, and what to do.
with

findings as (

    select * from intermediate.int_egress_findings_assigned

),

alternatives as (

    select * from intermediate.int_transfer_alternatives_priced

),

replicas as (

    select * from intermediate.int_replicas_compared

),

buckets as (

    select * from intermediate.int_buckets_measured

),

charges as (

    select * from intermediate.int_charges_attributed

),

days as (

    select * from intermediate.int_egress_days_chosen

),

bills as (

    select
        charges.provider,
        sum(charges.effective_cost) as effective_cost

    from charges

    inner join days
        on
            charges.provider = days.provider
            and charges.usage_date >= days.first_date
            and charges.usage_date <= days.last_date

    where
        charges.layer = 'network'
        and charges.currency = 'USD'
        and charges.charge_category not in ('Tax', 'Purchase')

    group by all

),

ordered as (

    select
        findings.*,
        bills.effective_cost as bill_usd,
        coalesce(
            sum(findings.effective_cost) over (
                partition by findings.provider
                order by findings.step asc, findings.effective_cost desc, findings.finding_id asc
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as usd_found_before

    from findings

    inner join bills
        on findings.provider = bills.provider

),

-- Refunds and credits lower a bill below the sum of its lines: findings end where the bill does.
within_bill as (

    select
        finding_id,
        kind,
        step,
        provider,
        path,
        resource_id,
        bucket,
        from_region,
        to_region,
        team,
        meter,
        is_measured,
        gb_month,
        usd_gb,
        day_count,
        case
            when bill_usd - usd_found_before < effective_cost
                then bill_usd - usd_found_before
            else effective_cost
        end::decimal(38, 12) as gross_usd,
        first_date,
        last_date

    from ordered

    where bill_usd > usd_found_before

),

alternatives_summed as (

    select
        finding_id,
        bool_or(is_stand_in) as is_stand_in,
        max(price_region_id) as price_region_id,
        -- One price that is not known leaves the sum unknown.
        case when count(*) = count(usd_month) then sum(usd_month) end as usd_month,
        max(usd_month) filter (where meter = 'endpoint_hours') as hours_usd_month,
        max(usd_month / nullif(quantity::double, 0)) filter (where meter <> 'endpoint_hours')
            as usd_gb

    from alternatives

    group by all

),

joined as (

    select
        within_bill.*,
        alternatives_summed.is_stand_in,
        alternatives_summed.price_region_id,
        alternatives_summed.usd_month as alternative_usd_month,
        alternatives_summed.usd_gb::decimal(38, 6) as alternative_usd_gb,
        (
            alternatives_summed.hours_usd_month::double
            / nullif(within_bill.usd_gb::double - alternatives_summed.usd_gb, 0)
        )::decimal(38, 6) as break_even_gb_month,
        (within_bill.gross_usd::double * 30 / within_bill.day_count)::decimal(18, 6)
            as gross_usd_month,
        buckets.stored_gb,
        (within_bill.gb_month::double / nullif(buckets.stored_gb::double, 0))::decimal(38, 6)
            as copies_month,
        replicas.break_even_copies_month,
        replicas.replica_usd_month,
        replicas.one_off_usd::decimal(18, 6) as one_off_usd,
        replicas.saving_usd_month

    from within_bill

    left outer join alternatives_summed
        on within_bill.finding_id = alternatives_summed.finding_id

    left outer join replicas
        on within_bill.finding_id = replicas.finding_id

    left outer join buckets
        on
            within_bill.provider = buckets.provider
            and within_bill.bucket = buckets.bucket

),

estimated as (

    select
        *,
        case
            when
                kind in ('same_region_through_nat', 'public_address_in_region', 'cross_zone')
                then gb_month::double * usd_gb::double
            when kind = 'idle_nat_gateway'
                then gross_usd_month::double
            when
                kind in ('endpoint_instead_of_nat', 'internet_to_own_sites', 'public_download')
                then gb_month::double * usd_gb::double - alternative_usd_month::double
            when kind = 'cross_region_reads'
                then saving_usd_month::double
            when kind = 'replication' and stored_gb is null
                then gb_month::double * usd_gb::double
            when kind = 'replication'
                -- What was copied and is not there any more was copied for nothing.
                then (gb_month::double - stored_gb::double) * usd_gb::double
        end as estimated_usd_month

    from joined

),

bounded as (

    select
        *,
        case
            when estimated_usd_month >= gross_usd_month::double then gross_usd_month
            when estimated_usd_month > 0 then estimated_usd_month::decimal(18, 6)
            else 0
        end::decimal(18, 6) as avoidable_usd_month

    from estimated

),

explained as (

    select
        finding_id,
        kind,
        step,
        provider,
        path,
        resource_id,
        bucket,
        from_region,
        to_region,
        team,
        gb_month,
        gross_usd,
        gross_usd_month,
        avoidable_usd_month,
        case when avoidable_usd_month > 0 then coalesce(one_off_usd, 0) else 0 end
        ::decimal(18, 6) as one_off_usd,
        stored_gb,
        copies_month,
        break_even_copies_month,
        case when break_even_gb_month > 0 then break_even_gb_month end as break_even_gb_month,
        case
            when kind in ('idle_nat_gateway', 'public_address_in_region')
                then 'high'
            when kind = 'same_region_through_nat' and is_measured
                then 'medium'
            when kind = 'public_download' and not is_stand_in and alternative_usd_month is not null
                then 'medium'
            when kind in ('cross_region_reads', 'replication') and stored_gb is not null
                then 'medium'
            else 'low'
        end as confidence,
        case
            when kind = 'same_region_through_nat' and provider = 'gcp'
                then
                    'With Private Google Access these bytes cost nothing; what goes elsewhere '
                    || 'still needs the gateway, so this is an upper bound.'
            when kind = 'same_region_through_nat' and is_measured
                then
                    'Through a gateway endpoint these bytes cost nothing. No more than this '
                    || 'went to the object store: the bill counts what it exchanged.'
            when kind = 'same_region_through_nat'
                then
                    'Through a gateway endpoint these bytes cost nothing. An upper bound: '
                    || 'without flow logs nobody knows which bytes go to S3 or DynamoDB.'
            when kind = 'idle_nat_gateway'
                then 'Without the gateway, which carried nothing, its hours cost nothing.'
            when kind = 'endpoint_instead_of_nat' and alternative_usd_month is null
                then 'No confirmed list price of an interface endpoint is known for this region.'
            when kind = 'endpoint_instead_of_nat'
                then
                    'An interface endpoint in the zone of the gateway costs $'
                    || alternative_usd_month::decimal(18, 2)::varchar
                    || ' a month at the prices of ' || price_region_id || case
                        when break_even_gb_month > 0
                            then
                                ' and pays from ' || break_even_gb_month::decimal(18, 2)::varchar
                                || ' GB a month on'
                        else ' and never pays'
                    end || '. An upper bound: what goes to third parties keeps the gateway.'
            when kind = 'public_address_in_region'
                then 'Between private addresses of one zone these bytes cost nothing.'
            when kind = 'cross_zone'
                then
                    'Within one zone these bytes cost nothing. An upper bound: copies that '
                    || 'protect from the loss of a zone have to cross.'
            when kind = 'cross_region_reads' and stored_gb is null
                then
                    'Whether a copy in the region that reads would pay is unknown: the bill '
                    || 'names no bucket with an inventory.'
            when kind = 'cross_region_reads'
                then
                    case
                        when avoidable_usd_month > 0 then 'A copy in the region that reads pays: '
                        else 'A copy in the region that reads would cost more: '
                    end || 'the bucket is read ' || copies_month::decimal(18, 2)::varchar
                    || ' times a month, and a copy pays from '
                    || break_even_copies_month::decimal(18, 2)::varchar || ' times on. It costs $'
                    || replica_usd_month::decimal(18, 2)::varchar || ' a month and $'
                    || coalesce(one_off_usd, 0)::decimal(18, 2)::varchar || ' once.'
            when
                kind in ('internet_to_own_sites', 'public_download')
                and alternative_usd_month is null
                then 'No confirmed list price of another path is known for this amount.'
            when kind = 'internet_to_own_sites'
                then
                    'Over a private line these bytes cost $'
                    || alternative_usd_gb::decimal(18, 4)::varchar || ' a GB at the prices of '
                    || price_region_id || ', and the line its port by the hour. An upper bound: '
                    || 'a bill does not say whose sites they went to.'
            when kind = 'public_download'
                then
                    'From a CDN these bytes cost $' || alternative_usd_gb::decimal(18, 4)::varchar
                    || ' a GB at the prices of ' || price_region_id
                    || '; what it fetches from the bucket is free. Only the difference is saved.'
            when kind = 'replication' and stored_gb is null
                then
                    'A bucket of one region copies nothing. An upper bound: no inventory says '
                    || 'what is still there.'
            when kind = 'replication'
                then
                    'A month copies ' || copies_month::decimal(18, 2)::varchar
                    || ' times what the bucket holds: the rest was copied, then written over or '
                    || 'deleted.'
            else
                'Unknown: no rule says where these bytes go.'
        end as counterfactual,
        case
            when kind = 'same_region_through_nat' and provider = 'gcp'
                then 'Turn on Private Google Access for the subnets behind the gateway.'
            when kind = 'same_region_through_nat'
                then
                    'Add gateway endpoints for S3 and DynamoDB to the VPC and its route tables; '
                    || 'they are free.'
            when kind = 'idle_nat_gateway'
                then 'Delete the gateway, or move its route tables to one that is used.'
            when kind = 'endpoint_instead_of_nat'
                then
                    'Find the services that the gateway is used for in the VPC flow logs, and add '
                    || 'interface endpoints for those beyond the break-even.'
            when kind = 'public_address_in_region'
                then 'Let the machines talk to each other by private addresses.'
            when kind = 'cross_zone'
                then
                    'Keep machines that talk much in one zone, and let clients choose the '
                    || 'endpoint of their own zone.'
            when kind = 'cross_region_reads' and avoidable_usd_month > 0
                then
                    'Replicate what is read to the region that reads it, or run the readers where '
                    || 'the bucket is.'
            when kind = 'cross_region_reads'
                then
                    'Run the readers where the bucket is, or cache what they read; '
                    || 'a full copy does not pay.'
            when kind = 'internet_to_own_sites'
                then
                    'Where these are own sites or clusters, use a private line, or keep a copy '
                    || 'of what they read there.'
            when kind = 'public_download'
                then
                    'Put a CDN in front of the bucket; where the readers are own clusters, a '
                    || 'private line or a copy there saves more.'
            when kind = 'replication'
                then
                    'Replicate only prefixes that have to survive a region: leave out scratch and '
                    || 'what expires, and write objects once instead of rewriting them.'
            else
                'Add a rule for ' || case
                    when meter = '' then 'its meters'
                    else 'the meter ' || meter
                end || ' to the transfer rules, or let the bill name its usage types.'
        end as how_to_fix,
        day_count as basis_days,
        first_date,
        last_date

    from bounded

)

select * from explained
