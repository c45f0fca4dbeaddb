-- One row per bucket, prefix and class of the newest inventory: its share of the bucket's reads.
with

sizes as (

    select * from intermediate.int_tier_sizes_summed

),

reads as (

    select * from intermediate.int_bucket_reads_counted

),

storage_meters as (

    select * from reference.storage_meters

),

own_meters as (

    select
        provider,
        storage_class,
        bool_or(meter_group = 'requests') as has_requests,
        bool_or(meter_group = 'retrieval') as has_retrieval

    from storage_meters

    where storage_class <> ''

    group by all

),

buckets as (

    select
        provider,
        bucket,
        sum(sent_gb_month)::double as sent_gb,
        sum(retrieved_gb_month)::double as retrieved_gb

    from reads

    group by all

),

pooled as (

    select
        sizes.provider,
        sizes.bucket,
        sizes.prefix,
        sizes.storage_class,
        sizes.object_count,
        sizes.size_bytes,
        coalesce(own_meters.has_retrieval, false) as has_retrieval,
        -- S3 has one meter for reads of several classes; it carries no class.
        case when own_meters.has_requests then sizes.storage_class else '' end as pool

    from sizes

    left outer join own_meters
        on
            sizes.provider = own_meters.provider
            and sizes.storage_class = own_meters.storage_class

),

weighed as (

    select
        *,
        object_count::double / nullif(
            sum(object_count) over (partition by provider, bucket, pool), 0
        )::double as count_share,
        size_bytes::double / nullif(
            sum(size_bytes) over (
                partition by
                    provider,
                    bucket,
                    case when has_retrieval then storage_class else '' end
            ), 0
        )::double as byte_share

    from pooled

),

shared as (

    select
        weighed.provider,
        weighed.bucket,
        weighed.prefix,
        weighed.storage_class,
        weighed.object_count,
        weighed.size_bytes,
        buckets.bucket is not null as is_known,
        coalesce(reads.get_count_month::double, 0) * weighed.count_share as get_count,
        coalesce(reads.request_usd_month::double, 0) * weighed.count_share as request_usd,
        case
            -- Where reading out is billed, no bill for it is no reading.
            when weighed.has_retrieval
                then coalesce(class_reads.retrieved_gb_month::double, 0) * weighed.byte_share
            when buckets.sent_gb > 0
                then
                    greatest(buckets.sent_gb - buckets.retrieved_gb, 0) * weighed.byte_share
            -- No bill says how much was read: at most each read is of one whole object.
            else
                coalesce(reads.get_count_month::double, 0) * weighed.count_share
                * weighed.size_bytes::double / 1073741824 / weighed.object_count::double
        end as read_gb

    from weighed

    left outer join buckets
        on
            weighed.provider = buckets.provider
            and weighed.bucket = buckets.bucket

    left outer join reads
        on
            weighed.provider = reads.provider
            and weighed.bucket = reads.bucket
            and weighed.pool = reads.storage_class

    left outer join reads as class_reads
        on
            weighed.provider = class_reads.provider
            and weighed.bucket = class_reads.bucket
            and weighed.storage_class = class_reads.storage_class

),

final as (

    select
        provider,
        bucket,
        prefix,
        storage_class,
        is_known,
        case
            -- What was read was asked for, even where the bill does not count it.
            when coalesce(get_count, 0) = 0 and read_gb > 0
                then read_gb * 1073741824 * object_count::double / nullif(size_bytes, 0)::double
            else coalesce(get_count, 0)
        end::decimal(38, 6) as get_count,
        coalesce(read_gb, 0)::decimal(38, 12) as read_gb,
        coalesce(request_usd, 0)::decimal(38, 12) as request_usd

    from shared

)

select * from final
