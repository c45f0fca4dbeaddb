-- One row per plan that was carried out, bucket, class left, class now and path: what was done.
with

source as (

    select * from raw.clean_ups

),

renamed as (

    select
        source.plan_id,
        source.policy,
        source.fingerprint,
        source.snapshot_id,
        source.provider,
        source.bucket,
        source.storage_class,
        source.target_class,
        source.path,
        source.left_behind,
        source.window_days,
        source.object_count,
        source.size_bytes,
        source.undone_object_count,
        source.undone_bytes,
        source.saving_usd_month,
        source.tail_usd_month,
        source.one_off_usd,
        source.began_date,
        source.ended_date

    from source

)

select * from renamed
