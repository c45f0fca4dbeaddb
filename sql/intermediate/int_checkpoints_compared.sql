-- One row per checkpoint whose name carries a metric: whether it is, or may be, the best.
with

metrics as (

    select * from intermediate.int_checkpoint_metrics_ranked

    where told_in = 'name'

),

compared as (

    select
        checkpoint_number,
        series_number,
        bool_or(is_best) as is_best,
        bool_or(may_be_best) as may_be_best,
        coalesce(
            string_agg(
                case
                    when is_best
                        then
                            'best ' || metric || ' (' || measured_text
                            || case when better = 'lower' then ', lower' else ', higher' end
                            || ' is better)'
                    when may_be_best
                        then
                            'may be the best: which way ' || metric
                            || ' is better is not known, and ' || measured_text || ' is '
                            || case
                                when is_lowest then 'the lowest'
                                else 'the highest'
                            end
                end,
                '; '
                order by metric
            ),
            ''
        ) as best_because

    from metrics

    group by all

)

select * from compared
