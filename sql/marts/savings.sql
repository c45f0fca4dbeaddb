-- One row per plan that was carried out and bucket: what it was to save, and what it saved.
with

followed as (

    select * from intermediate.int_clean_ups_followed

),

changes as (

    select * from staging.stg_clean_ups__changes

),

storage as (

    select * from marts.storage_daily

),

storage_days as (

    select
        provider,
        bucket,
        storage_class,
        currency,
        usage_date,
        -- A day's GB-months are that part of a month.
        sum(gb_month::double * day(last_day(usage_date))) as stored_gb,
        sum(effective_cost) as effective_cost

    from storage

    group by all

),

classes_left as (

    select
        plan_id,
        provider,
        bucket,
        storage_class,
        sum(size_bytes)::bigint as size_bytes

    from changes

    where size_bytes > 0

    group by all

),

classes_entered as (

    select
        plan_id,
        provider,
        bucket,
        target_class,
        sum(size_bytes)::bigint as size_bytes

    from changes

    where target_class <> ''

    group by all

),

falls as (

    select
        classes_left.plan_id,
        classes_left.provider,
        classes_left.bucket,
        sum(classes_left.size_bytes - coalesce(classes_entered.size_bytes, 0))::double
        / 1073741824 as expected_gb

    from classes_left

    left outer join classes_entered
        on
            classes_left.plan_id = classes_entered.plan_id
            and classes_left.provider = classes_entered.provider
            and classes_left.bucket = classes_entered.bucket
            and classes_left.storage_class = classes_entered.target_class

    group by all

),

stored as (

    select
        followed.plan_id,
        followed.provider,
        followed.bucket,
        sum(
            case
                when storage_days.usage_date = followed.before_date
                    then storage_days.stored_gb
                else 0
            end
        ) as before_gb,
        sum(
            case
                when storage_days.usage_date = followed.last_date
                    then storage_days.stored_gb
                else 0
            end
        ) as after_gb

    from followed

    inner join classes_left
        on
            followed.plan_id = classes_left.plan_id
            and followed.provider = classes_left.provider
            and followed.bucket = classes_left.bucket

    inner join storage_days
        on
            classes_left.provider = storage_days.provider
            and classes_left.bucket = storage_days.bucket
            and classes_left.storage_class = storage_days.storage_class

    group by all

),

billed as (

    select
        followed.plan_id,
        followed.provider,
        followed.bucket,
        sum(
            case
                when storage_days.usage_date = followed.before_date
                    then storage_days.effective_cost
                else 0
            end
        ) as bill_before_day,
        sum(
            case
                when storage_days.usage_date = followed.last_date
                    then storage_days.effective_cost
                else 0
            end
        ) as bill_after_day

    from followed

    inner join storage_days
        on
            followed.provider = storage_days.provider
            and followed.bucket = storage_days.bucket
            and followed.currency = storage_days.currency

    group by all

),

compared as (

    select
        followed.*,
        followed.counterfactual_usd - followed.actual_usd - followed.clean_up_usd as realised_usd,
        falls.expected_gb,
        followed.is_billed
        and followed.before_date is not null
        and followed.days_followed > 0
        and falls.expected_gb > 0 as is_comparable,
        coalesce(stored.before_gb, 0) - coalesce(stored.after_gb, 0) as fallen_gb,
        case
            when followed.before_date is not null and followed.is_billed
                then coalesce(billed.bill_before_day, 0)
        end as bill_before_day,
        case
            when followed.days_followed > 0 and followed.is_billed
                then coalesce(billed.bill_after_day, 0)
        end as bill_after_day

    from followed

    left outer join falls
        on
            followed.plan_id = falls.plan_id
            and followed.provider = falls.provider
            and followed.bucket = falls.bucket

    left outer join stored
        on
            followed.plan_id = stored.plan_id
            and followed.provider = stored.provider
            and followed.bucket = stored.bucket

    left outer join billed
        on
            followed.plan_id = billed.plan_id
            and followed.provider = billed.provider
            and followed.bucket = billed.bucket

),

judged as (

    select
        *,
        case
            when is_comparable then fallen_gb >= 0.8 * expected_gb
        end as is_confirmed,
        bill_after_day - (bill_before_day - saved_usd_day) as grown_usd_day

    from compared

),

explained as (

    select
        plan_id,
        policy,
        provider,
        bucket,
        currency,
        object_count,
        size_bytes,
        undone_object_count,
        undone_bytes,
        days_followed,
        predicted_usd_month,
        predicted_usd,
        rate_basis,
        counterfactual_usd,
        actual_usd,
        clean_up_usd,
        realised_usd::decimal(38, 6) as realised_usd,
        bill_before_day::decimal(38, 6) as bill_before_day,
        bill_after_day::decimal(38, 6) as bill_after_day,
        case
            when object_count = 0 then 'nothing is saved: all of it was undone'
            when days_followed = 0 then 'no day after it is billed yet'
            when realised_usd is null then 'no price is known of a class that it left or filled'
            when not is_billed then 'no bill names the bucket: this is at list prices'
            when currency not in ('USD', '')
                then
                    'the bill is in ' || currency
                    || ': this is at list prices in dollars'
            when behind_usd_day > 0
                then
                    case
                        when realised_usd > 0 then 'a part was saved: '
                        else 'nothing was saved: '
                    end
                    || case
                        when provider = 'gcp' then 'deleted copies stay billed'
                        else 'versions stay billed'
                    end
            when realised_usd < 0
                then 'nothing was saved yet: clean-up itself has cost more'
            when is_confirmed then 'the bill fell with it'
            when is_confirmed is null then 'no day before it is billed: this is by rate only'
            when grown_usd_day >= 0.005
                then
                    'the bucket grew meanwhile: the bill shows '
                    || grown_usd_day::decimal(18, 2)::varchar
                    || ' USD a day more'
            else
                'the bill does not show it: '
                || fallen_gb::decimal(18, 1)::varchar || ' of '
                || expected_gb::decimal(18, 1)::varchar || ' GB are gone'
        end as reading,
        is_confirmed,
        applied_date,
        last_date

    from judged

)

select * from explained
