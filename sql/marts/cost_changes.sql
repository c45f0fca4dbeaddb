-- One row per day, comparison, key and effect: why the key costs more or less than it did.
with

changes as (

    select * from intermediate.int_cost_changes_decomposed

),

effects as (

    select
        unnest(
            [
                'price',
                'volume',
                'mix',
                'fee',
                'new',
                'gone',
                'month_length',
                'tier_reset',
                'incomplete_day',
                'restatement'
            ]
        ) as effect

),

lines as (

    select
        changes.comparison,
        concat_ws(
            ' | ',
            changes.provider,
            changes.service_name,
            changes.meter,
            changes.team,
            changes.bucket,
            changes.usage_unit,
            changes.currency
        ) as key, -- noqa: RF04
        changes.provider,
        changes.service_name,
        changes.meter,
        changes.team,
        changes.bucket,
        changes.usage_unit,
        changes.currency,
        effects.effect,
        case effects.effect
            when 'price' then changes.price
            when 'volume' then changes.volume
            when 'mix' then changes.mix
            when 'fee' then changes.fee
            when 'new' then changes.new_usage
            when 'gone' then changes.gone_usage
            when 'month_length' then changes.month_length
            when 'tier_reset' then changes.tier_reset
            when 'incomplete_day' then changes.incomplete_day
            else changes.restatement
        end as amount,
        changes.quantity_before as compared_quantity,
        changes.quantity_after as usage_quantity,
        changes.compared_date,
        changes.usage_date

    from changes

    cross join effects

),

told as (

    select *

    from lines

    where amount <> 0

)

select * from told
