-- One row per bucket, prefix, class now and class proposed: what a move saves, costs, and is worth.
with

targets as (

    select * from intermediate.int_tier_targets_compared

),

charges as (

    select * from intermediate.int_charges_attributed

),

currencies as (

    select
        provider,
        bucket,
        min(currency) as currency

    from charges

    where
        bucket <> ''
        and currency <> 'USD'

    group by all

),

judged as (

    select
        targets.*,
        currencies.currency as other_currency,
        targets.now_kept_usd + targets.now_read_usd as now_usd,
        targets.proposed_kept_usd + targets.proposed_read_usd as proposed_usd,
        targets.transition_usd + targets.early_usd + targets.reading_out_usd as move_usd,
        (
            targets.now_kept_usd + targets.now_read_usd
            + targets.proposed_kept_usd + targets.proposed_read_usd
            + targets.transition_usd + targets.early_usd + targets.reading_out_usd
        ) is null as is_price_missing,
        targets.now_kept_usd - targets.proposed_kept_usd as kept_saving_usd,
        coalesce(targets.request_usd::double, 0) >= targets.now_kept_usd as is_mostly_requests,
        targets.now_kept_usd + targets.small_object_usd - targets.proposed_kept_usd
            as saving_without_padding_usd

    from targets

    left outer join currencies
        on
            targets.provider = currencies.provider
            and targets.bucket = currencies.bucket

),

measured as (

    select
        *,
        other_currency is not null or (is_price_missing and not is_now) as has_no_figures,
        case when is_now then 0 else now_usd - proposed_usd end as saving_usd,
        case
            when is_now then 0
            -- Leaving before the minimum time of the new class is over is billed as if it were.
            when
                proposed_minimum_days > 0
                and now_usd > proposed_read_usd
                and (move_usd * 30 + proposed_kept_usd * proposed_minimum_days)
                / (now_usd - proposed_read_usd) <= proposed_minimum_days
                then
                    (move_usd + proposed_kept_usd * proposed_minimum_days / 30)
                    / (now_usd - proposed_read_usd)
            when now_usd > proposed_usd
                then
                    move_usd / (now_usd - proposed_usd)
                    + case when is_watched_first then 1 else 0 end
        end as repaid_after

    from judged

),

decided as (

    select
        *,
        case
            when other_currency is not null then 'other_currency'
            when is_now then 'stay'
            when is_price_missing then 'price_not_confirmed'
            when saving_usd > 0 and young_bytes::double * 2 > size_bytes then 'too_young'
            when saving_usd > 0 and is_dearer_to_read and not are_reads_known
                then 'reads_unknown'
            when saving_usd > 0 and repaid_after <= 12 and saving_usd * 12 > move_usd
                then 'move'
            when kept_saving_usd > 0 and (saving_usd <= 0 or is_mostly_requests)
                then 'requests_dominate'
            when kept_saving_usd <= 0 and saving_without_padding_usd > 0 then 'small_objects'
            when saving_usd > 0 then 'not_repaid'
            else 'dearer'
        end as verdict

    from measured

),

rounded as (

    select
        *,
        case when not has_no_figures then saving_usd::decimal(18, 6) end as saving_usd_month,
        case when not has_no_figures then move_usd::decimal(18, 6) end as one_off_usd,
        case when not has_no_figures then repaid_after::decimal(18, 3) end as break_even_months,
        case when not has_no_figures then now_usd::decimal(18, 6) end as cost_usd_month,
        case
            when not has_no_figures then proposed_usd::decimal(18, 6)
        end as proposed_cost_usd_month

    from decided

),

ranked as (

    select
        *,
        row_number() over (
            partition by provider, bucket, prefix, storage_class
            order by
                case
                    when verdict = 'move' and not is_a_choice then 0
                    when is_now then 1
                    else 2
                end asc,
                saving_usd * 12 - move_usd desc,
                proposed_class asc
        ) = 1 as is_best

    from rounded

),

explained as (

    select
        provider,
        bucket,
        prefix,
        storage_class,
        proposed_class,
        size_bytes,
        object_count,
        small_object_count,
        cost_usd_month,
        proposed_cost_usd_month,
        saving_usd_month,
        one_off_usd,
        break_even_months,
        case when not has_no_figures then transition_usd::decimal(18, 6) end as transition_usd,
        case when not has_no_figures then early_usd::decimal(18, 6) end as early_delete_usd,
        get_count as get_count_month,
        read_gb as read_gb_month,
        usd_gb_month::decimal(18, 12) as usd_gb_month,
        proposed_usd_gb_month::decimal(18, 12) as proposed_usd_gb_month,
        rate_basis,
        price_region_id,
        is_best,
        verdict,
        case verdict
            when 'stay' then 'nothing changes'
            when 'other_currency'
                then
                    'the bucket is billed in ' || other_currency
                    || ': list prices are in USD, and nothing is converted'
            when 'price_not_confirmed'
                then
                    'no confirmed price says what the move, the bytes or their reads cost in '
                    || proposed_class || '; add it to a price file of your own'
            when 'too_young'
                then
                    'most of it has not lain the minimum time of ' || storage_class
                    || ': the days that are left are billed all the same, so wait'
            when 'reads_unknown'
                then
                    'reads cost more in ' || proposed_class
                    || ', and without a bill nobody knows how often it is read'
            when 'move'
                then
                    'saves more than it costs after ' || break_even_months || ' months'
                    || case
                        when proposed_minimum_days > 0
                            then
                                '; what goes earlier than ' || proposed_minimum_days
                                || ' days is billed for that long'
                        else ''
                    end
                    || case
                        when needs_restore
                            then '; it takes hours to read anything again'
                        when is_single_zone
                            then '; it lies in one data centre only'
                        else ''
                    end
            when 'requests_dominate'
                then
                    case
                        when is_mostly_requests
                            then
                                'your requests cost more than your bytes, '
                                || 'tiering will not help'
                        else
                            'reading it in ' || proposed_class
                            || ' would cost more than its bytes save'
                    end
            when 'small_objects'
                then
                    small_object_count || ' of ' || object_count
                    || ' objects are below 128 KiB: padding and index bytes in '
                    || proposed_class || ' cost more than the bytes save; pack them first'
            when 'not_repaid'
                then 'what the move costs is not back after a year'
            else 'it would cost more'
        end
        || case
            when verdict in ('stay', 'other_currency', 'price_not_confirmed') then ''
            when rate_basis = 'list' and region_id is null
                then
                    '; list prices of ' || price_region_id
                    || ', as no bill says where the bucket is'
            when rate_basis = 'list' and region_id <> price_region_id
                then
                    '; list prices of ' || price_region_id || ', as none are known for '
                    || region_id
            else ''
        end as reason

    from ranked

)

select * from explained
