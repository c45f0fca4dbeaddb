-- One row per day, comparison and key whose cost changed: the change in parts that add up to it.
with

compared as (

    select * from intermediate.int_costs_compared

),

costs as (

    select * from intermediate.int_costs_keyed_daily

),

-- Half a day is made a whole one, and the earlier month as long as the later one.
scaled as (

    select
        *,
        (
            used_after - used_before + fee + restatement
        )::decimal(38, 12) as cost_change,
        quantity_before > 0
        and quantity_after > 0
        and share_before > 0
        and share_after > 0 as is_used,
        share_before > 0 and share_after > 0 as is_arrived,
        (usage_date - interval 1 month)::date as same_day_of_last_month,
        case
            when is_priced_by_month and quantity_before > 0 and quantity_after > 0 then month_ratio
            else 1
        end as cost_ratio,
        quantity_before::double
        / nullif(share_before, 0)
        * case when is_counted_by_month then month_ratio else 1 end as quantity_then,
        quantity_after::double / nullif(share_after, 0) as quantity_now,
        used_before::double / nullif(share_before, 0) as whole_before,
        used_after::double / nullif(share_after, 0) as whole_after

    from compared

),

meter_prices as (

    select
        provider,
        service_name,
        meter,
        usage_unit,
        currency,
        sum(used_cost)::double / nullif(sum(usage_quantity), 0)::double as price,
        usage_date

    from costs

    where
        is_tiered
        and usage_quantity > 0

    group by all

),

-- Tiers begin anew with a month. How far the price had moved in the month before, since the same
-- day of it, is what coming back to the first tiers is worth.
tier_resets as (

    select
        last_prices.provider,
        last_prices.service_name,
        last_prices.meter,
        last_prices.usage_unit,
        last_prices.currency,
        first_prices.price - last_prices.price as price_reset,
        first_prices.usage_date as first_date,
        last_prices.usage_date as last_date

    from meter_prices as last_prices

    inner join meter_prices as first_prices
        on
            last_prices.provider = first_prices.provider
            and last_prices.service_name = first_prices.service_name
            and last_prices.meter = first_prices.meter
            and last_prices.usage_unit = first_prices.usage_unit
            and last_prices.currency = first_prices.currency
            and last_prices.usage_date > first_prices.usage_date
            and date_trunc('month', last_prices.usage_date)
            = date_trunc('month', first_prices.usage_date)

    -- Below that it is how bills round.
    where abs(first_prices.price - last_prices.price) > 0.001 * abs(last_prices.price)

),

-- Keys that are new or gone are lines of their own, and move nobody else's share.
used as (

    select
        comparison,
        provider,
        service_name,
        usage_unit,
        currency,
        sum(quantity_then) as all_then,
        sum(quantity_now) as all_now,
        usage_date

    from scaled

    where is_used

    group by all

),

priced as (

    select
        scaled.*,
        scaled.whole_before
        * scaled.cost_ratio
        / nullif(scaled.quantity_then, 0) as price_then,
        scaled.whole_after / nullif(scaled.quantity_now, 0) as price_now,
        coalesce(
            tier_resets.price_reset
            * case when scaled.is_counted_by_month then 1 else scaled.cost_ratio end,
            0
        ) as price_reset,
        used.all_then,
        used.all_now

    from scaled

    left outer join tier_resets
        on
            scaled.is_tiered
            and scaled.provider = tier_resets.provider
            and scaled.service_name = tier_resets.service_name
            and scaled.meter = tier_resets.meter
            and scaled.usage_unit = tier_resets.usage_unit
            and scaled.currency = tier_resets.currency
            and scaled.compared_date = tier_resets.last_date
            and scaled.same_day_of_last_month = tier_resets.first_date

    left outer join used
        on
            scaled.comparison = used.comparison
            and scaled.usage_date = used.usage_date
            and scaled.provider = used.provider
            and scaled.service_name = used.service_name
            and scaled.usage_unit = used.usage_unit
            and scaled.currency = used.currency

),

estimated as (

    select
        *,
        case
            when share_before > 0 and share_after > 0
                then
                    used_after::double
                    - whole_after
                    - used_before::double
                    + whole_before
            else used_after::double - used_before::double
        end as whole_effect,
        case when is_used then whole_before * (cost_ratio - 1) else 0 end as month_effect,
        case when is_used then price_reset * quantity_now else 0 end as tier_effect,
        case
            when is_used then (price_now - price_then - price_reset) * quantity_now
            else 0
        end as price_effect,
        case
            when is_used then (all_now - all_then) * (quantity_then / all_then) * price_then
            else 0
        end as volume_effect

    from priced

),

-- A sum is exact in decimals only. A price of next to no usage may be too large for one: then all
-- of the change is the last part.
rounded as (

    select
        *,
        case
            when abs(whole_effect) < 1e15 then whole_effect
            else 0
        end::decimal(38, 6)::decimal(38, 12) as incomplete_day,
        case
            when abs(month_effect) < 1e15 then month_effect
            else 0
        end::decimal(38, 6)::decimal(38, 12) as month_length,
        case
            when abs(tier_effect) < 1e15 then tier_effect
            else 0
        end::decimal(38, 6)::decimal(38, 12) as tier_reset,
        case
            when abs(price_effect) < 1e15 then price_effect
            else 0
        end::decimal(38, 6)::decimal(38, 12) as price_part,
        case
            when abs(volume_effect) < 1e15 then volume_effect
            else 0
        end::decimal(38, 6)::decimal(38, 12) as volume_part

    from estimated

),

remaining as (

    select
        *,
        (
            cost_change
            - fee
            - restatement
            - incomplete_day
            - month_length
            - tier_reset
            - price_part
            - volume_part
        )::decimal(38, 12) as last_part

    from rounded

),

-- What rounding leaves is no effect of its own.
settled as (

    select
        *,
        case when abs(last_part) < 0.00001 then last_part else 0 end as crumb,
        case when abs(last_part) < 0.00001 then 0 else last_part end as rest

    from remaining

),

decomposed as (

    select
        comparison,
        key_id,
        provider,
        service_name,
        meter,
        team,
        bucket,
        usage_unit,
        currency,
        quantity_before,
        quantity_after,
        cost_change,
        (
            price_part
            + case
                when is_used and abs(price_part) > abs(volume_part) then crumb
                else 0
            end
        )::decimal(38, 12) as price,
        (
            volume_part
            + case
                when is_used and abs(price_part) <= abs(volume_part) then crumb
                else 0
            end
        )::decimal(38, 12) as volume,
        case when is_used then rest else 0 end::decimal(38, 12) as mix,
        fee,
        case
            when not is_used and is_arrived and quantity_after > 0 then last_part
            else 0
        end::decimal(38, 12) as new_usage,
        case
            when not is_used and is_arrived and quantity_after <= 0 then last_part
            else 0
        end::decimal(38, 12) as gone_usage,
        month_length,
        tier_reset,
        (
            incomplete_day + case when is_arrived then 0 else last_part end
        )::decimal(38, 12) as incomplete_day,
        restatement,
        compared_date,
        usage_date

    from settled

    -- What came for less and what came for more may come to nothing, and still be told.
    where
        cost_change <> 0
        or fee <> 0
        or restatement <> 0
        or incomplete_day <> 0
        or month_length <> 0
        or tier_reset <> 0
        or price_part <> 0
        or volume_part <> 0
        or last_part <> 0

)

select * from decomposed
