-- One row per day, prefix, class, kind of meter, basis and currency: its share of the bill.
with

prefix_bytes as (

    select * from intermediate.int_prefix_bytes_daily

),

bills as (

    select * from intermediate.int_bucket_bills_daily

),

owners as (

    select * from intermediate.int_prefixes_owned

),

listed as (

    select
        provider,
        bucket,
        storage_class,
        sum(new_object_count) as new_object_count,
        sum(monitored_count) as monitored_count,
        usage_date

    from prefix_bytes

    group by all

),

spread_bills as (

    select
        provider,
        bucket,
        currency,
        storage_class,
        meter_group,
        basis,
        objects_class,
        overhead_bytes,
        max(team) as team,
        sum(billed_amount) as billed_amount,
        sum(effective_cost) as effective_cost,
        usage_date

    from bills

    where basis <> 'none'

    group by all

),

-- Of a bucket that is billed in two currencies, each bill pays its share of every prefix.
rated as (

    select
        *,
        sum(billed_amount) over (
            partition by
                usage_date,
                provider,
                bucket,
                storage_class,
                meter_group,
                basis,
                objects_class,
                overhead_bytes
        ) as whole_amount,
        row_number() over (
            partition by usage_date, provider, bucket, basis, objects_class
            order by billed_amount desc, currency asc, storage_class asc, meter_group asc
        ) = 1 as is_largest

    from spread_bills

),

priced as (

    select
        rated.provider,
        rated.bucket,
        rated.currency,
        rated.storage_class,
        rated.meter_group,
        rated.basis,
        rated.objects_class,
        rated.overhead_bytes,
        rated.team,
        rated.is_largest,
        rated.effective_cost::double / nullif(
            case
                when rated.basis = 'monitored_objects'
                    then listed.monitored_count
                -- A request made no object that is still there, or an object took several.
                when rated.basis = 'new_objects'
                    then greatest(rated.whole_amount, listed.new_object_count)
                -- What is not billed has no rate.
                else greatest(rated.whole_amount, 0)
            end,
            0
        )::double as cost_each,
        rated.usage_date

    from rated

    inner join listed
        on
            rated.usage_date = listed.usage_date
            and rated.provider = listed.provider
            and rated.bucket = listed.bucket
            and rated.objects_class = listed.storage_class

),

-- A class that nobody bills for its bytes still shows them.
stored as (

    select
        prefix_bytes.provider,
        prefix_bytes.bucket,
        prefix_bytes.prefix,
        coalesce(priced.currency, '') as currency,
        prefix_bytes.storage_class,
        coalesce(priced.meter_group, 'storage') as meter_group,
        'bytes' as basis,
        coalesce(priced.team, '') as team,
        coalesce(priced.is_largest, true) as is_counted,
        prefix_bytes.object_count,
        prefix_bytes.size_bytes,
        prefix_bytes.byte_seconds,
        prefix_bytes.byte_seconds as amount,
        priced.cost_each,
        prefix_bytes.usage_date

    from prefix_bytes

    left outer join priced
        on
            prefix_bytes.usage_date = priced.usage_date
            and prefix_bytes.provider = priced.provider
            and prefix_bytes.bucket = priced.bucket
            and prefix_bytes.storage_class = priced.objects_class
            and priced.basis = 'bytes'

),

caused as (

    select
        prefix_bytes.provider,
        prefix_bytes.bucket,
        prefix_bytes.prefix,
        priced.currency,
        priced.storage_class,
        priced.meter_group,
        priced.basis,
        priced.team,
        false as is_counted,
        prefix_bytes.object_count,
        prefix_bytes.size_bytes,
        prefix_bytes.byte_seconds,
        case priced.basis
            when 'padding' then prefix_bytes.padding_byte_seconds
            when 'overhead' then prefix_bytes.object_seconds * priced.overhead_bytes
            when 'new_objects' then prefix_bytes.new_object_count
            when 'monitored_objects' then prefix_bytes.monitored_count
        end as amount,
        priced.cost_each,
        prefix_bytes.usage_date

    from prefix_bytes

    inner join priced
        on
            prefix_bytes.usage_date = priced.usage_date
            and prefix_bytes.provider = priced.provider
            and prefix_bytes.bucket = priced.bucket
            and prefix_bytes.storage_class = priced.objects_class
            and priced.basis <> 'bytes'

),

shared as (

    select * from stored

    union all

    select * from caused

    where amount > 0

),

summed as (

    select
        provider,
        bucket,
        prefix,
        currency,
        storage_class,
        meter_group,
        basis,
        max(team) as team,
        sum(case when is_counted then object_count else 0 end)::bigint as object_count,
        sum(case when is_counted then size_bytes else 0 end)::bigint as size_bytes,
        sum(case when is_counted then byte_seconds else 0 end)::decimal(38, 0) as byte_seconds,
        sum(coalesce((amount::double * cost_each)::decimal(38, 12), 0))::decimal(38, 12)
            as effective_cost,
        usage_date

    from shared

    group by all

),

owned as (

    select
        summed.provider,
        summed.bucket,
        summed.prefix,
        summed.currency,
        summed.storage_class,
        summed.meter_group,
        summed.basis,
        coalesce(nullif(owners.team, ''), summed.team) as team,
        summed.object_count,
        summed.size_bytes,
        summed.byte_seconds,
        summed.effective_cost,
        summed.usage_date

    from summed

    left outer join owners
        on
            summed.bucket = owners.bucket
            and summed.prefix = owners.prefix

)

select * from owned
