-- One row per bucket, prefix, class now and class proposed: what both cost a month, and the move.
with

sizes as (

    select * from intermediate.int_tier_sizes_summed

),

reads as (

    select * from intermediate.int_tier_reads_shared

),

rates as (

    select * from intermediate.int_tier_rates_chosen

),

used as (

    select
        sizes.provider,
        sizes.bucket,
        sizes.prefix,
        sizes.storage_class,
        sizes.object_count,
        sizes.size_bytes,
        sizes.small_object_count,
        sizes.young_bytes,
        reads.is_known as are_reads_known,
        reads.get_count,
        reads.read_gb,
        reads.request_usd,
        sizes.object_count::double as object_number,
        sizes.size_bytes::double / 1073741824 as size_gb,
        sizes.small_object_bytes::double / 1073741824 as small_gb,
        (sizes.small_object_count::double * 131072 - sizes.small_object_bytes::double)
        / 1073741824 as padding_gb,
        sizes.byte_days_owed::double / 1073741824 / 30 as gb_months_owed,
        reads.get_count::double as get_number,
        reads.read_gb::double as read_number,
        -- What is read at least once a month never gets cold.
        case
            when reads.is_known
                then
                    least(
                        coalesce(
                            reads.read_gb::double * 1073741824
                            / nullif(sizes.size_bytes, 0)::double,
                            0
                        ),
                        1
                    )
            else 1
        end as busy_share

    from sizes

    inner join reads
        on
            sizes.provider = reads.provider
            and sizes.bucket = reads.bucket
            and sizes.prefix = reads.prefix
            and sizes.storage_class = reads.storage_class

),

priced as (

    select
        used.provider,
        used.bucket,
        used.prefix,
        used.storage_class,
        rates.storage_class as rated_class,
        rates.minimum_days,
        rates.coldness,
        rates.needs_restore,
        rates.is_single_zone,
        rates.is_target,
        rates.idle_usd,
        rates.price_region_id,
        rates.region_id,
        rates.rate_basis,
        rates.transition_usd,
        rates.storage_usd,
        case
            -- Objects that come to Intelligent-Tiering are billed by what is read of them.
            when rates.idle_usd is not null and rates.storage_class <> used.storage_class
                then
                    rates.busy_usd * (
                        used.small_gb + (used.size_gb - used.small_gb) * used.busy_share
                    )
                    + rates.idle_usd * (used.size_gb - used.small_gb) * (1 - used.busy_share)
            else rates.storage_usd * used.size_gb
        end
        + case
            when rates.minimum_object_bytes > 0 then rates.storage_usd * used.padding_gb
            else 0
        end
        + rates.storage_usd * used.object_number * rates.overhead_bytes / 1073741824
        + case
            when rates.overhead_standard_bytes > 0
                then
                    rates.standard_usd * used.object_number * rates.overhead_standard_bytes
                    / 1073741824
            else 0
        end
        + rates.monitoring_usd * (used.object_number - used.small_object_count::double)
            as kept_usd,
        case
            when rates.minimum_object_bytes > 0 then rates.storage_usd * used.padding_gb
            else 0
        end
        + rates.storage_usd * used.object_number * rates.overhead_bytes / 1073741824
            as small_object_usd,
        -- A price counts only where something is counted by it.
        case when used.get_number > 0 then rates.get_usd * used.get_number else 0 end
        + case when used.read_number > 0 then rates.retrieval_usd * used.read_number else 0 end
            as read_usd,
        rates.get_usd,
        rates.retrieval_usd

    from used

    inner join rates
        on
            used.provider = rates.provider
            and used.bucket = rates.bucket

),

compared as (

    select
        used.provider,
        used.bucket,
        used.prefix,
        used.storage_class,
        later.rated_class as proposed_class,
        used.object_count,
        used.size_bytes,
        used.small_object_count,
        used.young_bytes,
        used.are_reads_known,
        used.get_count,
        used.read_gb,
        used.request_usd,
        later.rate_basis,
        later.region_id,
        later.price_region_id,
        later.minimum_days as proposed_minimum_days,
        later.needs_restore,
        later.is_single_zone,
        later.idle_usd is not null and later.rated_class <> used.storage_class as is_watched_first,
        -- To need a restore first, or to have one copy less, is a choice: money does not decide it.
        (later.needs_restore and not now_rates.needs_restore)
        or (later.is_single_zone and not now_rates.is_single_zone) as is_a_choice,
        later.rated_class = used.storage_class as is_now,
        now_rates.storage_usd as usd_gb_month,
        later.storage_usd as proposed_usd_gb_month,
        now_rates.kept_usd as now_kept_usd,
        now_rates.read_usd as now_read_usd,
        later.kept_usd as proposed_kept_usd,
        later.read_usd as proposed_read_usd,
        later.small_object_usd,
        later.get_usd > now_rates.get_usd
        or later.retrieval_usd > now_rates.retrieval_usd
        or later.needs_restore as is_dearer_to_read,
        case
            when later.rated_class = used.storage_class then 0
            else later.transition_usd * used.object_number
        end as transition_usd,
        case
            when later.rated_class = used.storage_class then 0
            else now_rates.storage_usd * used.gb_months_owed
        end as early_usd,
        case
            -- Against the stream of lifecycle rules objects are read and written anew.
            when later.coldness < now_rates.coldness
                then
                    now_rates.retrieval_usd * used.size_gb
                    + now_rates.get_usd * used.object_number
            else 0
        end as reading_out_usd

    from used

    inner join priced as now_rates
        on
            used.provider = now_rates.provider
            and used.bucket = now_rates.bucket
            and used.prefix = now_rates.prefix
            and used.storage_class = now_rates.storage_class
            and used.storage_class = now_rates.rated_class

    inner join priced as later
        on
            used.provider = later.provider
            and used.bucket = later.bucket
            and used.prefix = later.prefix
            and used.storage_class = later.storage_class

    where
        later.is_target
        or later.rated_class = used.storage_class

)

select * from compared
